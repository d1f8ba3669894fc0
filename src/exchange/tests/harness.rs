//! Bridges as a client sees them: each link's stream ends in one of them. Nothing is real but the
//! client: time is a number, streams are queues.

use crate::exchange::{Answer, CallError, CallId, Client, ClientConfig, LINKS, Owner, Transmit};
use crate::wire::{FromBridge, Op, ToBridge, Value, resp};
use core::time::Duration;

/// How a played bridge behaves.
#[derive(Debug, Clone)]
pub(super) struct Bridge {
    /// Connections are taken.
    pub(super) up: bool,
    /// Nothing is said or heard, and connections stay open.
    pub(super) frozen: bool,
    /// Exchanges are kept until [`Harness::release`].
    pub(super) holds: bool,
    /// HELLO is answered.
    pub(super) welcomes: bool,
    /// HELLO is refused, and why.
    pub(super) refuses: Option<&'static str>,
    /// Streams are closed right after they were welcomed.
    pub(super) hangs_up: bool,
}

/// One stream's far end.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) bridge: usize,
    /// Exchanges not answered: id, number of operations, first argument of the first.
    pub(super) held: Vec<(u64, usize, Vec<u8>)>,
    /// Frames on their way to the client.
    pub(super) out: Vec<u8>,
}

/// How a call ended: the text its operation carried, or why not.
pub(super) type Ended = (Owner, CallId, Result<Vec<u8>, CallError>);

/// A client and its bridges.
pub(super) struct Harness {
    pub(super) client: Client,
    pub(super) now: Duration,
    pub(super) bridges: Vec<Bridge>,
    pub(super) streams: [Option<Stream>; LINKS],
    pub(super) ended: Vec<Ended>,
    /// Streams asked for: when, for which link.
    pub(super) dials: Vec<(Duration, usize)>,
    pub(super) posts: Vec<(CallId, Vec<u8>, u32)>,
    /// Messages sent: when, on which link.
    pub(super) sent: Vec<(Duration, usize, Vec<u8>)>,
    /// Redis' clock as the bridges tell it, microseconds; 0 when they do not know.
    pub(super) redis_us: u64,
    turn: usize,
}

pub(super) const TICK: Duration = Duration::from_millis(10);
pub(super) const TIMEOUT: Duration = Duration::from_millis(100);

pub(super) fn config() -> ClientConfig {
    ClientConfig {
        timeout: TIMEOUT,
        max_pending: 2_000,
        max_pending_bytes: 1 << 20,
        fallback_per_second: 200,
        namespace: "tg".to_owned(),
        node: "node-1".to_owned(),
        worker: u64::MAX,
        digest: "abc".to_owned(),
        l1_sync: None,
    }
}

pub(super) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

impl Harness {
    pub(super) fn new(bridges: usize, config: ClientConfig, seed: u64) -> Self {
        let bridge = Bridge {
            up: true,
            frozen: false,
            holds: false,
            welcomes: true,
            refuses: None,
            hangs_up: false,
        };
        Self {
            client: Client::new(config, seed),
            now: ms(1_000),
            bridges: vec![bridge; bridges],
            streams: [None, None, None],
            ended: Vec::new(),
            dials: Vec::new(),
            posts: Vec::new(),
            sent: Vec::new(),
            redis_us: 0,
            turn: 0,
        }
    }

    /// With all links up.
    pub(super) fn linked(bridges: usize) -> Self {
        let mut h = Self::new(bridges, config(), 7);
        h.run(ms(1_500));
        assert!(h.client.is_linked() && h.streams.iter().all(Option::is_some));
        h
    }

    /// Lets time pass, tick by tick.
    pub(super) fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.now += TICK;
            self.tick();
        }
    }

    /// Our own thread stands still, and then its timer fires first.
    pub(super) fn stall(&mut self, time: Duration) {
        self.now += time;
        self.tick();
    }

    pub(super) fn tick(&mut self) {
        let answers = self.client.handle_tick(self.now);
        self.collect(answers);
        self.settle();
    }

    pub(super) fn submit(&mut self, owner: u32) -> Result<CallId, CallError> {
        let text = owner.to_string();
        let result = self.submit_text(owner, text.as_bytes());
        self.settle();
        result
    }

    /// Without letting anything move.
    pub(super) fn submit_text(&mut self, owner: u32, text: &[u8]) -> Result<CallId, CallError> {
        let op = Op::CacheInvalidate { urls: vec![text] };
        self.client.submit(owner, &[op], self.now)
    }

    pub(super) fn background(&mut self, tag: u32, text: &[u8]) -> bool {
        let op = Op::CacheInvalidate { urls: vec![text] };
        let sent = self.client.submit_background(tag, &op, self.now);
        self.settle();
        sent
    }

    pub(super) fn settlement(&mut self, tag: u32, patience: Option<Duration>) -> bool {
        let op = Op::CacheInvalidate { urls: vec![b"x"] };
        let sent = self.client.submit_settlement(tag, &op, patience, self.now);
        self.settle();
        sent
    }

    /// Everything that can happen without time passing happens.
    pub(super) fn settle(&mut self) {
        loop {
            while let Some(transmit) = self.client.poll_transmit() {
                self.transmit(transmit);
            }
            let mut moved = false;
            for link in 0..LINKS {
                moved |= self.deliver(link);
            }
            self.client.assert_consistent();
            if !moved {
                break;
            }
        }
    }

    /// Answers what bridge `bridge` holds.
    pub(super) fn release(&mut self, bridge: usize) {
        for stream in self.streams.iter_mut().flatten() {
            if stream.bridge == bridge {
                for (id, count, text) in core::mem::take(&mut stream.held) {
                    reply(&mut stream.out, id, count, &text);
                }
            }
        }
        self.settle();
    }

    /// Answers one exchange that this link's bridge holds.
    pub(super) fn answer(&mut self, link: usize, id: u64) {
        let Some(stream) = &mut self.streams[link] else {
            return;
        };
        if let Some(at) = stream.held.iter().position(|(held, ..)| *held == id) {
            let (id, count, text) = stream.held.remove(at);
            reply(&mut stream.out, id, count, &text);
        }
    }

    /// A bridge dies: its streams close, and nobody can connect.
    pub(super) fn kill(&mut self, bridge: usize) {
        self.bridges[bridge].up = false;
        for link in 0..LINKS {
            if self.bridge_of(link) == Some(bridge) {
                self.close(link);
            }
        }
        self.settle();
    }

    pub(super) fn close(&mut self, link: usize) {
        self.streams[link] = None;
        let answers = self.client.handle_closed(link, self.now);
        self.collect(answers);
    }

    pub(super) fn say(&mut self, link: usize, frame: &FromBridge<'_>) {
        frame.encode(&mut self.streams[link].as_mut().expect("a stream").out);
        self.settle();
    }

    /// Raw bytes from a link's bridge.
    pub(super) fn message(&mut self, link: usize, message: &[u8]) {
        let answers = self.client.handle_message(link, message, self.now);
        let answers = answers.into_iter().map(ended).collect::<Vec<_>>();
        self.ended.extend(answers);
        self.settle();
    }

    pub(super) fn posted(&mut self, call: CallId, body: Option<&[u8]>) {
        let answers = self.client.handle_posted(call, body, self.now);
        let answers = answers.into_iter().map(ended).collect::<Vec<_>>();
        self.ended.extend(answers);
        self.settle();
    }

    pub(super) fn bridge_of(&self, link: usize) -> Option<usize> {
        self.streams[link].as_ref().map(|stream| stream.bridge)
    }

    pub(super) fn result(&self, call: CallId) -> Option<&Result<Vec<u8>, CallError>> {
        let mut results = self.ended.iter().filter(|(_, id, _)| *id == call);
        let first = results.next().map(|(.., result)| result);
        assert!(results.next().is_none(), "X1: {call:?} ended twice");
        first
    }

    /// Exchanges sent since `from`, and on which link.
    pub(super) fn exchanges(&self, from: Duration) -> Vec<(usize, u64)> {
        let mut found = Vec::new();
        for (at, link, message) in &self.sent {
            for frame in ToBridge::decode_all(message).expect("frames") {
                if let (true, ToBridge::Exchange { id, .. }) = (*at >= from, frame) {
                    found.push((*link, id));
                }
            }
        }
        found
    }

    fn transmit(&mut self, transmit: Transmit) {
        match transmit {
            Transmit::Open { link } => {
                self.dials.push((self.now, link));
                assert!(self.streams[link].is_none(), "one stream per link");
                let up: Vec<_> = (0..self.bridges.len())
                    .filter(|bridge| self.bridges[*bridge].up)
                    .collect();
                if up.is_empty() {
                    return self.close(link);
                }
                self.turn += 1;
                self.streams[link] = Some(Stream {
                    bridge: up[self.turn % up.len()],
                    held: Vec::new(),
                    out: Vec::new(),
                });
                self.client.handle_opened(link);
            }
            Transmit::Post {
                call,
                body,
                timeout_ms,
                ..
            } => self.posts.push((call, body, timeout_ms)),
            Transmit::Reset { link } => self.streams[link] = None,
            Transmit::Send { link, message } => self.hear(link, message),
        }
    }

    fn hear(&mut self, link: usize, message: Vec<u8>) {
        let Some(stream) = self.streams[link].as_mut() else {
            // It closed while this waited to be sent.
            return self.close(link);
        };
        let bridge = &self.bridges[stream.bridge];
        for frame in ToBridge::decode_all(&message).expect("frames") {
            match frame {
                ToBridge::Ack { .. } | ToBridge::Sync { .. } => {}
                ToBridge::Exchange { id, ops, .. } => {
                    let text = ops[0].as_array().expect("an operation")[1].as_bytes();
                    let text = text.expect("a text");
                    if bridge.holds || bridge.frozen {
                        stream.held.push((id, ops.len(), text.to_vec()));
                    } else {
                        reply(&mut stream.out, id, ops.len(), text);
                    }
                }
                _ if bridge.frozen => {}
                ToBridge::Hello(_) => {
                    if let Some(reason) = bridge.refuses {
                        let reason = reason.as_bytes();
                        FromBridge::Refused { reason }.encode(&mut stream.out);
                    } else if bridge.welcomes {
                        let name = format!("bridge-{}", stream.bridge);
                        let welcome = FromBridge::Welcome {
                            bridge: name.as_bytes(),
                            time_us: self.redis_us,
                        };
                        welcome.encode(&mut stream.out);
                    }
                }
                ToBridge::Ping { seq } => FromBridge::Pong {
                    seq,
                    time_us: self.redis_us,
                }
                .encode(&mut stream.out),
            }
        }
        self.sent.push((self.now, link, message));
    }

    fn deliver(&mut self, link: usize) -> bool {
        let Some(stream) = &mut self.streams[link] else {
            return false;
        };
        let bridge = &self.bridges[stream.bridge];
        if stream.out.is_empty() || bridge.frozen {
            return false;
        }
        let hangs_up = bridge.hangs_up;
        let message = core::mem::take(&mut stream.out);
        let answers = self.client.handle_message(link, &message, self.now);
        self.ended.extend(answers.into_iter().map(ended));
        if hangs_up && self.streams[link].is_some() {
            self.close(link);
        }
        true
    }

    pub(super) fn collect(&mut self, answers: Vec<Answer<'static>>) {
        self.ended.extend(answers.into_iter().map(ended));
    }
}

/// A reply with the text once per operation.
pub(super) fn reply(out: &mut Vec<u8>, id: u64, count: usize, text: &[u8]) {
    let values = vec![Value::Bulk(text); count];
    FromBridge::Reply { id, values }.encode(out);
}

pub(super) fn bulk(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    resp::bulk(&mut out, text);
    out
}

pub(super) fn ended(answer: Answer<'_>) -> Ended {
    let result = answer.result.map(|values| {
        let first = values.first().and_then(Value::as_bytes);
        first.unwrap_or_default().to_vec()
    });
    (answer.owner, answer.call, result)
}

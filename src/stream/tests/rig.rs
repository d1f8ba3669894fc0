//! A worker's VM with linked streams, a bridge that answers as a test says, and virtual time.

use super::bridge::{self, Asked};
use super::run::Req;
use crate::config;
use crate::exchange::{Answer, CallId, LINKS, Owner, Transmit};
use crate::http::Headers;
use crate::metrics::Metrics;
use crate::policy::{Config, Limit};
use crate::session::token::mint;
use crate::session::{Keys, RealmTag};
use crate::stream::{Direction, Input, Output, Stream};
use crate::vm::{Vm, VmSeed};
use crate::wire::{FromBridge, Op, ToBridge, TraceParent, frame, resp};
use core::time::Duration;
use std::collections::{HashMap, VecDeque};

/// Redis' clock when the tests' clock is 0, microseconds since the epoch.
pub(super) const EPOCH_US: u64 = 1_800_000_000_000_000;
/// How often the host calls `handle_tick`.
pub(super) const TICK: Duration = Duration::from_millis(10);
/// The policies' exchange timeout.
pub(super) const TIMEOUT: Duration = Duration::from_millis(100);

const KEYS: &str =
    "2:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8,1:IAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// One exchange or background operation that went out.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    /// The stream it went by; `None`: a unary call.
    pub(super) link: Option<usize>,
    pub(super) call: u64,
    pub(super) trace: Option<TraceParent>,
    pub(super) ops: Vec<Asked>,
}

/// What shall be different about a limit.
pub(super) type Change<'a> = (&'a str, &'a dyn Fn(&mut Limit));

type Hook = Box<dyn FnMut(&Asked) -> Option<Vec<u8>>>;

pub(super) struct Rig {
    pub(super) vm: Vm,
    pub(super) now: Duration,
    /// All that went out, in order.
    pub(super) sent: Vec<Sent>,
    /// Of `sent`, not answered yet.
    pub(super) open: Vec<Sent>,
    /// What a bridge says instead of the usual.
    pub(super) hook: Hook,
    /// Unary calls fail at once.
    pub(super) unary_fails: bool,
    streams: HashMap<u32, Stream>,
    /// What streams did of calls that failed while something else was fed.
    late: VecDeque<(u32, Output)>,
    next: u32,
    drawn: u64,
    /// The host has no randomness.
    pub(super) starved: bool,
    /// What was asked to be confirmed, and which invalidations were acknowledged: link and number.
    pub(super) syncs: Vec<(usize, u64)>,
    pub(super) acks: Vec<(usize, u64)>,
}

impl Rig {
    /// All streams welcomed, Redis' clock known.
    pub(super) fn new(policy: &str) -> Self {
        let mut rig = Self::unlinked(policy);
        rig.link(EPOCH_US);
        rig
    }

    /// The same with limits changed, by name.
    pub(super) fn changed(policy: &str, changes: &[Change<'_>]) -> Self {
        let mut config = parsed(policy);
        for (name, change) in changes {
            let mut limits = config.limits.iter_mut();
            change(limits.find(|limit| limit.name == *name).expect(name));
        }
        let mut rig = Self::of(config);
        rig.link(EPOCH_US);
        rig
    }

    /// No stream yet.
    pub(super) fn unlinked(policy: &str) -> Self {
        Self::of(parsed(policy))
    }

    fn of(config: Config) -> Self {
        let seed = VmSeed {
            random: 7,
            worker: 1,
            node: "node".to_owned(),
        };
        Self {
            vm: Vm::new(config, Some(keys()), seed),
            now: Duration::ZERO,
            sent: Vec::new(),
            open: Vec::new(),
            hook: Box::new(|_| None),
            unary_fails: false,
            streams: HashMap::new(),
            late: VecDeque::new(),
            next: 1,
            drawn: 1,
            starved: false,
            syncs: Vec::new(),
            acks: Vec::new(),
        }
    }

    /// Opens and welcomes all streams; `time_us` 0: Redis' clock is not known.
    pub(super) fn link(&mut self, time_us: u64) {
        let answers = self.vm.client.handle_tick(self.now);
        assert!(answers.is_empty());
        self.pump();
        for link in 0..LINKS {
            self.vm.client.handle_opened(link);
            self.pump();
            let mut message = Vec::new();
            let bridge = format!("bridge-{link}");
            let bridge = bridge.as_bytes();
            FromBridge::Welcome { bridge, time_us }.encode(&mut message);
            self.vm.client.handle_message(link, &message, self.now);
        }
        assert!(self.vm.client.is_linked());
    }

    /// All streams break; unary calls fail too.
    pub(super) fn cut(&mut self) {
        self.unary_fails = true;
        for link in 0..LINKS {
            let answers = self.vm.client.handle_closed(link, self.now);
            let done = self.take(answers);
            self.late.extend(done);
        }
        self.pump();
    }

    /// One link's stream breaks.
    pub(super) fn close(&mut self, link: usize) {
        let answers = self.vm.client.handle_closed(link, self.now);
        let done = self.take(answers);
        self.late.extend(done);
        self.pump();
    }

    /// Not random, and never the same 12 bytes twice.
    fn random(&mut self) -> u8 {
        self.drawn = self
            .drawn
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        self.drawn.to_be_bytes()[0]
    }

    /// A stream's context, nothing seen yet.
    pub(super) fn stream(&mut self) -> u32 {
        let id = self.next;
        self.next += 1;
        self.streams.insert(id, Stream::default());
        id
    }

    pub(super) fn feed(&mut self, id: u32, input: Input<'_>) -> Output {
        let wanted = if self.starved {
            0
        } else {
            self.vm.wants_entropy()
        };
        let bytes: Vec<u8> = (0..wanted).map(|_| self.random()).collect();
        self.vm.entropy.refill(&bytes);
        let stream = self.streams.get_mut(&id).expect("a stream");
        let output = stream.handle(id, input, self.now, &mut self.vm);
        assert_eq!(
            stream.is_paused(),
            matches!(output.verdict, crate::stream::Verdict::Pause),
            "the host is told to pause exactly while the stream waits: {output:?}"
        );
        self.pump();
        output
    }

    pub(super) fn headers(&mut self, id: u32, req: &Req) -> Output {
        let head = req.head(&self.vm);
        self.feed(id, Input::RequestHeaders(head))
    }

    pub(super) fn response(&mut self, id: u32, headers: Headers, end: bool) -> Output {
        self.feed(id, Input::ResponseHeaders { headers, end })
    }

    pub(super) fn body(&mut self, id: u32, chunk: &[u8], end: bool) {
        let wanted = self.wants_body(id);
        if wanted {
            self.feed(id, Input::ResponseBody { chunk, end });
        }
    }

    pub(super) fn wants_response(&self, id: u32) -> bool {
        self.streams[&id].wants_response()
    }

    pub(super) fn wants_body(&self, id: u32) -> bool {
        self.streams[&id].wants_body()
    }

    pub(super) fn is_paused(&self, id: u32) -> bool {
        self.streams[&id].is_paused()
    }

    /// Answers open exchanges, oldest first, until a stream does something; what it does.
    pub(super) fn answer(&mut self) -> Option<(u32, Output)> {
        loop {
            if let Some(done) = self.late.pop_front() {
                return Some(done);
            }
            if self.open.is_empty() {
                return None;
            }
            let sent = self.open.remove(0);
            let mut values = Vec::new();
            for op in &sent.ops {
                let said = (self.hook)(op);
                values.extend(said.unwrap_or_else(|| bridge::usual(op, self.redis_us())));
            }
            if let Some(done) = self.deliver(&sent, &values) {
                return Some(done);
            }
        }
    }

    /// What a stream did of a call that failed while something else was fed.
    pub(super) fn late(&mut self) -> Option<(u32, Output)> {
        self.late.pop_front()
    }

    /// A bridge says something on a link.
    pub(super) fn say(&mut self, link: usize, frame: &FromBridge<'_>) {
        let mut message = Vec::new();
        frame.encode(&mut message);
        self.vm.client.handle_message(link, &message, self.now);
        self.pump();
    }

    /// Delivers encoded values for an exchange.
    pub(super) fn deliver(&mut self, sent: &Sent, values: &[u8]) -> Option<(u32, Output)> {
        let mut message = Vec::new();
        let answers = match sent.link {
            Some(link) => {
                frame::reply(&mut message, sent.call, sent.ops.len(), values);
                let answers = self.vm.client.handle_message(link, &message, self.now);
                Self::owned(answers)
            }
            None => {
                let call = CallId(sent.call);
                Self::owned(self.vm.client.handle_posted(call, Some(values), self.now))
            }
        };
        let mut outputs = Vec::new();
        for (owner, call, result) in answers {
            let result = match &result {
                Ok(bytes) => Ok(resp::decode_all(bytes).expect("values")),
                Err(error) => Err(*error),
            };
            outputs.extend(self.hand(owner, call, result));
        }
        outputs.pop()
    }

    /// Lets time pass, a tick at a time.
    pub(super) fn pass(&mut self, time: Duration) -> Vec<(u32, Output)> {
        let until = self.now + time;
        let mut outputs = Vec::new();
        while self.now < until {
            self.now = (self.now + TICK).min(until);
            let answers = self.vm.client.handle_tick(self.now);
            outputs.extend(self.take(answers));
            self.vm.tick(self.now);
            self.pump();
            self.hear();
        }
        outputs
    }

    pub(super) fn redis_us(&self) -> u64 {
        EPOCH_US + u64::try_from(self.now.as_micros()).unwrap()
    }

    /// Exchanges of requests, as the metric counts them.
    pub(super) fn exchanges(&self) -> u64 {
        self.vm.client.counters().sent
    }

    /// What was counted since the last call, by name.
    pub(super) fn counted(&mut self) -> HashMap<String, u64> {
        counted(&mut self.vm.metrics)
    }

    /// All operations that went out, in order.
    pub(super) fn all_ops(&self) -> impl Iterator<Item = &Asked> {
        self.sent.iter().flat_map(|sent| &sent.ops)
    }

    fn take(&mut self, answers: Vec<Answer<'_>>) -> Vec<(u32, Output)> {
        answers
            .into_iter()
            .filter_map(|answer| self.hand(answer.owner, answer.call, answer.result))
            .collect()
    }

    fn hand(
        &mut self,
        owner: Owner,
        call: CallId,
        result: Result<Vec<resp::Value<'_>>, crate::exchange::CallError>,
    ) -> Option<(u32, Output)> {
        match owner {
            Owner::Background(tag) => {
                self.vm.background(tag, result);
                None
            }
            Owner::Client => None,
            Owner::Context(id) => {
                let output = self.feed(id, Input::Answer { call, result });
                Some((id, output))
            }
        }
    }

    /// Values outlive the message they came in.
    fn owned(
        answers: Vec<Answer<'_>>,
    ) -> Vec<(Owner, CallId, Result<Vec<u8>, crate::exchange::CallError>)> {
        let encode = |values: Vec<resp::Value<'_>>| {
            let mut out = Vec::new();
            values.iter().for_each(|value| value.encode(&mut out));
            out
        };
        answers
            .into_iter()
            .map(|answer| (answer.owner, answer.call, answer.result.map(encode)))
            .collect()
    }

    /// Carries out what the client wants.
    fn pump(&mut self) {
        while let Some(transmit) = self.vm.client.poll_transmit() {
            match transmit {
                Transmit::Open { .. } | Transmit::Reset { .. } => {}
                Transmit::Send { link, message } => {
                    for frame in ToBridge::decode_all(&message).expect("frames") {
                        match frame {
                            ToBridge::Exchange { id, trace, ops, .. } => {
                                self.went(Some(link), id, trace, &ops);
                            }
                            ToBridge::Sync { seq, .. } => self.syncs.push((link, seq)),
                            ToBridge::Ack { seq } => self.acks.push((link, seq)),
                            _ => {}
                        }
                    }
                }
                Transmit::Post { call, .. } if self.unary_fails => {
                    let answers = self.vm.client.handle_posted(call, None, self.now);
                    let done = self.take(answers);
                    self.late.extend(done);
                }
                Transmit::Post {
                    call, body, trace, ..
                } => {
                    let ops = resp::decode_all(&body).expect("operations");
                    self.went(None, call.0, trace, &ops);
                }
            }
        }
    }

    fn went(
        &mut self,
        link: Option<usize>,
        call: u64,
        trace: Option<TraceParent>,
        ops: &[resp::Value<'_>],
    ) {
        let ops = ops
            .iter()
            .map(|op| Asked::of(&Op::parse(op).expect("an operation")));
        let ops = ops.collect();
        let sent = Sent {
            link,
            call,
            trace,
            ops,
        };
        self.sent.push(sent.clone());
        self.open.push(sent);
    }

    /// Bridges say that they live, or their streams would be given up.
    fn hear(&mut self) {
        if !self.vm.client.is_linked() {
            return;
        }
        for link in 0..LINKS {
            let mut message = Vec::new();
            FromBridge::Pong { seq: 1, time_us: 0 }.encode(&mut message);
            self.vm.client.handle_message(link, &message, self.now);
        }
    }
}

fn parsed(policy: &str) -> Config {
    config::parse(policy.as_bytes()).unwrap_or_else(|errors| panic!("{errors}"))
}

/// What was counted, by name.
pub(super) fn counted(metrics: &mut Metrics) -> HashMap<String, u64> {
    let mut grown = Vec::new();
    metrics.drain(|index, n| grown.push((index, n)));
    let names = metrics.names();
    grown
        .into_iter()
        .map(|(index, n)| (names[index].clone(), n))
        .collect()
}

pub(super) fn keys() -> Keys {
    Keys::parse(KEYS).expect("keys")
}

/// A token of a realm, for an hour.
pub(super) fn token(realm: &str) -> String {
    token_until(realm, EPOCH_US / 1_000_000 + 3600)
}

/// A token of a realm with a deadline, seconds since the epoch.
pub(super) fn token_until(realm: &str, deadline_s: u64) -> String {
    mint(&keys(), RealmTag::of(realm), [7; 12], deadline_s, [9; 18])
}

/// Whether a paused half goes on.
pub(super) fn resumes(output: &Output) -> bool {
    output.resume == Some(Direction::Request) || output.resume == Some(Direction::Response)
}

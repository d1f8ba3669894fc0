//! Anything in any order: what must hold whatever happens.

use super::harness::{Ended, bulk, config, ended, ms, reply};
use crate::exchange::{CallError, CallId, Client, ClientConfig, LINKS, Owner, Transmit};
use crate::wire::{FromBridge, Op, ToBridge, Value};
use core::time::Duration;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Something that happens. Numbers pick among what there is.
#[derive(Debug, Clone)]
enum Step {
    Background,
    Bye(usize),
    Close(usize),
    Foreign(usize, u64),
    Garbage(usize),
    Posted(usize, u8),
    Refused(usize),
    Reply(usize),
    ReplyAgain(usize),
    ReplyElsewhere(usize, usize),
    ReplyOfAnOldStream(usize, usize),
    ReplyWrong(usize),
    Submit,
    Tick(u64),
    Welcome(usize, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let n = || 0_usize..64;
    let link = || 0..LINKS;
    prop_oneof![
        1 => Just(Step::Background),
        1 => link().prop_map(Step::Bye),
        1 => link().prop_map(Step::Close),
        1 => (link(), 0_u64..40).prop_map(|(link, id)| Step::Foreign(link, id)),
        1 => link().prop_map(Step::Garbage),
        2 => (n(), 0_u8..3).prop_map(|(call, how)| Step::Posted(call, how)),
        1 => link().prop_map(Step::Refused),
        5 => n().prop_map(Step::Reply),
        1 => n().prop_map(Step::ReplyAgain),
        1 => (n(), link()).prop_map(|(call, link)| Step::ReplyElsewhere(call, link)),
        1 => (n(), link()).prop_map(|(call, link)| Step::ReplyOfAnOldStream(call, link)),
        1 => n().prop_map(Step::ReplyWrong),
        8 => Just(Step::Submit),
        6 => (1_u64..60).prop_map(Step::Tick),
        1 => (100_u64..700).prop_map(Step::Tick),
        4 => (link(), 0_u8..2).prop_map(|(link, bridge)| Step::Welcome(link, bridge)),
    ]
}

/// Where a call was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Post,
    /// On which stream of all.
    Stream(usize),
}

/// One call as the model knows it.
#[derive(Debug, Clone)]
struct Call {
    owner: Owner,
    text: Vec<u8>,
    deadline: Duration,
    sent: Vec<(Duration, Sent)>,
}

/// The client and what must be true of it.
struct Model {
    client: Client,
    now: Duration,
    /// The stream of each link, numbered over all links and time.
    streams: [Option<usize>; LINKS],
    closed: Vec<usize>,
    opened: usize,
    calls: BTreeMap<CallId, Call>,
    pending: Vec<CallId>,
    ended: Vec<CallId>,
    next: u32,
    /// What the client may ask of its own accord at this tick, once.
    probe: Option<Call>,
}

const MOST: usize = 12;

impl Model {
    fn new(seed: u64) -> Self {
        let config = ClientConfig {
            max_pending: MOST,
            max_pending_bytes: 600,
            ..config()
        };
        Self {
            client: Client::new(config, seed),
            now: Duration::ZERO,
            streams: [None; LINKS],
            closed: Vec::new(),
            opened: 0,
            calls: BTreeMap::new(),
            pending: Vec::new(),
            ended: Vec::new(),
            next: 0,
            probe: None,
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Background | Step::Submit => self.submit(matches!(step, Step::Background)),
            Step::Bye(link) => self.say(link, &FromBridge::Bye),
            Step::Close(link) => self.close(link),
            Step::Foreign(link, id) => {
                // Not one that is pending there.
                if self.place(CallId(id)) != self.streams[link].map(Sent::Stream) {
                    self.reply_to_nobody(link, id);
                }
            }
            Step::Garbage(link) => {
                if self.streams[link].is_some() {
                    self.message(link, b"*1\r\n:1\r\n", None);
                }
            }
            Step::Posted(n, how) => self.posted(n, how),
            Step::Refused(link) => self.say(link, &FromBridge::Refused { reason: b"no" }),
            Step::Reply(n) => {
                if let Some((call, link)) = self.pick(n) {
                    self.reply(link, call, 1);
                }
            }
            Step::ReplyAgain(n) => {
                if let (Some(call), Some(link)) = (self.nth_ended(n), self.open_link(n)) {
                    self.reply_to_nobody(link, call.0);
                }
            }
            Step::ReplyElsewhere(n, link) => {
                if let Some((call, on)) = self.pick(n)
                    && on != link
                    && self.streams[link].is_some()
                {
                    self.reply_to_nobody(link, call.0);
                }
            }
            Step::ReplyOfAnOldStream(n, link) => self.reply_of_an_old_stream(n, link),
            Step::ReplyWrong(n) => {
                if let Some((call, link)) = self.pick(n) {
                    self.reply(link, call, 2);
                }
            }
            Step::Tick(gap) => self.tick(ms(gap)),
            Step::Welcome(link, bridge) => {
                let bridge = &[b'a' + bridge][..];
                self.say(link, &FromBridge::Welcome { bridge, time_us: 5 });
            }
        }
        self.check();
    }

    fn submit(&mut self, background: bool) {
        self.next += 1;
        let text = format!("call-{}", self.next).into_bytes();
        let op = Op::CacheInvalidate { urls: vec![&text] };
        let before = self.client.pending();
        let call = |owner, timeout| Call {
            owner,
            text: text.clone(),
            deadline: self.now + timeout,
            sent: Vec::new(),
        };
        if background {
            let call = call(Owner::Background(self.next), ms(5_000));
            let sent = self.client.submit_background(self.next, &op, self.now);
            assert_eq!(self.client.pending(), before + usize::from(sent));
            self.pump(sent.then_some(call));
            return;
        }
        let call = call(Owner::Context(self.next), ms(100));
        let made = self.client.submit(self.next, &[op], self.now);
        assert_eq!(self.client.pending(), before + usize::from(made.is_ok()));
        // It may have to wait for a stream.
        if let Ok(id) = made {
            self.pending.push(id);
            self.calls.insert(id, call);
        }
        self.pump(None);
    }

    /// Does what the client wants. `new` is the background call that was just made.
    fn pump(&mut self, mut new: Option<Call>) {
        while let Some(transmit) = self.client.poll_transmit() {
            match transmit {
                Transmit::Open { link } => {
                    assert_eq!(self.streams[link], None, "one stream per link");
                    self.streams[link] = Some(self.opened);
                    self.opened += 1;
                    self.client.handle_opened(link);
                }
                Transmit::Reset { link } => self.closed.extend(self.streams[link].take()),
                Transmit::Post {
                    call, timeout_ms, ..
                } => {
                    assert!(timeout_ms > 0);
                    self.sent(call, Sent::Post, &mut new);
                }
                Transmit::Send { link, message } => {
                    let stream = self.streams[link].expect("sent on a stream that is there");
                    for frame in ToBridge::decode_all(&message).expect("frames") {
                        if let ToBridge::Exchange {
                            id, deadline_ms, ..
                        } = frame
                        {
                            assert!(deadline_ms > 0);
                            let call = CallId(id);
                            self.sent(call, Sent::Stream(stream), &mut new);
                            let background =
                                matches!(self.calls[&call].owner, Owner::Background(_));
                            assert_eq!(background, link == LINKS - 1);
                        }
                    }
                }
            }
        }
        assert!(new.is_none(), "an accepted call is sent");
    }

    fn sent(&mut self, id: CallId, to: Sent, new: &mut Option<Call>) {
        let now = self.now;
        let call = match self.calls.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(slot) => {
                self.pending.push(id);
                let probe = || self.probe.take();
                slot.insert(new.take().or_else(probe).expect("a new call"))
            }
        };
        if let Some((_, before)) = call.sent.last() {
            // X8: only when its stream closed before the answer, never after the deadline.
            let Sent::Stream(stream) = before else {
                panic!("a unary call was sent again")
            };
            assert!(self.closed.contains(stream) && !self.ended.contains(&id));
            assert!(now < call.deadline);
            assert!(matches!(call.owner, Owner::Context(_)));
        }
        call.sent.push((now, to));
        assert!(call.sent.len() <= 2, "X8: one retry at most");
    }

    /// X1: each call ends once. `by`: the only call that may end with values.
    fn end(&mut self, answers: Vec<Ended>, by: Option<CallId>) {
        for (owner, id, result) in answers {
            let at = self.pending.iter().position(|call| *call == id);
            self.pending
                .remove(at.expect("X1: ended once, and was pending"));
            self.ended.push(id);
            let call = &self.calls[&id];
            assert_eq!(owner, call.owner);
            match result {
                Ok(text) => {
                    assert_eq!(Some(id), by);
                    assert_eq!(text, call.text, "X2: another call's answer");
                }
                Err(CallError::Timeout) => assert!(call.deadline <= self.now),
                Err(CallError::Closed | CallError::Malformed) => {}
                // It waited for a stream, and none could be opened.
                Err(CallError::Unreachable) => {
                    let closed = |(_, to): &(_, Sent)| matches!(to, Sent::Stream(stream) if self.closed.contains(stream));
                    assert!(call.sent.iter().all(closed) && call.sent.len() < 2);
                }
                Err(error) => panic!("a call that was made ended as {error}"),
            }
        }
    }

    fn message(&mut self, link: usize, message: &[u8], by: Option<CallId>) {
        let answers = self.client.handle_message(link, message, self.now);
        let answers: Vec<_> = answers.into_iter().map(ended).collect();
        self.end(answers, by);
        self.pump(None);
    }

    fn say(&mut self, link: usize, frame: &FromBridge<'_>) {
        if self.streams[link].is_some() {
            let mut message = Vec::new();
            frame.encode(&mut message);
            self.message(link, &message, None);
        }
    }

    fn reply(&mut self, link: usize, call: CallId, count: usize) {
        let mut message = Vec::new();
        reply(&mut message, call.0, count, &self.calls[&call].text);
        let pending = self.pending.len();
        self.message(link, &message, Some(call));
        assert!(self.ended.contains(&call) && self.pending.len() == pending - 1);
    }

    fn reply_to_nobody(&mut self, link: usize, id: u64) {
        if self.streams[link].is_none() {
            return;
        }
        let mut message = Vec::new();
        reply(&mut message, id, 1, b"poison");
        let (late, ended) = (self.client.counters().late, self.ended.len());
        self.message(link, &message, None);
        assert_eq!(self.client.counters().late, late + 1, "dropped and counted");
        assert_eq!(self.ended.len(), ended);
    }

    /// A reply to a call that was sent on an earlier stream of this link comes on the present one.
    fn reply_of_an_old_stream(&mut self, n: usize, link: usize) {
        let Some(stream) = self.streams[link] else {
            return;
        };
        let old: Vec<_> = self
            .calls
            .iter()
            .filter(|(_, call)| call.sent.iter().all(|(_, to)| *to != Sent::Stream(stream)))
            .map(|(id, _)| *id)
            .collect();
        if !old.is_empty() {
            self.reply_to_nobody(link, old[n % old.len()].0);
        }
    }

    fn posted(&mut self, n: usize, how: u8) {
        let posts: Vec<_> = self
            .calls
            .iter()
            .filter(|(_, call)| call.sent.iter().any(|(_, to)| *to == Sent::Post))
            .map(|(id, _)| *id)
            .collect();
        if posts.is_empty() {
            return;
        }
        let id = posts[n % posts.len()];
        let body = match how {
            0 => None,
            1 => Some(bulk(&self.calls[&id].text)),
            _ => Some(b"$9\r\n".to_vec()),
        };
        let (waits, late) = (self.pending.contains(&id), self.client.counters().late);
        let answers = self.client.handle_posted(id, body.as_deref(), self.now);
        let answers: Vec<_> = answers.into_iter().map(ended).collect();
        assert_eq!(answers.len(), usize::from(waits));
        assert_eq!(self.client.counters().late, late + u64::from(!waits));
        self.end(answers, Some(id));
        self.pump(None);
    }

    fn close(&mut self, link: usize) {
        self.closed.extend(self.streams[link].take());
        let answers = self.client.handle_closed(link, self.now);
        self.end(answers.into_iter().map(ended).collect(), None);
        self.pump(None);
    }

    fn tick(&mut self, gap: Duration) {
        let before = self.now;
        self.now += gap;
        let answers = self.client.handle_tick(self.now);
        self.end(answers.into_iter().map(ended).collect(), None);
        self.probe = Some(Call {
            owner: Owner::Client,
            text: b"nobody".to_vec(),
            deadline: self.now + ms(100),
            sent: Vec::new(),
        });
        self.pump(None);
        self.probe = None;
        // X3: nothing outlives its deadline beyond a tick, or beyond two when the first was late.
        let due = if gap > ms(50) { before } else { self.now };
        for id in &self.pending {
            assert!(self.calls[id].deadline > due);
            assert!(!self.client.is_linked() || !self.waits(*id), "for nothing");
        }
    }

    fn check(&self) {
        self.client.assert_consistent();
        assert_eq!(self.client.pending(), self.pending.len());
        assert!(self.pending.len() <= MOST);
        for id in &self.pending {
            if self.waits(*id) {
                let call = &self.calls[id];
                assert!(matches!(call.owner, Owner::Context(_)) && call.sent.len() < 2);
            }
        }
        let counters = self.client.counters();
        let context = |id: &&CallId| matches!(self.calls[*id].owner, Owner::Context(_));
        let waiting = self.pending.iter().filter(context).count() as u64;
        let ended = self.ended.iter().filter(context).count() as u64;
        assert_eq!(counters.sent, waiting + ended);
    }

    /// X1: what is pending is with a stream that is there or a unary call, or waits for a stream.
    fn waits(&self, id: CallId) -> bool {
        match self.place(id) {
            Some(Sent::Stream(stream)) => !self.streams.contains(&Some(stream)),
            Some(Sent::Post) => false,
            None => true,
        }
    }

    /// Where a pending call is.
    fn place(&self, id: CallId) -> Option<Sent> {
        let pending = self.pending.contains(&id);
        pending.then(|| self.calls[&id].sent.last().map(|(_, to)| *to))?
    }

    /// A call pending on a stream, and its link.
    fn pick(&self, n: usize) -> Option<(CallId, usize)> {
        let mut on: Vec<_> = Vec::new();
        for id in &self.pending {
            if let Some(Sent::Stream(stream)) = self.place(*id)
                && let Some(link) = self.streams.iter().position(|s| *s == Some(stream))
            {
                on.push((*id, link));
            }
        }
        on.get(n.checked_rem(on.len())?).copied()
    }

    fn nth_ended(&self, n: usize) -> Option<CallId> {
        self.ended.get(n.checked_rem(self.ended.len())?).copied()
    }

    fn open_link(&self, n: usize) -> Option<usize> {
        (0..LINKS)
            .find(|link| self.streams[(link + n) % LINKS].is_some())
            .map(|link| (link + n) % LINKS)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn x1_x2_x3_x4_x8_whatever_happens(
        seed in any::<u64>(),
        linked in any::<bool>(),
        steps in vec(step(), 1..120),
    ) {
        let mut model = Model::new(seed);
        if linked {
            model.step(&Step::Tick(1));
            for (link, bridge) in [(0, 0), (1, 1), (2, 0)] {
                model.step(&Step::Welcome(link, bridge));
            }
        }
        for step in &steps {
            model.step(step);
        }
        // In the end everything has ended, but for what the client asks of its own accord just then.
        model.tick(ms(6_000));
        model.tick(ms(10));
        model.check();
        let own = |id: &CallId| model.calls[id].owner == Owner::Client;
        prop_assert!(model.pending.iter().all(own) && model.pending.len() <= 1);
        prop_assert_eq!(model.calls.len(), model.ended.len() + model.pending.len());
    }

    /// X5: replies in any order, in messages of any grouping, give the same answers.
    #[test]
    fn x5_neither_order_nor_grouping_of_replies_matters(
        order in Just((1_u32..=40).collect::<Vec<_>>()).prop_shuffle(),
        cuts in vec(any::<bool>(), 40),
    ) {
        let mut client = Client::new(config(), 1);
        client.handle_tick(ms(1));
        let mut welcome = Vec::new();
        FromBridge::Welcome { bridge: b"a", time_us: 0 }.encode(&mut welcome);
        client.handle_message(0, &welcome, ms(1));
        let mut calls = BTreeMap::new();
        for owner in 1..=40_u32 {
            let text = owner.to_string();
            let op = Op::CacheInvalidate { urls: vec![text.as_bytes()] };
            calls.insert(owner, client.submit(owner, &[op], ms(1)).unwrap());
        }
        let (mut message, mut answers) = (Vec::new(), Vec::new());
        for (owner, cut) in order.iter().zip(&cuts) {
            reply(&mut message, calls[owner].0, 1, owner.to_string().as_bytes());
            if *cut {
                let ended_now = client.handle_message(0, &message, ms(2));
                answers.extend(ended_now.into_iter().map(ended));
                message.clear();
            }
        }
        answers.extend(client.handle_message(0, &message, ms(2)).into_iter().map(ended));
        answers.sort_by_key(|(_, call, _)| *call);
        let expected: Vec<_> = calls
            .iter()
            .map(|(owner, call)| (Owner::Context(*owner), *call, Ok(owner.to_string().into_bytes())))
            .collect();
        prop_assert_eq!(answers, expected);
        client.assert_consistent();
    }

    /// P1: whatever a bridge says, the client returns.
    #[test]
    fn p1_any_bytes_from_a_bridge_return(
        messages in vec((0..LINKS, "([*$:+-]|-?[0-9]|\r\n|R|X|PONG|BYE|WELCOME){0,20}"), 0..20),
        values in vec(any::<i64>(), 0..4),
    ) {
        let mut client = Client::new(config(), 1);
        let (mut now, mut numbers) = (ms(0), Vec::new());
        let values = values.into_iter().map(Value::Integer).collect();
        FromBridge::Reply { id: 1, values }.encode(&mut numbers);
        for (link, message) in &messages {
            now += ms(10);
            client.handle_tick(now);
            client.handle_message(*link, message.as_bytes(), now);
            client.handle_message(*link, &numbers, now);
            client.assert_consistent();
        }
    }
}

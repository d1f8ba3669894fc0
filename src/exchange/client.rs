//! The client: see the module's documentation for its contract.

mod background;
mod memory;
mod probe;
mod prospect;
mod streams;

use super::allowance::{Dials, Fallback};
use super::calls::{Calls, Pending, Place};
use super::link::{Link, PING_EVERY, Wish};
use super::sync::Sync;
use super::{
    Answer, Breaker, CallError, CallId, ClientConfig, Counters, Invalid, LINKS, Owner, SplitMix64,
    Terms, Transmit,
};
use crate::wire::frame::{self, Hello};
use crate::wire::op::MAX_HOLD_MS;
use crate::wire::{FromBridge, Op, PROTOCOL, ToBridge, resp};
use background::MAX_SETTLEMENT;
use core::time::Duration;
use prospect::Prospect;
use std::collections::VecDeque;

/// Largest exchange of a request, bytes of operations: a full cookie of limits and a long URL.
const MAX_DECISION: usize = 64 << 10;
/// Longest time a bridge may hold an answer back.
const MAX_HOLD: Duration = Duration::from_millis(MAX_HOLD_MS);
/// A tick that comes so long after the one before is late by four and more: a policy was replaced on our thread, or the
/// machine has too much to do.
const LATE: Duration = Duration::from_millis(50);

/// The filter's side of all exchanges of one VM.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    links: [Link; LINKS],
    calls: Calls,
    breaker: Breaker,
    rng: SplitMix64,
    out: VecDeque<Transmit>,
    counters: Counters,
    on_link: [usize; LINKS],
    fallback: Fallback,
    dials: Dials,
    prospect: Prospect,
    /// Calls may be waiting for a stream.
    anyone_waits: bool,
    last_tick: Duration,
    /// When our own thread had stood still for the last time.
    woke: Duration,
    refusal: Option<String>,
    forget: Vec<[u8; 16]>,
    sync: Option<Sync>,
    invalid: Vec<Invalid>,
    /// Redis' clock minus our monotonic one, microseconds, as last heard.
    fleet_offset_us: Option<u64>,
}

impl Client {
    /// A client without streams; the first tick dials them. `seed` is for jitter.
    pub fn new(config: ClientConfig, seed: u64) -> Self {
        let fallback = Fallback::new(config.fallback_per_second);
        let sync = config.l1_sync.map(Sync::new);
        let breaker = Breaker::new(config.timeout);
        Self {
            config,
            links: core::array::from_fn(|_| Link::new()),
            calls: Calls::default(),
            breaker,
            rng: SplitMix64::new(seed),
            out: VecDeque::new(),
            counters: Counters::default(),
            on_link: [0; LINKS],
            fallback,
            dials: Dials::default(),
            prospect: Prospect::new(),
            anyone_waits: false,
            last_tick: Duration::ZERO,
            woke: Duration::ZERO,
            refusal: None,
            forget: Vec::new(),
            sync,
            invalid: Vec::new(),
            fleet_offset_us: None,
        }
    }

    /// Sends operations a request waits for; `owner` is its context. The answer comes from a
    /// `handle_*` method, exactly once.
    ///
    /// # Errors
    ///
    /// The call was not made and no answer will come: the breaker is open, too much is pending, or no
    /// bridge can be reached.
    pub fn submit(
        &mut self,
        owner: u32,
        ops: &[Op<'_>],
        now: Duration,
    ) -> Result<CallId, CallError> {
        self.submit_with(owner, ops, Terms::default(), now)
    }

    /// The same, on terms of its own.
    ///
    /// # Errors
    ///
    /// As of [`Client::submit`].
    pub fn submit_with(
        &mut self,
        owner: u32,
        ops: &[Op<'_>],
        terms: Terms,
        now: Duration,
    ) -> Result<CallId, CallError> {
        if !self.breaker.admit(now, &mut self.rng) {
            self.counters.error = self.counters.error.saturating_add(1);
            return Err(CallError::Broken);
        }
        let timeout = self.config.timeout.saturating_add(terms.hold);
        let result = self.place(Owner::Context(owner), ops, timeout, terms, now);
        match result {
            Ok(_) => self.counters.sent = self.counters.sent.saturating_add(1),
            Err(error) => {
                self.counters.error = self.counters.error.saturating_add(1);
                if error != CallError::Busy {
                    self.failed(now);
                }
            }
        }
        result
    }

    /// The stream asked for by [`Transmit::Open`] exists.
    pub fn handle_opened(&mut self, link: usize) {
        if !self.links.get(link).is_some_and(Link::is_opening) {
            return;
        }
        let hello = ToBridge::Hello(Hello {
            protocol: PROTOCOL,
            namespace: self.config.namespace.as_bytes(),
            node: self.config.node.as_bytes(),
            worker: self.config.worker,
            version: env!("CARGO_PKG_VERSION").as_bytes(),
            digest: self.config.digest.as_bytes(),
        });
        let mut message = Vec::new();
        hello.encode(&mut message);
        self.out.push_back(Transmit::Send { link, message });
    }

    /// A message arrived on the link's stream.
    pub fn handle_message<'m>(
        &mut self,
        link: usize,
        message: &'m [u8],
        now: Duration,
    ) -> Vec<Answer<'m>> {
        let mut answers = Vec::new();
        // A message of a stream that was given up already is nobody's.
        let Some(open) = self.links.get(link).filter(|link| link.is_open()) else {
            self.counters.late = self.counters.late.saturating_add(1);
            return answers;
        };
        let generation = open.generation();
        let frames = match FromBridge::decode_all(message) {
            Ok(frames) => frames,
            Err(_) => {
                self.counters.malformed = self.counters.malformed.saturating_add(1);
                self.give_up(link, now, &mut answers);
                return answers;
            }
        };
        if let Some(link) = self.links.get_mut(link) {
            link.heard(now);
        }
        for frame in frames {
            match frame {
                FromBridge::Reply { id, values } => {
                    let call = CallId(id);
                    let here = Place::Link { link, generation };
                    if self.calls.get(call).is_none_or(|p| p.place != here) {
                        self.counters.late = self.counters.late.saturating_add(1);
                        continue;
                    }
                    if let Some(link) = self.links.get_mut(link) {
                        link.answered();
                    }
                    self.finish(call, values, now, &mut answers);
                }
                FromBridge::Forget { subject } => self.forget.push(*subject),
                FromBridge::Held { id, ms } => {
                    let here = Place::Link { link, generation };
                    self.held(CallId(id), here, ms, now);
                }
                FromBridge::Invalidate { seq, urls } => {
                    self.invalidated((link, generation), seq, &urls);
                }
                FromBridge::Synced { seq } => self.synced((link, generation), seq),
                FromBridge::Pong { time_us, .. } => self.learn_time(time_us, now),
                FromBridge::Welcome { bridge, time_us } => {
                    if !self.links.get(link).is_some_and(Link::is_opening) {
                        // A second one would replace what is pending on a live stream.
                        self.counters.malformed = self.counters.malformed.saturating_add(1);
                        self.give_up(link, now, &mut answers);
                        break;
                    }
                    self.learn_time(time_us, now);
                    if !self.welcome(link, bridge, now) {
                        break;
                    }
                }
                FromBridge::Bye if self.links.get(link).is_some_and(Link::is_opening) => {
                    self.give_up(link, now, &mut answers);
                    break;
                }
                FromBridge::Bye => {
                    if let Some(link) = self.links.get_mut(link) {
                        link.leaving();
                    }
                }
                FromBridge::Refused { reason } => {
                    self.refusal = Some(String::from_utf8_lossy(reason).into_owned());
                    self.give_up(link, now, &mut answers);
                    break;
                }
            }
        }
        self.send_waiting(now);
        answers
    }

    /// The link's stream closed, or could not be opened.
    pub fn handle_closed(&mut self, link: usize, now: Duration) -> Vec<Answer<'static>> {
        let mut answers = Vec::new();
        if self.links.get(link).is_some_and(Link::is_open) {
            self.lose(link, now, &mut answers);
        }
        answers
    }

    /// A unary call ended; `None`: it failed.
    pub fn handle_posted<'m>(
        &mut self,
        call: CallId,
        body: Option<&'m [u8]>,
        now: Duration,
    ) -> Vec<Answer<'m>> {
        let mut answers = Vec::new();
        if self.calls.get(call).is_none_or(|p| p.place != Place::Unary) {
            self.counters.late = self.counters.late.saturating_add(1);
            return answers;
        }
        match body.map(resp::decode_all) {
            Some(Ok(values)) => self.finish(call, values, now, &mut answers),
            Some(Err(_)) => self.fail(call, CallError::Malformed, now, &mut answers),
            None => self.fail(call, CallError::Closed, now, &mut answers),
        }
        self.send_waiting(now);
        answers
    }

    /// Time passed: ends what is overdue, dials, pings. Call it every few ten milliseconds.
    pub fn handle_tick(&mut self, now: Duration) -> Vec<Answer<'static>> {
        let mut answers = Vec::new();
        let before = core::mem::replace(&mut self.last_tick, now);
        let since = now.saturating_sub(before);
        self.fallback.refill(since);
        self.breaker.tick(now);
        // Our own thread stood still: its queued messages come after this tick.
        let stalled = since > PING_EVERY;
        if stalled {
            self.woke = now;
        }
        // Answers to what fell due meanwhile may be among them; what has none ends with the next tick (X3).
        let due = if since > LATE { before } else { now };
        while let Some((call, pending)) = self.calls.pop_expired(due) {
            self.left(&pending);
            // One that waited for its turn, or for us, says nothing of the bridges.
            let waited = pending.place == Place::Waiting && self.is_linked();
            let waited = waited || pending.deadline <= self.woke;
            if pending.is_evidence() && !waited && !self.suspects(&pending, now) {
                self.failed(now);
            }
            // A background call is not a request's exchange, and not counted as one.
            if let Owner::Context(_) = pending.owner {
                self.counters.timeout = self.counters.timeout.saturating_add(1);
            }
            answers.push(Answer {
                owner: pending.owner,
                call,
                result: Err(CallError::Timeout),
            });
        }
        for index in 0..LINKS {
            let idle = self.on_link.get(index).is_none_or(|n| *n == 0);
            let twin = self.has_twin(index);
            let spare = self.is_spare(index);
            let Some(link) = self.links.get_mut(index) else {
                continue;
            };
            if stalled {
                link.stalled(now);
            }
            match link.wish(now, idle, twin, spare) {
                Wish::Dial => self.dial(index, now),
                Wish::GiveUp => self.give_up(index, now, &mut answers),
                Wish::Nothing => {}
                Wish::Retire => {
                    self.out.push_back(Transmit::Reset { link: index });
                    self.detach(index, now, &mut answers);
                }
                Wish::Ping(seq) => {
                    let mut message = Vec::new();
                    ToBridge::Ping { seq }.encode(&mut message);
                    self.out.push_back(Transmit::Send {
                        link: index,
                        message,
                    });
                }
            }
        }
        self.send_waiting(now);
        self.probe(now);
        self.ask_for_sync(now);
        answers
    }

    /// What the host shall do next.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.out.pop_front()
    }

    /// Why a bridge refused a stream, once.
    pub fn take_refusal(&mut self) -> Option<String> {
        self.refusal.take()
    }

    /// Subjects of limits of which nothing remembered holds any more, once.
    pub fn take_forget(&mut self) -> Vec<[u8; 16]> {
        core::mem::take(&mut self.forget)
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Redis' clock, microseconds since the epoch, as far as a bridge has told. Envoy's own wall
    /// clock is never asked (invariant R13).
    pub fn fleet_time_us(&self, now: Duration) -> Option<u64> {
        let mono = u64::try_from(now.as_micros()).ok()?;
        Some(self.fleet_offset_us?.wrapping_add(mono))
    }

    /// Whether [`Client::take_forget`] has something to say.
    pub fn has_forget(&self) -> bool {
        !self.forget.is_empty()
    }

    /// Calls that have not ended.
    pub fn pending(&self) -> usize {
        self.calls.len()
    }

    /// Whether a call may wait for what another request fills. Waiters leave half of the room to decisions, which would
    /// be refused for as long as a slow origin takes.
    pub fn has_room_to_wait(&self) -> bool {
        let share = self.calls.waiters();
        share.calls < self.config.max_pending / 2 && share.bytes < self.config.max_pending_bytes / 2
    }

    /// Whether new calls travel by a stream.
    pub fn is_linked(&self) -> bool {
        self.best_link().is_some()
    }

    /// Whether calls may have to wait for their turn, since the breaker has closed a moment ago.
    pub fn is_bounded(&self) -> bool {
        self.breaker.window() < usize::MAX
    }

    fn place(
        &mut self,
        owner: Owner,
        ops: &[Op<'_>],
        timeout: Duration,
        terms: Terms,
        now: Duration,
    ) -> Result<CallId, CallError> {
        let mut encoded = Vec::with_capacity(256);
        for op in ops {
            op.encode(&mut encoded);
        }
        let most = match owner {
            Owner::Background(_) => MAX_SETTLEMENT,
            Owner::Client | Owner::Context(_) => MAX_DECISION,
        };
        if self.is_full(encoded.len(), most) {
            return Err(CallError::Busy);
        }
        let is_background = matches!(owner, Owner::Background(_));
        let place = match self.best_link() {
            Some(link) if is_background || self.calls.out() < self.breaker.window() => link,
            Some(_) => {
                self.breaker.bounds(now);
                Place::Waiting
            }
            None if self.fallback.take() => Place::Unary,
            None if self.prospect.is_there() => Place::Waiting,
            None => return Err(CallError::Unreachable),
        };
        let call = self.calls.insert(Pending {
            owner,
            bytes: encoded.len(),
            ops: encoded,
            count: ops.len(),
            deadline: now.saturating_add(timeout),
            place,
            trace: terms.trace,
            patient: timeout != self.config.timeout || is_background,
            // Nobody is hurt when one of its own is lost.
            retried: owner == Owner::Client,
            out: None,
            waits: terms.waits,
        });
        self.send(call, now);
        Ok(call)
    }

    fn is_full(&self, bytes: usize, most: usize) -> bool {
        self.calls.len() >= self.config.max_pending
            || self.calls.bytes().saturating_add(bytes) > self.config.max_pending_bytes
            || bytes > most
    }

    /// A call's answer is held back by the bridge, which said so in time: it is waited for.
    fn held(&mut self, call: CallId, here: Place, ms: u32, now: Duration) {
        let hold = Duration::from_millis(ms.into()).min(MAX_HOLD);
        let until = now.saturating_add(hold).saturating_add(self.config.timeout);
        if self.calls.get(call).is_some_and(|p| p.place == here) {
            self.calls.extend(call, until);
            self.calls.rests(call);
        } else {
            self.counters.late = self.counters.late.saturating_add(1);
        }
    }

    /// Puts a placed call on the wire.
    fn send(&mut self, call: CallId, now: Duration) {
        let Some(pending) = self.calls.goes(call, now) else {
            return;
        };
        let left = pending.deadline.saturating_sub(now).as_millis();
        let left_ms = u32::try_from(left).unwrap_or(u32::MAX).max(1);
        match pending.place {
            Place::Link { link, .. } => {
                let mut message = Vec::with_capacity(pending.ops.len().saturating_add(80));
                let (trace, count) = (pending.trace.as_ref(), pending.count);
                frame::exchange(&mut message, call.0, left_ms, trace, count, &pending.ops);
                if let Some(n) = self.on_link.get_mut(link) {
                    *n = n.saturating_add(1);
                }
                self.out.push_back(Transmit::Send { link, message });
            }
            Place::Unary => {
                self.counters.fallback = self.counters.fallback.saturating_add(1);
                let (body, trace) = (pending.ops.clone(), pending.trace);
                self.out.push_back(Transmit::Post {
                    call,
                    body,
                    trace,
                    timeout_ms: left_ms,
                });
            }
            Place::Waiting => self.anyone_waits = true,
        }
    }

    /// Ends a call with values, or as malformed when they are not one per operation.
    fn finish<'m>(
        &mut self,
        call: CallId,
        values: Vec<crate::wire::Value<'m>>,
        now: Duration,
        answers: &mut Vec<Answer<'m>>,
    ) {
        if self
            .calls
            .get(call)
            .is_some_and(|p| p.count != values.len())
        {
            self.fail(call, CallError::Malformed, now, answers);
            return;
        }
        let out = self.calls.out();
        let Some(pending) = self.calls.remove(call) else {
            return;
        };
        self.left(&pending);
        if pending.is_evidence() {
            // What a bridge has held back says nothing of how quick it is.
            let took = pending.out.map(|sent| now.saturating_sub(sent));
            self.breaker.succeeded(took, out, now);
        }
        if let Owner::Context(_) = pending.owner {
            self.counters.ok = self.counters.ok.saturating_add(1);
        }
        answers.push(Answer {
            owner: pending.owner,
            call,
            result: Ok(values),
        });
    }

    fn fail(
        &mut self,
        call: CallId,
        error: CallError,
        now: Duration,
        answers: &mut Vec<Answer<'_>>,
    ) {
        let Some(pending) = self.calls.remove(call) else {
            return;
        };
        self.left(&pending);
        if pending.is_evidence() {
            self.failed(now);
        }
        if let Owner::Context(_) = pending.owner {
            self.counters.error = self.counters.error.saturating_add(1);
        }
        answers.push(Answer {
            owner: pending.owner,
            call,
            result: Err(error),
        });
    }

    fn failed(&mut self, now: Duration) {
        if self.breaker.failed(now, &mut self.rng) {
            self.counters.opened = self.counters.opened.saturating_add(1);
        }
    }

    fn learn_time(&mut self, time_us: u64, now: Duration) {
        let Ok(mono) = u64::try_from(now.as_micros()) else {
            return;
        };
        if time_us > 0 {
            self.fleet_offset_us = Some(time_us.wrapping_sub(mono));
        }
    }
}

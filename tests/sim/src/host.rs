//! A worker's VM and what Envoy and `host` do with it: the same steps, on simulated streams.

use crate::check::exchange::{Call, Carrier};
use crate::net;
use crate::options::Mutant;
use crate::policy;
use crate::queue::{Event, VmId};
use crate::request::{Kind, LimitTold};
use crate::rng::MS;
use crate::world::World;
use redis_bridge::core::{ConnId, RequestId};
use std::collections::BTreeMap;
use std::time::Duration;
use tidegate::exchange::{Answer, CallError, CallId, LINKS, Owner, Transmit};
use tidegate::stream::{Direction, Input, LocalReply, Output, RequestHead, Stream, Verdict};
use tidegate::vm::{Vm, VmSeed};

/// The tick's period.
const TICK: u64 = 10 * MS;

/// A VM with one policy.
pub struct Slot {
    /// Which worker it is in.
    pub worker: usize,
    /// The filter's memory.
    pub vm: Vm,
    /// Requests in it.
    pub streams: BTreeMap<usize, Stream>,
    /// Its streams to bridges.
    pub links: [Option<ConnId>; LINKS],
    /// Calls it has made, as seen on the wire.
    pub calls: BTreeMap<CallId, Call>,
    /// It has had a stream it could use; until then its calls may end without having been sent.
    pub linked: bool,
    /// It takes no new requests.
    pub retired: bool,
}

/// A unary exchange on its way.
#[derive(Debug)]
pub struct Post {
    /// Who made it.
    pub vm: VmId,
    /// For which call.
    pub call: CallId,
    /// Which bridge.
    pub bridge: usize,
    /// Which process of it.
    pub incarnation: u64,
    /// The operations.
    pub body: Vec<u8>,
    /// When Envoy gives it up, milliseconds.
    pub timeout_ms: u32,
}

/// In which callback an output was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Callback {
    /// None of the request's own: it was paused.
    Answer,
    Body,
    Done,
    RequestHeaders,
    ResponseHeaders,
}

impl World {
    /// A worker's clock, in a VM.
    pub fn worker_time(&self, vm: VmId) -> Duration {
        let worker = self.vms.get(&vm).map_or(0, |slot| slot.worker);
        Duration::from_nanos(self.now + self.worker_origins[worker])
    }

    /// A new VM for a worker, which takes the requests from now on.
    pub fn start_vm(&mut self, worker: usize, variant: u64) {
        let config = policy::config(variant, self.options.on_error, self.options.workers);
        let config = match config {
            Ok(config) => config,
            Err(errors) => return self.violated(format!("policy: {errors}")),
        };
        let seed = VmSeed {
            random: self.rng.word(),
            worker: self.rng.word(),
            node: format!("node-{worker}"),
        };
        self.last_vm += 1;
        let id = self.last_vm;
        let slot = Slot {
            worker,
            vm: Vm::new(config, policy::keys(), seed),
            streams: BTreeMap::new(),
            links: [None; LINKS],
            calls: BTreeMap::new(),
            linked: false,
            retired: false,
        };
        self.vms.insert(id, slot);
        self.workers[worker] = id;
        self.queue
            .at(self.now + self.rng.between(0, TICK), Event::Tick(id));
    }

    /// The host destroys a VM: its streams close, its requests end.
    pub fn drop_vm(&mut self, id: VmId) {
        let Some(slot) = self.vms.remove(&id) else {
            return;
        };
        for conn in slot.links.into_iter().flatten() {
            self.conns[net::index(conn)].at_worker = false;
            self.send_up(conn, Event::CloseAtBridge(conn));
        }
        for call in slot.calls.values().filter(|call| !call.ended) {
            self.limits.unsure(&call.limits);
        }
        self.posts.retain(|_, post| post.vm != id);
        for no in slot.streams.into_keys() {
            self.end(no, "vm lost");
        }
    }

    /// A VM's tick.
    pub fn tick(&mut self, id: VmId) {
        if self.options.mutant == Some(Mutant::TicksStop) && self.now > 500 * MS {
            return;
        }
        let now = self.worker_time(id);
        let Some(slot) = self.vms.get_mut(&id) else {
            return;
        };
        let answers = slot.vm.client.handle_tick(now);
        slot.vm.tick(now);
        self.deliver(id, answers);
        self.pump(id);
        let Some(slot) = self.vms.get(&id) else {
            return;
        };
        if slot.retired && slot.streams.is_empty() && slot.vm.client.pending() == 0 {
            return self.drop_vm(id);
        }
        if let Some(reason) = self
            .vms
            .get_mut(&id)
            .and_then(|s| s.vm.client.take_refusal())
        {
            self.violated(format!("a bridge refused a stream: {reason}"));
        }
        let jitter = self.jitter();
        let late = self.rng.between(0, jitter);
        self.queue.at(self.now + TICK + late, Event::Tick(id));
    }

    /// A request's headers reach Envoy.
    pub fn request(&mut self, no: usize) {
        let head = RequestHead {
            headers: self.requests[no].headers.clone(),
            end: !matches!(self.requests[no].kind, Kind::Put { .. }),
            peer: Vec::new(),
            policy: None,
        };
        let vm = self.requests[no].vm;
        if let Some(slot) = self.vms.get_mut(&vm) {
            slot.streams.insert(no, Stream::default());
        }
        if let Kind::Limited {
            path: "/metered", ..
        } = self.requests[no].kind
        {
            let metered = self.applied(no).into_iter().next();
            self.requests[no].metered = metered.map(|applied| applied.key);
        }
        let asked = self.asked(vm);
        self.asked_before = asked;
        self.input(no, Input::RequestHeaders(head), Callback::RequestHeaders);
        if self.asked(vm) == asked
            && let Some(reply) = self.requests[no].reply.clone()
            && reply.status == 429
        {
            self.requests[no].limits = LimitTold::Remembered;
            self.check_remembered(no, &reply);
        }
        self.pump(vm);
    }

    /// Exchanges a VM's requests have asked for, in vain or not.
    fn asked(&self, vm: VmId) -> u64 {
        let counters = self.vms.get(&vm).map(|slot| slot.vm.client.counters());
        counters.map_or(0, |counters| counters.sent + counters.error)
    }

    /// The next part of the response goes through the filter.
    pub fn response(&mut self, no: usize) {
        if self.requests[no].done {
            return;
        }
        let vm = self.requests[no].vm;
        if let Some(reply) = self.requests[no].reply.clone() {
            self.local_reply(no, reply);
        } else if let Some(headers) = self.requests[no].upstream.headers.take() {
            let mut headers = headers;
            if self.options.mutant == Some(Mutant::HiddenCost) {
                headers.remove_if(|name, _| name == "x-cost");
            }
            self.requests[no].headers = headers.clone();
            let input = Input::ResponseHeaders {
                headers,
                end: false,
            };
            self.noted.clear();
            self.input(no, input, Callback::ResponseHeaders);
            self.pump(vm);
            let noted = std::mem::take(&mut self.noted);
            self.check_settled(no, true, &noted);
            if self.requests[no].paused.is_none() {
                self.queue.at(self.now + MS / 10, Event::Response(no));
            }
        } else if let Some(chunk) = self.requests[no].upstream.chunks.pop_front() {
            let upstream = &self.requests[no].upstream;
            let last = upstream.chunks.is_empty();
            let cut = upstream.aborted && self.options.mutant != Some(Mutant::TruncatedIsComplete);
            let wants = self.vms.get(&vm).and_then(|slot| slot.streams.get(&no));
            if wants.is_some_and(Stream::wants_body) {
                let end = last && !cut;
                let input = Input::ResponseBody { chunk: &chunk, end };
                self.input(no, input, Callback::Body);
                self.pump(vm);
            }
            let wait = self
                .rng
                .latency(MS / 2, 300 * MS, self.options.tail_permille);
            self.queue.at(self.now + wait, Event::Response(no));
        } else {
            let aborted = self.requests[no].upstream.aborted;
            self.end(no, if aborted { "aborted" } else { "forwarded" });
        }
    }

    /// The stream is over, whoever ended it.
    pub fn end(&mut self, no: usize, how: &str) {
        let request = &mut self.requests[no];
        if request.done {
            return self.violated(format!("request {no} ends twice"));
        }
        request.done = true;
        request.paused = None;
        self.paused.remove(&no);
        let vm = request.vm;
        self.trace.line(self.now, format!("request {no} {how}"));
        self.trace.verdict(no, how);
        self.noted.clear();
        if self.options.mutant != Some(Mutant::SlotsLeak) || self.rng.chance(900) {
            self.input(no, Input::Done, Callback::Done);
        }
        if let Some(slot) = self.vms.get_mut(&vm) {
            slot.streams.remove(&no);
        }
        self.pump(vm);
        let noted = std::mem::take(&mut self.noted);
        if self.vms.contains_key(&vm) {
            self.check_settled(no, false, &noted);
        }
    }

    /// A message reaches the worker.
    pub fn message_at_worker(&mut self, conn: ConnId, message: &[u8]) {
        let (vm, link) = (
            self.conns[net::index(conn)].vm,
            self.conns[net::index(conn)].link,
        );
        let now = self.worker_time(vm);
        let Some(slot) = self
            .vms
            .get_mut(&vm)
            .filter(|s| s.links[link] == Some(conn))
        else {
            return;
        };
        let late = slot.vm.client.counters().late;
        let answers = slot.vm.client.handle_message(link, message, now);
        slot.linked |= slot.vm.client.is_linked();
        let counters = slot.vm.client.counters();
        self.marks.add("late_reply_dropped", counters.late - late);
        if counters.malformed > 0 {
            self.violated("X6: a worker could not read a message".to_owned());
        }
        self.forget_heard(vm, conn, message);
        let arrived = Some(Carrier::Stream(conn));
        self.deliver_from(vm, answers, arrived);
        self.pump(vm);
    }

    /// The worker's end of a stream closes.
    pub fn closed_at_worker(&mut self, conn: ConnId) {
        let (vm, link) = (
            self.conns[net::index(conn)].vm,
            self.conns[net::index(conn)].link,
        );
        let first = std::mem::replace(&mut self.conns[net::index(conn)].at_worker, false);
        let now = self.worker_time(vm);
        if !first {
            self.marks.hit("close_duplicated");
        }
        let Some(slot) = self
            .vms
            .get_mut(&vm)
            .filter(|s| s.links[link] == Some(conn))
        else {
            return;
        };
        slot.links[link] = None;
        let on_it = Carrier::Stream(conn);
        let pending = slot
            .calls
            .values()
            .any(|call| !call.ended && call.carrier == on_it);
        if pending {
            self.marks.hit("stream_closed_with_pending");
        }
        let answers = slot.vm.client.handle_closed(link, now);
        self.deliver(vm, answers);
        self.pump(vm);
    }

    /// A unary exchange ended; the first outcome counts.
    pub fn posted(&mut self, request: RequestId, body: Option<Vec<u8>>) {
        if let Some(post) = self.posts.get(&request) {
            let event = Event::Posted(post.vm, post.call, request, body);
            let at = self.now + self.hop();
            self.queue.at(at, event);
        }
    }

    /// Its outcome reaches the VM.
    pub fn posted_at_worker(&mut self, vm: VmId, call: CallId, id: RequestId, body: Option<&[u8]>) {
        let now = self.worker_time(vm);
        if self.posts.remove(&id).is_none() {
            return;
        }
        let Some(slot) = self.vms.get_mut(&vm) else {
            return;
        };
        let answers = slot.vm.client.handle_posted(call, body, now);
        self.deliver_from(vm, answers, Some(Carrier::Post));
        self.pump(vm);
    }

    fn local_reply(&mut self, no: usize, reply: LocalReply) {
        let mut headers = vec![(":status".to_owned(), reply.status.to_string().into_bytes())];
        headers.extend(reply.headers.clone());
        let input = Input::ResponseHeaders {
            headers: tidegate::http::Headers::from_lower(headers),
            end: reply.body.is_empty(),
        };
        let vm = self.requests[no].vm;
        self.input(no, input, Callback::Done);
        self.pump(vm);
        self.check_reply(no, &reply);
        self.end(no, &reply.status.to_string());
    }

    fn input(&mut self, no: usize, input: Input<'_>, callback: Callback) {
        let vm = self.requests[no].vm;
        let now = self.worker_time(vm);
        let Some(slot) = self.vms.get_mut(&vm) else {
            return;
        };
        let Some(stream) = slot.streams.get_mut(&no) else {
            return;
        };
        let context = u32::try_from(no).unwrap_or(u32::MAX);
        let output = stream.handle(context, input, now, &mut slot.vm);
        let paused = stream.is_paused();
        self.apply(no, output, callback);
        let request = &self.requests[no];
        if paused != request.paused.is_some() && !request.done {
            self.violated(format!(
                "X10: request {no}: filter and host disagree on the pause"
            ));
        }
    }

    fn apply(&mut self, no: usize, output: Output, callback: Callback) {
        let now = self.now;
        let request = &mut self.requests[no];
        if request.done {
            return;
        }
        if let Some(headers) = output.request {
            request.headers = headers;
        }
        if let Some(headers) = output.response {
            request.headers = headers;
        }
        match (output.verdict, callback) {
            (Verdict::Continue, Callback::RequestHeaders) => {
                let vm = request.vm;
                if self.asked(vm) == self.asked_before {
                    self.passes_at_once(no);
                }
                self.forward(no);
            }
            (Verdict::Continue, Callback::Answer) => {
                if let Some(direction) = output.resume {
                    self.resume(no, direction);
                    if self.options.mutant == Some(Mutant::ResumeTwice) && self.rng.chance(20) {
                        self.resume(no, direction);
                    }
                }
            }
            (Verdict::Continue, _) => {}
            (Verdict::Pause, Callback::RequestHeaders) => {
                request.paused = Some((now, Direction::Request));
                self.paused.insert(no);
            }
            (Verdict::Pause, Callback::ResponseHeaders) => {
                request.paused = Some((now, Direction::Response));
                request.purge = Some((now, false));
                self.paused.insert(no);
            }
            (Verdict::Pause, Callback::Answer) => {
                if output.resume.is_some() {
                    self.marks.hit("vary_asked_again");
                    request.paused = Some((now, Direction::Request));
                }
            }
            (Verdict::Pause, Callback::Body | Callback::Done) => {
                self.violated(format!("X10: request {no} pauses where it cannot"));
            }
            (Verdict::Reply(reply), Callback::RequestHeaders | Callback::Answer) => {
                if request.reply.is_some() || request.forwarded.is_some() {
                    return self.violated(format!("X10: request {no} is answered twice"));
                }
                request.reply = Some(reply);
                request.paused = None;
                self.paused.remove(&no);
                self.queue.at(now + MS / 20, Event::Response(no));
            }
            (Verdict::Reply(_), _) => {
                self.violated(format!(
                    "X10: request {no} is answered after its response began"
                ));
            }
        }
    }

    fn resume(&mut self, no: usize, direction: Direction) {
        let request = &mut self.requests[no];
        if request.paused.map(|(_, paused)| paused) != Some(direction) {
            return self.violated(format!("X10: request {no} is resumed and not paused"));
        }
        request.paused = None;
        self.paused.remove(&no);
        match direction {
            Direction::Request => self.forward(no),
            Direction::Response => {
                self.purged(no);
                self.queue.at(self.now + MS / 10, Event::Response(no));
            }
        }
    }

    fn deliver(&mut self, vm: VmId, answers: Vec<Answer<'_>>) {
        self.deliver_from(vm, answers, None);
    }

    /// Hands answers to those who wait; `arrived`: what carried them, when something did.
    fn deliver_from(&mut self, vm: VmId, answers: Vec<Answer<'_>>, arrived: Option<Carrier>) {
        for answer in answers {
            self.check_answer(vm, &answer, arrived);
            match answer.owner {
                Owner::Background(tag) => {
                    let Some(slot) = self.vms.get_mut(&vm) else {
                        continue;
                    };
                    match answer.result.as_deref() {
                        Ok([tidegate::wire::Value::Simple(b"stored")]) => self.marks.hit("stored"),
                        Ok([tidegate::wire::Value::Simple(b"refused")]) => {
                            self.marks.hit("store_refused");
                        }
                        _ => {}
                    }
                    slot.vm.background(tag, answer.result);
                }
                Owner::Context(context) => {
                    let no = usize::try_from(context).unwrap_or(usize::MAX);
                    let slot = self.vms.get(&vm);
                    if slot.is_none_or(|slot| !slot.streams.contains_key(&no)) {
                        self.marks.hit("reply_for_gone_request");
                        continue;
                    }
                    if answer.result == Err(CallError::Timeout) {
                        self.marks.hit("timeout");
                    }
                    let input = Input::Answer {
                        call: answer.call,
                        result: answer.result,
                    };
                    self.input(no, input, Callback::Answer);
                }
            }
        }
    }

    /// Does what the exchange client wants done.
    pub fn pump(&mut self, vm: VmId) {
        let opened = |world: &Self| {
            let slot = world.vms.get(&vm);
            slot.map_or(0, |slot| slot.vm.client.counters().opened)
        };
        while let Some(transmit) = self
            .vms
            .get_mut(&vm)
            .and_then(|slot| slot.vm.client.poll_transmit())
        {
            self.transmit(vm, transmit);
        }
        let (before, now) = (self.opened.get(&vm).copied().unwrap_or(0), opened(self));
        if now > before {
            self.opened.insert(vm, now);
            self.marks.add("breaker_opened", now - before);
        }
    }

    fn transmit(&mut self, vm: VmId, transmit: Transmit) {
        let now = self.worker_time(vm);
        match transmit {
            Transmit::Open { link } => {
                let conn = self.connect(vm, link);
                if let Some(slot) = self.vms.get_mut(&vm) {
                    slot.links[link] = Some(conn);
                    slot.vm.client.handle_opened(link);
                }
            }
            Transmit::Post {
                call,
                body,
                timeout_ms,
            } => {
                self.marks.hit("fallback_post");
                self.note_post(vm, call, &body, timeout_ms);
                self.last_request += 1;
                let id = RequestId(self.last_request);
                let bridge = self.rng.index(self.bridges.len());
                let incarnation = self.bridges[bridge].incarnation;
                let post = Post {
                    vm,
                    call,
                    bridge,
                    incarnation,
                    body,
                    timeout_ms,
                };
                self.posts.insert(id, post);
                let at = self.now + self.hop();
                self.queue.at(at, Event::Post(id));
                let late = self.now + u64::from(timeout_ms) * MS;
                self.queue.at(late, Event::Posted(vm, call, id, None));
            }
            Transmit::Reset { link } => {
                let conn = self
                    .vms
                    .get_mut(&vm)
                    .and_then(|slot| slot.links[link].take());
                if let Some(conn) = conn {
                    self.conns[net::index(conn)].at_worker = false;
                    self.send_up(conn, Event::CloseAtBridge(conn));
                }
            }
            Transmit::Send { link, message } => {
                let conn = self.vms.get(&vm).and_then(|slot| slot.links[link]);
                let Some(conn) = conn else {
                    let slot = self.vms.get_mut(&vm);
                    let answers = slot.map(|slot| slot.vm.client.handle_closed(link, now));
                    return self.deliver(vm, answers.unwrap_or_default());
                };
                self.note_send(vm, conn, &message);
                if self.options.mutant == Some(Mutant::SendAgain) && self.rng.chance(20) {
                    self.note_send(vm, conn, &message);
                }
                self.send_up(conn, Event::ToBridge(conn, message));
            }
        }
    }
}

//! A VM's streams and calls: what arrives for it, and what it wants sent.

use super::{Callback, Post};
use crate::check::exchange::Carrier;
use crate::net;
use crate::options::Mutant;
use crate::policy::TIMEOUT_MS;
use crate::queue::{Event, VmId};
use crate::rng::MS;
use crate::world::World;
use redis_bridge::core::{ConnId, RequestId};
use tidegate::exchange::{Answer, CallError, CallId, Owner, Transmit};
use tidegate::stream::Input;
use tidegate::wire::FromBridge;

impl World {
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
        for (call, ms) in held(message) {
            if let Some(call) = slot.calls.get_mut(&call) {
                // It is answered when that wait is over, at the latest.
                let until = self.now + (u64::from(ms) + TIMEOUT_MS) * MS;
                call.deadline = call.deadline.max(until);
            }
        }
        let late = slot.vm.client.counters().late;
        let answers = slot.vm.client.handle_message(link, message, now);
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

    pub(super) fn deliver(&mut self, vm: VmId, answers: Vec<Answer<'_>>) {
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
                Owner::Client => self.marks.hit("probe_of_its_own"),
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
                ..
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

/// Calls that a message says are held, and for how long, milliseconds.
fn held(message: &[u8]) -> Vec<(CallId, u32)> {
    let frames = FromBridge::decode_all(message).unwrap_or_default();
    let held = frames.into_iter().filter_map(|frame| match frame {
        FromBridge::Held { id, ms } => Some((CallId(id), ms)),
        _ => None,
    });
    held.collect()
}

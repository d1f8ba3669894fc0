//! A request on its way through Envoy: what the filter is told of it, and what it says.

use super::Callback;
use crate::options::Mutant;
use crate::queue::{Event, VmId};
use crate::request::{Kind, LimitTold};
use crate::rng::MS;
use crate::world::World;
use tidegate::policy::Routed;
use tidegate::stream::{Direction, Input, LocalReply, Output, RequestHead, Stream, Verdict};

impl World {
    /// A request's headers reach Envoy.
    pub fn request(&mut self, no: usize) {
        let headers = self.requests[no].headers.clone();
        let routed = self.vms.get(&self.requests[no].vm);
        let routed = routed.map_or(Routed::Nowhere, |slot| slot.vm.route(None, &headers));
        let head = RequestHead {
            headers,
            end: !matches!(
                self.requests[no].kind,
                Kind::Put { .. } | Kind::Account { .. }
            ),
            peer: Vec::new(),
            routed,
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
            let change = match self.requests[no].kind {
                Kind::Account { act, token } => Some((act, token)),
                _ => None,
            };
            if let Some((act, token)) = change {
                self.change_asked(no, act, token);
            }
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

    pub(super) fn input(&mut self, no: usize, input: Input<'_>, callback: Callback) {
        let vm = self.requests[no].vm;
        let now = self.worker_time(vm);
        let Some(slot) = self.vms.get_mut(&vm) else {
            return;
        };
        let wanted = slot.vm.wants_entropy();
        let random: Vec<u8> = (0..wanted).map(|_| self.rng.word() as u8).collect();
        slot.vm.entropy.refill(&random);
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
        if let Some(refresh) = output.refresh {
            self.refresh(no, refresh);
        }
        let request = &mut self.requests[no];
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
                let changes = matches!(request.kind, Kind::Account { .. });
                if request.reply.is_some() || request.forwarded.is_some() && !changes {
                    return self.violated(format!("X10: request {no} is answered twice"));
                }
                request.reply = Some(reply);
                request.paused = None;
                self.paused.remove(&no);
                self.queue.at(now + MS / 20, Event::Response(no));
            }
            // In place of the upstream's answer: of its headers nothing has gone to the client yet.
            (Verdict::Reply(reply), Callback::ResponseHeaders)
                if matches!(request.kind, Kind::Account { .. } | Kind::Get { .. }) =>
            {
                request.reply = Some(reply);
                request.paused = None;
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
                if let Kind::Account { act, token } = self.requests[no].kind {
                    self.change_acked(no, act, token);
                }
                self.queue.at(self.now + MS / 10, Event::Response(no));
            }
        }
    }
}

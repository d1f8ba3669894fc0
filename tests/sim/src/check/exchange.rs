//! X1, X2, X8: calls as they are seen on the wire, and how each ended.

use crate::check::limit::{Asked, Noted};
use crate::net;
use crate::queue::VmId;
use crate::request::{Kind, LimitTold, SessionTold};
use crate::rng::MS;
use crate::trace::Hash;
use crate::world::World;
use redis_bridge::core::{ConnId, Keys};
use tidegate::exchange::{Answer, CallError, CallId, Owner};
use tidegate::wire::reply::{LimitReply, ReplyError, SessionReply, SessionWritten};
use tidegate::wire::{Op, ToBridge, Value};

/// What carries a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// `POST /v1/exchange`.
    Post,
    /// A stream.
    Stream(ConnId),
}

/// A call.
#[derive(Debug)]
pub struct Call {
    /// What carries it now.
    pub carrier: Carrier,
    /// It was answered, or ended without an answer.
    pub ended: bool,
    /// Position of the session's look-up among its operations.
    pub session: Option<usize>,
    /// Position of the limits among its operations.
    pub takes: Option<usize>,
    /// The limits, in order.
    pub limits: Vec<Asked>,
    /// When it was sent first.
    pub asked: u64,
    /// Times it was sent.
    pub sent: u32,
    /// When it has to have ended.
    pub deadline: u64,
}

/// A hash over values.
pub fn hash(values: &[Value<'_>]) -> u64 {
    let mut bytes = Vec::new();
    for value in values {
        value.encode(&mut bytes);
    }
    let mut hash = Hash::default();
    hash.add(&bytes);
    hash.0
}

impl Call {
    fn new(carrier: Carrier, asked: u64, deadline: u64, ops: &[Value<'_>]) -> Self {
        let keys = Keys::new("tg");
        let mut call = Self {
            carrier,
            ended: false,
            session: None,
            takes: None,
            limits: Vec::new(),
            asked,
            sent: 1,
            deadline,
        };
        for (at, op) in ops.iter().enumerate() {
            match Op::parse(op) {
                Ok(Op::LimitTake(takes)) => {
                    call.takes = Some(at);
                    call.limits = takes.iter().map(|take| Asked::of(take, &keys)).collect();
                }
                Ok(Op::SessionGet(_)) => call.session = Some(at),
                _ => {}
            }
        }
        call
    }
}

impl World {
    /// A worker sends frames.
    pub fn note_send(&mut self, vm: VmId, conn: ConnId, message: &[u8]) {
        let Ok(frames) = ToBridge::decode_all(message) else {
            return self.violated("X6: a worker sent no frames".to_owned());
        };
        for frame in frames {
            if let ToBridge::Exchange {
                id,
                deadline_ms,
                ops,
                ..
            } = frame
            {
                let carrier = Carrier::Stream(conn);
                self.note(vm, CallId(id), carrier, deadline_ms, &ops);
            }
        }
    }

    /// A worker sends a unary exchange.
    pub fn note_post(&mut self, vm: VmId, call: CallId, body: &[u8], timeout_ms: u32) {
        let Ok(ops) = tidegate::wire::resp::decode_all(body) else {
            return self.violated("X6: a worker posted no operations".to_owned());
        };
        self.note(vm, call, Carrier::Post, timeout_ms, &ops);
    }

    fn note(&mut self, vm: VmId, id: CallId, carrier: Carrier, wait_ms: u32, ops: &[Value<'_>]) {
        let deadline = self.now + u64::from(wait_ms) * MS;
        let Some(slot) = self.vms.get_mut(&vm) else {
            return;
        };
        let Some(call) = slot.calls.get_mut(&id) else {
            let call = Call::new(carrier, self.now, deadline, ops);
            let forced = call.limits.iter().filter(|asked| asked.force);
            let charge = |asked: &Asked| Noted::Charge(asked.key.clone(), asked.cost);
            self.noted.extend(forced.map(charge));
            slot.calls.insert(id, call);
            return self.note_returns(vm, ops);
        };
        let (ended, sent, old, deadline) = (call.ended, call.sent, call.carrier, call.deadline);
        call.carrier = carrier;
        call.sent += 1;
        let keys = call.limits.clone();
        let open = match old {
            Carrier::Post => true,
            Carrier::Stream(conn) => {
                let still = slot.links.contains(&Some(conn));
                still && self.conns[net::index(conn)].at_worker
            }
        };
        self.limits.unsure(&keys);
        self.marks.hit("retry_happened");
        let why = match () {
            () if ended => "it has ended",
            () if sent > 1 => "it was retried before",
            () if open => "its stream lives",
            () if self.now > deadline + MS => "its deadline has passed",
            () => return,
        };
        self.violated(format!(
            "X8: call {} of vm {vm} is sent again though {why}",
            id.0
        ));
    }

    fn note_returns(&mut self, vm: VmId, ops: &[Value<'_>]) {
        let keys = Keys::new("tg");
        for op in ops {
            if let Ok(Op::LimitReturn(op)) = Op::parse(op) {
                for noted in self.limits.returning(&op, &keys) {
                    self.lease_given_back(vm, &noted);
                    self.noted.push(noted);
                }
            }
        }
    }

    /// A call ended.
    pub fn check_answer(&mut self, vm: VmId, answer: &Answer<'_>, arrived: Option<Carrier>) {
        let Some(slot) = self.vms.get_mut(&vm) else {
            return;
        };
        let unlinked = match answer.result {
            Ok(_) => false,
            // A stream may have come since the last tick, too late for it.
            Err(CallError::Timeout) => slot.was_unlinked || !slot.vm.client.is_linked(),
            Err(_) => !slot.vm.client.is_linked(),
        };
        let bounded = matches!(answer.result, Err(CallError::Timeout))
            && (slot.was_bounded || slot.vm.client.is_bounded());
        if !slot.calls.contains_key(&answer.call) && (unlinked || bounded) {
            // It has waited for a stream, its VM's first or the next one (faults.md, D13), and there was none in time; or
            // for its turn (M8), and it did not come.
            self.marks.hit(match unlinked {
                true => "ended_unsent",
                false => "ended_out_of_turn",
            });
            let unsent = Call::new(Carrier::Post, self.now, self.now, &[]);
            slot.calls.insert(answer.call, unsent);
        }
        let Some(call) = slot.calls.get_mut(&answer.call) else {
            return self.violated(format!(
                "X1: call {} ends and was never sent",
                answer.call.0
            ));
        };
        if std::mem::replace(&mut call.ended, true) {
            return self.violated(format!("X1: call {} of vm {vm} ends twice", answer.call.0));
        }
        let (carrier, session, takes) = (call.carrier, call.session, call.takes);
        let asked = call.asked;
        let keys = std::mem::take(&mut call.limits);
        let retried = call.sent > 1;
        if let Ok(values) = &answer.result {
            if arrived != Some(carrier) {
                return self.violated(format!(
                    "X1: call {} travels by {carrier:?} and is answered by {arrived:?}",
                    answer.call.0
                ));
            }
            if let Carrier::Stream(conn) = carrier
                && self.said.get(&(conn, answer.call.0)) != Some(&hash(values))
            {
                return self.violated(format!(
                    "X1: call {} of vm {vm} got what was said to another",
                    answer.call.0
                ));
            }
        }
        let value = |at: Option<usize>| answer.result.as_ref().ok()?.get(at?);
        let limits = value(takes).map(|value| LimitReply::parse(value, keys.len()));
        let told = match &limits {
            Some(Ok(reply)) if reply.admitted => LimitTold::Admitted,
            Some(Ok(_)) => LimitTold::Denied,
            _ => LimitTold::Nothing,
        };
        match limits {
            Some(Ok(reply)) => {
                let (cluster, now_us) = (self.options.cluster, self.redis_us());
                let broken = self.limits.answered(&keys, &reply, cluster, now_us);
                if let Some(broken) = broken {
                    self.violated(broken);
                }
                if let ([key], [taken]) = (&keys[..], &reply.limits[..])
                    && key.lease > 0
                {
                    self.lease_told(vm, key, asked, *taken);
                }
            }
            _ => self.limits.unsure(&keys),
        }
        if retried && told == LimitTold::Admitted {
            self.marks.hit("exchange_duplicated_by_retry");
        }
        let Owner::Context(no) = answer.owner else {
            return;
        };
        let no = usize::try_from(no).unwrap_or(usize::MAX);
        let told_session = match value(session).map(SessionReply::parse) {
            Some(Ok(SessionReply::Valid { uid, .. })) => {
                SessionTold::Valid(String::from_utf8_lossy(uid).into_owned())
            }
            Some(Ok(SessionReply::Absent)) => SessionTold::Absent,
            Some(Err(ReplyError::Failed(_) | ReplyError::Shape)) | None => SessionTold::Nothing,
        };
        let now = self.now;
        let request = &mut self.requests[no];
        if request.done {
            return;
        }
        if answer.result.is_err() {
            request.failed_calls += 1;
        }
        if session.is_some() {
            request.session = told_session;
        } else if let (Kind::Account { .. }, Ok([value])) =
            (request.kind, answer.result.as_deref().as_ref())
        {
            request.change.written = SessionWritten::parse(value).ok();
        }
        if takes.is_some() {
            request.limits = told;
        }
        if let Some((_, done)) = &mut request.purge {
            *done = matches!(answer.result.as_deref(), Ok([Value::Integer(_)]));
        }
        self.trace.line(
            now,
            format!("request {no} answered: {:?}", answer.result.is_ok()),
        );
    }
}

//! What comes in: frames of streams, and the operations of an exchange.

use super::exchanges::{Origin, Outcome};
use super::failure::Failure;
use super::latency::Verb;
use super::plan::{self, Begun};
use super::rank::Rank;
use super::types::{ConnId, Ending};
use super::{Core, streams, values};
use std::time::Duration;
use tidegate::wire::resp::Value as Wire;
use tidegate::wire::{FromBridge, Op, ToBridge, TraceParent};

/// The way back to a filter, at most; a tenth of an exchange's time when that is less.
const RETURN: Duration = Duration::from_millis(20);

impl Core {
    pub(super) fn frame(
        &mut self,
        conn: ConnId,
        frame: ToBridge<'_>,
        now: Duration,
    ) -> Result<(), String> {
        let time_us = self.redis_time.at(now);
        let Some(stream) = self.streams.get_mut(conn) else {
            return Ok(());
        };
        match (frame, stream.info.is_some()) {
            (ToBridge::Hello(hello), false) => {
                if self.cut_off {
                    self.close(conn, Ending::Unavailable, super::CUT_OFF.to_owned());
                    return Ok(());
                }
                let greeted = match self.draining {
                    true => Err("this bridge is leaving".to_owned()),
                    false => streams::greet(conn, &hello, &self.config.namespace, now),
                };
                match greeted {
                    Ok(info) => stream.info = Some(info),
                    Err(reason) => {
                        let refused = FromBridge::Refused {
                            reason: reason.as_bytes(),
                        };
                        self.outbox.frame(conn, |out| refused.encode(out));
                        return Err(reason);
                    }
                }
                let bridge = self.config.bridge_id.as_bytes();
                let welcome = FromBridge::Welcome { bridge, time_us };
                self.outbox.frame(conn, |out| welcome.encode(out));
            }
            (ToBridge::Hello(_), true) => return Err("a second HELLO".to_owned()),
            (_, false) => return Err("the first frame must be HELLO".to_owned()),
            (ToBridge::Ping { seq }, true) => {
                let pong = FromBridge::Pong { seq, time_us };
                self.outbox.frame(conn, |out| pong.encode(out));
            }
            (ToBridge::Sync { seq, window_ms }, true) => {
                let window = Duration::from_millis(window_ms.into());
                self.sync(conn, seq, window, now);
            }
            (ToBridge::Ack { seq }, true) => self.acked(conn, seq),
            (
                ToBridge::Exchange {
                    id,
                    deadline_ms,
                    trace,
                    ops,
                },
                true,
            ) => {
                if stream.pending.contains_key(&id) {
                    return Err("an exchange id that is pending".to_owned());
                }
                self.exchange(Origin::Stream { conn, id }, &ops, deadline_ms, trace, now);
            }
        }
        Ok(())
    }

    pub(super) fn exchange(
        &mut self,
        origin: Origin,
        ops: &[Wire<'_>],
        deadline_ms: u32,
        trace: Option<TraceParent>,
        now: Duration,
    ) {
        self.counters.exchanges += 1;
        let bounds = self.config.bounds;
        let bytes = ops.iter().map(values::size).sum();
        let refusal = if ops.len() > bounds.ops_per_exchange {
            Some(Failure::Ops)
        } else if self.is_busy(bytes, Rank::of(ops)) {
            self.counters.busy += 1;
            Some(Failure::Busy)
        } else if deadline_ms == 0 {
            Some(Failure::Timeout)
        } else {
            None
        };
        let patience = Duration::from_millis(u64::from(deadline_ms)).min(bounds.longest_deadline);
        // Answered before the filter gives up: what is known of the other operations is of use to it, and a
        // shard that is silent is no reason for its breaker, which would refuse those of all shards.
        let wait = patience - RETURN.min(patience / 10);
        let held = if refusal.is_some() { 0 } else { bytes };
        let id = (self.exchanges).begin(origin, ops.len(), held, now, now + wait);
        if let Some(parent) = trace.filter(|_| self.config.traces) {
            self.traces.begin(id, (parent, origin), now, patience);
        }
        if let Origin::Stream { conn, id: theirs } = origin
            && let Some(stream) = self.streams.get_mut(conn)
        {
            stream.pending.insert(theirs, id);
        }
        for (slot, op) in ops.iter().enumerate() {
            let begun = match &refusal {
                Some(failure) => Err(failure.clone()),
                None => self.parse(op, now),
            };
            self.begin(id, slot, begun);
        }
        self.end_if_complete(id);
    }

    fn parse(&mut self, op: &Wire<'_>, now: Duration) -> Result<(Verb, Begun), Failure> {
        let op = Op::parse(op)?;
        self.counters.op(&op);
        let begun = plan::begin(&op, &mut self.context(now))?;
        Ok((Verb::of(&op), begun))
    }

    /// Puts an operation to work, or settles it when it cannot.
    pub(super) fn begin(
        &mut self,
        exchange: u64,
        slot: usize,
        begun: Result<(Verb, Begun), Failure>,
    ) {
        let verb = begun.as_ref().ok().map(|(verb, _)| *verb);
        self.traces.op(exchange, verb);
        match begun {
            Ok((verb, (plan, mut round))) => {
                round.role = self.role(&round);
                let task = self
                    .tasks
                    .begin(exchange, slot, (verb, self.seen), plan, round);
                self.exchanges.task_begun(exchange, task);
            }
            Err(failure) => {
                self.exchanges
                    .settle(exchange, slot, Outcome::Failed(failure));
            }
        }
    }
}

//! An answer that is being copied for the store while it passes.

use super::super::{Ctx, State, fill};
use super::Lease;
use crate::cache::NotStored;
use crate::cache::Storing;
use crate::metrics::{CacheEvent, Metric};
use crate::vm::{Vm, Work};
use crate::wire::Op;
use crate::wire::op::CachePut;
use core::time::Duration;

/// An answer that is being copied.
#[derive(Debug)]
pub(in crate::stream) struct Capture {
    pub(super) cache: usize,
    pub(super) storing: Storing,
    pub(super) lease: Lease,
    /// The variant that was looked up: the lease is that one's.
    pub(super) asked: [u8; 16],
    pub(super) arrived: Duration,
    pub(super) body: Vec<u8>,
}

impl Capture {
    /// The headers have passed; `end`: they are all of it.
    pub(in crate::stream) fn begin(mut self, end: bool, ctx: &mut Ctx<'_>) -> State {
        if end {
            self.finish(ctx);
            return State::Answered;
        }
        let announced = self.storing.content_length.unwrap_or(0);
        let capacity = usize::try_from(announced).unwrap_or(usize::MAX);
        self.body.reserve(capacity.min(self.storing.max_body));
        State::Receiving(Box::new(self))
    }

    /// Copies a piece of the body; stores when it was the last.
    pub(in crate::stream) fn body(
        mut self: Box<Self>,
        chunk: &[u8],
        end: bool,
        ctx: &mut Ctx<'_>,
    ) -> State {
        if self.body.len().saturating_add(chunk.len()) > self.storing.max_body {
            fill::not_stored(NotStored::TooLarge, 200, ctx);
            return State::Answered;
        }
        self.body.extend_from_slice(chunk);
        if end {
            self.finish(ctx);
            return State::Answered;
        }
        State::Receiving(self)
    }

    fn finish(&self, ctx: &mut Ctx<'_>) {
        if self.store(ctx.vm, ctx.now) {
            fill::stored(ctx);
        }
    }

    /// Stores it, whose body is complete; nobody waits. Whether it was sent.
    pub(super) fn store(&self, vm: &mut Vm, now: Duration) -> bool {
        let elapsed = now.saturating_sub(self.arrived).as_millis();
        let elapsed_ms = u64::try_from(elapsed).unwrap_or(u64::MAX);
        let stored = self.storing.times(elapsed_ms).and_then(|times| {
            let record = self.storing.encode(&self.body)?;
            Ok((times, record))
        });
        let Ok((times, record)) = stored else {
            return false;
        };
        let vary = self.storing.vary.to_wire();
        let op = Op::CachePut(CachePut {
            url: &self.storing.url,
            field: &self.storing.field,
            vary: vary.as_bytes(),
            lease: &self.lease.id,
            asked: &self.asked,
            at_us: Some(self.lease.clock.now_us(now).max(1)),
            age_ms: times.age_ms,
            fresh_ms: times.fresh_ms,
            ttl_ms: times.ttl_ms,
            record: &record,
            tags: self.storing.tags.iter().map(Vec::as_slice).collect(),
        });
        vm.vary.learn(&self.storing.url, &self.storing.vary);
        let sent = vm
            .client
            .submit_background(Work::Store(self.cache).tag(), &op, now);
        if !sent {
            vm.metrics
                .count(Metric::Cache(self.cache, CacheEvent::Error));
        }
        sent
    }
}

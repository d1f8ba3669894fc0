//! What a core counts; the shell exposes it as metrics.

use super::failure::Failure;
use tidegate::wire::{Op, OpError};

/// Plain totals since start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Exchanges accepted, from streams and requests.
    pub exchanges: u64,
    /// Admin operations accepted.
    pub admin: u64,
    /// Operations by verb.
    pub ops: Ops,
    /// Operations that ended in an error, by code.
    pub errors: Errors,
    /// Batches handed out.
    pub batches: u64,
    /// Commands in them.
    pub commands: u64,
    /// Batches that came back with no replies.
    pub batches_failed: u64,
    /// Exchanges refused because of a bound.
    pub busy: u64,
    /// Operations whose deadline passed before their command was handed out.
    pub expired: u64,
    /// Operations whose deadline passed while Redis had their command.
    pub timed_out: u64,
    /// Answers that came for an exchange already ended, or a stream that is gone.
    pub dropped_late: u64,
    /// Limits given back because another one denied.
    pub returned: u64,
    /// Limits that could not be given back.
    pub return_failed: u64,
    /// Answers that were held until a paced request's turn.
    pub held: u64,
    /// Look-ups held while another request filled what they looked for.
    pub collapsed: u64,
    /// Of those, the ones that were held for as long as they may be.
    pub held_too_long: u64,
    /// Look-ups not held, because answers for such URLs could not be shared lately.
    pub unheld: u64,
    /// Turns to fill something that nobody was there to use any more.
    pub turns_returned: u64,
    /// Calendar windows named again, because Redis' clock was in none of those named first.
    pub calendar_again: u64,
    /// Limits of a key's own that mean nothing and were ignored.
    pub override_malformed: u64,
    /// Subjects whose limits workers were told to forget.
    pub forgotten: u64,
    /// Batches of revocations that no replica had in time.
    pub unreplicated: u64,
    /// Invalidations said to workers.
    pub drops: u64,
    /// Of those, the ones some worker of this bridge did not acknowledge while it could use its memory.
    pub drops_unacked: u64,
    /// Invalidations begun here that time made final, because not every bridge said so.
    pub drops_late: u64,
    /// Times something that bridges told may have gone unheard.
    pub fleet_gaps: u64,
    /// Messages between bridges that no bridge sends.
    pub fleet_malformed: u64,
    /// Times commands had queued in front of a Redis, which is given fewer since.
    pub redis_queued: u64,
    /// Streams closed because of what they sent.
    pub streams_refused: u64,
    /// Batch replies for a batch the core does not know, or of the wrong number: a bug of the shell.
    pub bug: u64,
}

/// Operations by verb.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ops {
    /// `CACHE.GET`
    pub cache_get: u64,
    /// `CACHE.INVALIDATE`
    pub cache_invalidate: u64,
    /// `CACHE.PASS`
    pub cache_pass: u64,
    /// `CACHE.PUT`
    pub cache_purge: u64,
    /// `CACHE.PUT`
    pub cache_put: u64,
    /// `LIMIT.RETURN`
    pub limit_return: u64,
    /// `LIMIT.TAKE`
    pub limit_take: u64,
    /// `SESSION.CREATE`
    pub session_create: u64,
    /// `SESSION.END`
    pub session_end: u64,
    /// `SESSION.GET`
    pub session_get: u64,
    /// `SESSION.ROTATE`
    pub session_rotate: u64,
    /// `SESSION.UPDATE`
    pub session_update: u64,
}

/// Failed operations by the code of their error line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Errors {
    /// `-ARITY`, `-ARGUMENT`, `-TTL`, `-VERB`, `-OPS`, and `-SHAPE` of the operation itself.
    pub bad_op: u64,
    /// `-BULK`
    pub bulk: u64,
    /// `-BUSY`
    pub busy: u64,
    /// `-DOWN`
    pub down: u64,
    /// `-EXISTS`
    pub exists: u64,
    /// `-REDIS ...`
    pub redis: u64,
    /// `-SEAL`
    pub seal: u64,
    /// `-SHAPE`
    pub shape: u64,
    /// `-TIMEOUT`
    pub timeout: u64,
}

impl Counters {
    pub(super) fn op(&mut self, op: &Op<'_>) {
        let slot = match op {
            Op::CacheGet(_) => &mut self.ops.cache_get,
            Op::CacheInvalidate { .. } => &mut self.ops.cache_invalidate,
            Op::CachePass(_) => &mut self.ops.cache_pass,
            Op::CachePurge { .. } => &mut self.ops.cache_purge,
            Op::CachePut(_) => &mut self.ops.cache_put,
            Op::LimitReturn(_) => &mut self.ops.limit_return,
            Op::LimitTake(_) => &mut self.ops.limit_take,
            Op::SessionCreate(_) => &mut self.ops.session_create,
            Op::SessionEnd(_) => &mut self.ops.session_end,
            Op::SessionGet(_) => &mut self.ops.session_get,
            Op::SessionRotate(_) => &mut self.ops.session_rotate,
            Op::SessionUpdate(_) => &mut self.ops.session_update,
        };
        *slot += 1;
    }

    pub(super) fn failed(&mut self, failure: &Failure) {
        let errors = &mut self.errors;
        let slot = match failure {
            Failure::Bulk => &mut errors.bulk,
            Failure::Busy => &mut errors.busy,
            Failure::Down => &mut errors.down,
            Failure::Exists => &mut errors.exists,
            Failure::Op(
                OpError::Argument(_)
                | OpError::Arity
                | OpError::Shape
                | OpError::Ttl
                | OpError::Verb,
            )
            | Failure::Ops => &mut errors.bad_op,
            Failure::Redis(_) => &mut errors.redis,
            Failure::Seal => &mut errors.seal,
            Failure::Shape => &mut errors.shape,
            Failure::Timeout => &mut errors.timeout,
        };
        *slot += 1;
    }
}

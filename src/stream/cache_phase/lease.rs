//! The right to store.

use crate::cache::clock::RedisClock;
use core::time::Duration;

/// As a look-up was granted it. What is stored under it is dated by the clock of the Redis that granted it, however late
/// the store gets there (invariant C8).
#[derive(Debug, Clone, Copy)]
pub(in crate::stream) struct Lease {
    pub(in crate::stream) id: [u8; 16],
    pub(super) clock: RedisClock,
}

impl Lease {
    /// Redis granted it at this time of its clock, microseconds since the epoch, and it was heard now.
    pub(super) fn granted(id: [u8; 16], told_us: u64, now: Duration) -> Self {
        let clock = RedisClock::told(told_us, now);
        Self { id, clock }
    }
}

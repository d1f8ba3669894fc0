//! The right to store, and what Redis' clock said when it was granted.

use core::time::Duration;

/// As a look-up was told it. What is stored under it is dated by the same Redis' clock, however late the store gets there
/// (invariant C8).
#[derive(Debug, Clone, Copy)]
pub(in crate::stream) struct Lease {
    pub(in crate::stream) id: [u8; 16],
    /// Redis' clock then, microseconds since the epoch.
    told_us: u64,
    /// The worker's.
    since: Duration,
}

impl Lease {
    pub(super) fn told(id: [u8; 16], told_us: u64, since: Duration) -> Self {
        Self { id, told_us, since }
    }

    /// What Redis' clock says now, or a little less: its word was on its way for a while. So what is dated by it is not
    /// younger than it is.
    pub(super) fn now_us(&self, now: Duration) -> u64 {
        let passed = now.saturating_sub(self.since).as_micros();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        self.told_us.saturating_add(passed)
    }
}

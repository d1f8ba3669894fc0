//! Redis' clock between two of its answers.

use core::time::Duration;

/// What Redis' clock said once, carried on by the worker's own. Ages are reckoned by it alone, so no worker's or
/// bridge's idea of the date can make an answer younger (invariants R13, C8).
#[derive(Debug, Clone, Copy)]
pub struct RedisClock {
    /// Microseconds since the epoch.
    told_us: u64,
    /// The worker's clock when it was heard.
    heard: Duration,
}

impl RedisClock {
    /// Redis said this, microseconds since the epoch, and it was heard now.
    pub fn told(told_us: u64, now: Duration) -> Self {
        let heard = now;
        Self { told_us, heard }
    }

    /// What it says now, or a little less: its word was on its way for a while. Never less than it said.
    pub fn now_us(&self, now: Duration) -> u64 {
        let passed = now.saturating_sub(self.heard).as_micros();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        self.told_us.saturating_add(passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_by_ours_and_never_back() {
        let clock = RedisClock::told(2_000, Duration::from_secs(5));
        assert_eq!(clock.now_us(Duration::from_secs(5)), 2_000);
        assert_eq!(clock.now_us(Duration::from_millis(5_003)), 5_000);
        assert_eq!(clock.now_us(Duration::ZERO), 2_000);
        assert_eq!(clock.now_us(Duration::MAX), u64::MAX);
    }
}

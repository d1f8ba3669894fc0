//! A Redis' clock as the bridge knows it: told now and then, carried on by the monotonic clock.

use std::time::Duration;

/// What Redis said, and when.
#[derive(Debug, Default)]
pub(super) struct RedisTime {
    said: Option<(u64, Duration)>,
}

impl RedisTime {
    /// Redis' clock reads `time_us` at `now`; 0 forgets it.
    pub(super) fn set(&mut self, time_us: u64, now: Duration) {
        self.said = (time_us > 0).then_some((time_us, now));
    }

    /// What it reads at `now`, microseconds since the epoch; 0 when it is not known.
    pub(super) fn at(&self, now: Duration) -> u64 {
        let Some((time_us, at)) = self.said else {
            return 0;
        };
        let since = now.saturating_sub(at).as_micros();
        time_us.saturating_add(u64::try_from(since).unwrap_or(u64::MAX))
    }
}

//! When to try again.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

const FIRST: Duration = Duration::from_millis(100);
/// What is added to [`FIRST`] is at most this. Not seconds: what was down must serve again within a second of its
/// return (invariant L2), and most of that second is the workers' breakers (three probes, 250 ms apart). One
/// connection for each Redis tries, the others wait for it, so an attempt each 175 ms is all that a bridge costs.
const LONGEST: Duration = Duration::from_millis(150);

/// Exponential backoff with full jitter (Brooker, "Exponential Backoff And Jitter", 2015).
///
/// Reset only by a good *reply*: a server that accepts and closes at once would otherwise be asked
/// without pause (invariant L6). No pause is shorter than [`FIRST`], so there are
/// at most ten attempts per second in the long run, whatever the dice say.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause before the next attempt; `random` is any number, evenly spread.
    pub fn next(&mut self, random: u64) -> Duration {
        let ceiling = FIRST
            .saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX))
            .min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let span = u64::try_from(ceiling.as_micros()).unwrap_or(u64::MAX);
        FIRST + Duration::from_micros(random % span.max(1))
    }

    /// A good reply came.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Attempts of several that share it, each [`FIRST`] after the one before (invariant L6).
#[derive(Debug, Default)]
pub struct Turns(Mutex<Option<Instant>>);

impl Turns {
    /// Waits for a turn.
    pub async fn turn(&self) {
        let at = {
            // No code panics while it holds the lock.
            let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let at = next.map_or_else(Instant::now, |next| next.max(Instant::now()));
            *next = Some(at + FIRST);
            at
        };
        tokio::time::sleep_until(at).await;
    }
}

#[cfg(test)]
mod tests;

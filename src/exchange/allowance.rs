//! What a client may do at most per second, saved up as time passes.

use crate::guard::{self, Guard};
use core::time::Duration;

/// One unary call, in the unit it is saved up in: a millionth, so that a microsecond of a rate per
/// second is a whole number.
const ONE_CALL: u64 = 1_000_000;
/// A dial uses this much of the allowance, which holds [`DIALS`] of them: at most ten in any second,
/// over all links (invariant L6).
const DIAL_EVERY: Duration = Duration::from_millis(200);
const DIALS: u32 = 5;

/// Unary calls, when no stream is open.
#[derive(Debug)]
pub(super) struct Fallback {
    per_second: u32,
    /// In units of [`ONE_CALL`].
    saved: u64,
}

impl Fallback {
    /// A tenth of a second's worth, but one call at least, if there are any.
    pub(super) fn new(per_second: u32) -> Self {
        let saved = match u64::from(per_second) {
            0 => 0,
            rate => rate.saturating_mul(ONE_CALL / 10).max(ONE_CALL),
        };
        Self { per_second, saved }
    }

    /// Time passed. A tenth of a second's worth is kept at most, but one call at least, and beside that
    /// one what has come in since the last time, up to another: it could not be taken before. (Held
    /// against the one, a call that became whole within a tick lost the rest of that tick.)
    pub(super) fn refill(&mut self, since: Duration) {
        let rate = u64::from(self.per_second);
        let since_us = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
        let fresh = rate.saturating_mul(since_us);
        let least = ONE_CALL.saturating_add(fresh.min(ONE_CALL));
        let most = rate.saturating_mul(ONE_CALL / 10).max(least);
        self.saved = self.saved.saturating_add(fresh).min(most);
    }

    /// Takes one call, if there is one.
    pub(super) fn take(&mut self) -> bool {
        if !guard::on(Guard::Fallback) {
            return true;
        }
        match self.saved.checked_sub(ONE_CALL) {
            Some(left) => {
                self.saved = left;
                true
            }
            None => false,
        }
    }
}

/// Streams opened, by the generic cell rate algorithm (ITU-T I.371).
#[derive(Debug, Default)]
pub(super) struct Dials {
    whole_at: Duration,
}

impl Dials {
    /// Takes one dial, if there is one, and as many as are to be kept beside it.
    pub(super) fn take(&mut self, now: Duration, keep: u32) -> bool {
        let ahead = DIAL_EVERY.saturating_mul(DIALS.saturating_sub(1).saturating_sub(keep));
        if self.whole_at > now.saturating_add(ahead) {
            return false;
        }
        self.whole_at = self.whole_at.max(now).saturating_add(DIAL_EVERY);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn l6_no_second_holds_more_than_ten_dials(gaps in vec(0_u64..300, 1..200)) {
            let (mut dials, mut now, mut taken) = (Dials::default(), Duration::ZERO, Vec::new());
            for gap in gaps {
                now += Duration::from_millis(gap);
                if dials.take(now, 0) {
                    taken.push(now);
                }
            }
            for (at, from) in taken.iter().enumerate() {
                let until = *from + Duration::from_secs(1);
                prop_assert!(taken[at..].iter().take_while(|t| **t < until).count() <= 10);
            }
            prop_assert!(!taken.is_empty());
        }

        /// Found by reading: each tick's fraction of a millisecond was lost.
        #[test]
        fn m3_the_fallback_accrues_whatever_the_ticks(tick_us in 1_u64..20_000, rate in 1_u32..1_000) {
            let mut fallback = Fallback::new(rate);
            while fallback.take() {}
            let (mut taken, mut elapsed) = (0_u64, 0);
            while elapsed < 1_000_000 {
                elapsed += tick_us;
                fallback.refill(Duration::from_micros(tick_us));
                while fallback.take() {
                    taken += 1;
                }
            }
            let due = u64::from(rate) * elapsed / 1_000_000;
            prop_assert!(taken.abs_diff(due) <= 1, "{} of {}", taken, due);
        }
    }

    /// Found by the property above: "8 of 10". Seven ticks of 14,085 us save 0.986 of a call; of the
    /// eighth, which makes it whole, the bound took all but 0.014.
    #[test]
    fn m3_a_call_that_becomes_whole_within_a_tick_loses_nothing_of_it() {
        let mut fallback = Fallback::new(10);
        while fallback.take() {}
        let taken = (0..71).filter(|_| {
            fallback.refill(Duration::from_micros(14_085));
            fallback.take()
        });
        assert_eq!(taken.count(), 10, "10 per second, for 1.000035 s");
    }

    #[test]
    fn m3_idle_time_saves_up_a_tenth_of_a_second_or_two_calls() {
        for (rate, saved) in [(0, 0), (1, 2), (5, 2), (100, 10), (200, 20)] {
            let mut fallback = Fallback::new(rate);
            for _ in 0..3 {
                fallback.refill(Duration::from_secs(3_600));
            }
            assert_eq!(
                (0..100).filter(|_| fallback.take()).count(),
                saved,
                "{rate}"
            );
        }
    }

    /// Found by reading: fewer than ten per second were none at all.
    #[test]
    fn m3_a_small_fallback_is_not_none() {
        assert!(Fallback::new(1).take());
        assert!(!Fallback::new(0).take());
        let mut five = Fallback::new(5);
        assert!(five.take() && !five.take());
        five.refill(Duration::from_millis(200));
        assert!(five.take() && !five.take());
    }
}

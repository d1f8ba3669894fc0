//! Slow start: how many calls may be out after a breaker has closed.
//!
//! While a breaker is open clients are refused, and many of them try again: what arrives when it closes is several times
//! what arrives otherwise. Let through at once, it queues in front of bridges that have just recovered until each answer
//! comes after its deadline; the breaker opens again, and so on for as long as clients try again (faults.md, M8; seen
//! with the chaos suite: a quarter of the load was served, for ever, by bridges that could do all of it). So only so
//! many calls are out as are answered in time; the others wait their turn within their deadline, the newest first, as in
//! front of Redis.
//!
//! The window grows with each answer that came quickly, as in the slow start of TCP (RFC 5681, 3.1); a slow answer says
//! that calls queue already, and lets it stay (as TCP Vegas does, Brakmo and Peterson 1995). When more calls end
//! without an answer than with one, it is halved. It ends when it was no bound to anybody for [`CALM`].

use core::time::Duration;

/// Calls that may be out at first: a burst that a bridge carries in a few milliseconds, when it is well.
const FIRST: usize = 16;
/// The least that may be out.
const LEAST: usize = 8;
/// It ends when for so long nobody waited, and nobody was not answered (faults.md, M8: "over 2 s").
const CALM: Duration = Duration::from_secs(2);
/// An answer within this part of a call's timeout is quick.
const QUICK: u32 = 4;
/// So many timeouts of a call in a row in which nothing was answered, and the bridges are gone again.
const GONE: u32 = 4;

/// The window of one worker, and what it has seen.
#[derive(Debug)]
pub(super) struct SlowStart {
    window: usize,
    /// Calls are judged together that ended within a call's timeout from this.
    since: Duration,
    answered: u32,
    unanswered: u32,
    /// Judgements in a row with no answer at all.
    gone: u32,
    /// When it last was a bound, or a call was not answered.
    busy: Duration,
}

impl SlowStart {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            window: FIRST,
            since: now,
            answered: 0,
            unanswered: 0,
            gone: 0,
            busy: now,
        }
    }

    /// Calls that may be out.
    pub(super) fn window(&self) -> usize {
        self.window
    }

    /// Somebody has to wait for it.
    pub(super) fn bounds(&mut self, now: Duration) {
        self.busy = now;
    }

    /// A call was answered that took so long, if that says anything; `out` were out with it. A window that is not used
    /// does not grow: what bridges can do beyond that is not known (RFC 7661).
    pub(super) fn answered(&mut self, took: Option<Duration>, timeout: Duration, out: usize) {
        self.answered = self.answered.saturating_add(1);
        self.gone = 0;
        let quick = took.is_some_and(|took| took.saturating_mul(QUICK) <= timeout);
        if quick && out.saturating_mul(2) >= self.window {
            self.window = self.window.saturating_add(1);
        }
    }

    /// A call was not answered. Whether the bridges are gone again.
    pub(super) fn unanswered(&mut self, now: Duration, timeout: Duration) -> bool {
        self.busy = now;
        self.unanswered = self.unanswered.saturating_add(1);
        if now.saturating_sub(self.since) < timeout {
            return false;
        }
        if self.unanswered > self.answered {
            self.window = (self.window / 2).max(LEAST);
        }
        if self.answered == 0 {
            self.gone = self.gone.saturating_add(1);
        }
        (self.since, self.answered, self.unanswered) = (now, 0, 0);
        self.gone >= GONE
    }

    /// Whether it is over.
    pub(super) fn is_over(&self, now: Duration) -> bool {
        now.saturating_sub(self.busy) >= CALM
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    const TIMEOUT: Duration = Duration::from_millis(100);

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn quick_answers_let_it_grow_and_slow_ones_do_not() {
        let mut slow = SlowStart::new(ms(0));
        for _ in 0..100 {
            slow.answered(Some(ms(26)), TIMEOUT, FIRST);
        }
        assert_eq!(slow.window(), FIRST, "calls queue already");
        for _ in 0..100 {
            slow.answered(None, TIMEOUT, FIRST);
        }
        assert_eq!(slow.window(), FIRST, "these were held back");
        for _ in 0..100 {
            slow.answered(Some(ms(25)), TIMEOUT, slow.window());
        }
        assert_eq!(slow.window(), FIRST + 100);
    }

    #[test]
    fn a_window_that_is_not_used_does_not_grow() {
        let mut slow = SlowStart::new(ms(0));
        for _ in 0..100 {
            slow.answered(Some(ms(1)), TIMEOUT, FIRST / 2 - 1);
        }
        assert_eq!(slow.window(), FIRST);
    }

    #[test]
    fn it_is_halved_once_in_a_timeout_when_more_are_not_answered_than_are() {
        let mut slow = SlowStart::new(ms(0));
        for _ in 0..112 {
            slow.answered(Some(ms(1)), TIMEOUT, slow.window());
        }
        // When so many were not answered, after so many that were, and the window then.
        for (at, answered, unanswered, window) in [
            (150, 0, 50, 128), // The first is counted with the 112, and a new count begins.
            (249, 0, 10, 128),
            (250, 0, 1, 64),
            (300, 0, 50, 64),
            (350, 60, 1, 64), // 51 of 111.
            (450, 0, 1, 32),
            (550, 0, 1, 16),
            (650, 0, 1, LEAST),
        ] {
            for _ in 0..answered {
                slow.answered(Some(ms(90)), TIMEOUT, slow.window());
            }
            for _ in 0..unanswered {
                assert!(!slow.unanswered(ms(at), TIMEOUT), "{at}");
            }
            assert_eq!(slow.window(), window, "{at}");
        }
        for _ in 0..2 {
            slow.answered(Some(ms(90)), TIMEOUT, LEAST);
            slow.unanswered(ms(750), TIMEOUT);
        }
        assert_eq!(slow.window(), LEAST);
    }

    #[test]
    fn bridges_that_answer_nothing_for_four_timeouts_are_gone() {
        let mut slow = SlowStart::new(ms(0));
        let gone: Vec<u64> = (1..=80).map(|n| n * 10).collect();
        let first = gone
            .into_iter()
            .find(|at| slow.unanswered(ms(*at), TIMEOUT));
        assert_eq!(first, Some(400));
        let mut slow = SlowStart::new(ms(0));
        for n in 1..=80 {
            if n % 30 == 0 {
                slow.answered(Some(ms(90)), TIMEOUT, FIRST);
            }
            assert!(!slow.unanswered(ms(n * 10), TIMEOUT), "{n}");
        }
    }

    #[test]
    fn it_is_over_when_it_was_no_bound_for_two_seconds() {
        let mut slow = SlowStart::new(ms(1_000));
        assert!(!slow.is_over(ms(2_999)) && slow.is_over(ms(3_000)));
        slow.bounds(ms(2_500));
        assert!(!slow.is_over(ms(4_499)) && slow.is_over(ms(4_500)));
        slow.unanswered(ms(4_000), TIMEOUT);
        assert!(!slow.is_over(ms(5_999)) && slow.is_over(ms(6_000)));
    }

    proptest! {
        #[test]
        fn x4_the_window_is_never_nothing_nor_more_than_was_answered(
            events in vec((0_u64..200, any::<bool>(), 0_u64..200, 0_usize..200), 0..400),
        ) {
            let (mut slow, mut now, mut answers) = (SlowStart::new(ms(0)), 0, 0);
            for (gap, answered, took, out) in events {
                now += gap;
                if answered {
                    slow.answered(Some(ms(took)), TIMEOUT, out);
                    answers += 1;
                } else {
                    slow.unanswered(ms(now), TIMEOUT);
                }
                prop_assert!((LEAST..=FIRST + answers).contains(&slow.window()));
            }
        }
    }
}

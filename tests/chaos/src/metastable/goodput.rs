//! Goodput: visits a second that got what they came for, in time. Pure.

use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Part of the goodput before that must be back (faults.md, "Metastable scenarios").
const ENOUGH_PER_CENT: u64 = 95;
/// Part of the arrivals that must succeed before the trigger, or the trial says nothing.
const SOUND_PER_CENT: u64 = 97;

/// How a visit ended: all its attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit {
    /// When it arrived.
    pub due_ns: u64,
    /// Whether it got what it came for before it gave up.
    pub good: bool,
    /// Requests it took.
    pub attempts: u32,
}

/// When was what, ns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times {
    /// Before the trigger.
    pub before: Range<u64>,
    /// From the trigger to the time when everything must be as before.
    pub during: Range<u64>,
    /// From then on.
    pub after: Range<u64>,
}

/// Visits a second that were good, by when they arrived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goodput {
    /// Visits that arrived.
    pub arrivals: u64,
    /// Good ones, before the trigger.
    pub before: u64,
    /// While it lasted and until the recovery was due.
    pub during: u64,
    /// After that.
    pub after: u64,
    /// Requests for each visit after that, in hundredths.
    pub attempts_after: u64,
}

impl Goodput {
    /// Of these visits.
    pub fn of(visits: &[Visit], times: &Times) -> Self {
        let rate = |range: &Range<u64>, good: bool| {
            let count = within(visits, range).filter(|visit| visit.good || !good);
            per_second(count.count(), range)
        };
        let after = within(visits, &times.after);
        let requests: u64 = after.clone().map(|visit| u64::from(visit.attempts)).sum();
        let visits_after = u64::try_from(after.count()).unwrap_or(u64::MAX);
        Self {
            arrivals: rate(&times.before, false),
            before: rate(&times.before, true),
            during: rate(&times.during, true),
            after: rate(&times.after, true),
            attempts_after: requests * 100 / visits_after.max(1),
        }
    }

    /// Whether it was well before the trigger: else nothing follows from what came after.
    pub fn is_sound(&self) -> bool {
        self.arrivals > 0 && self.before * 100 >= self.arrivals * SOUND_PER_CENT
    }

    /// Whether it is as before the trigger again.
    pub fn is_back(&self) -> bool {
        self.after * 100 >= self.before * ENOUGH_PER_CENT
    }
}

fn within<'a>(visits: &'a [Visit], range: &Range<u64>) -> impl Iterator<Item = &'a Visit> + Clone {
    let range = range.clone();
    (visits.iter()).filter(move |visit| range.contains(&visit.due_ns))
}

fn per_second(count: usize, range: &Range<u64>) -> u64 {
    let span_ns = u128::from(range.end.saturating_sub(range.start)).max(1);
    let count = u128::try_from(count).unwrap_or(u128::MAX);
    u64::try_from((count * 1_000_000_000 + span_ns / 2) / span_ns).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn times() -> Times {
        Times {
            before: 0..10 * S,
            during: 10 * S..20 * S,
            after: 20 * S..30 * S,
        }
    }

    /// A hundred visits a second, of which `good` in each second say are good.
    fn visits(good: impl Fn(u64) -> u64) -> Vec<Visit> {
        let visit = |n: u64| Visit {
            due_ns: n * S / 100,
            good: n % 100 < good(n / 100),
            attempts: 2,
        };
        (0..3_000).map(visit).collect()
    }

    #[test]
    fn rates_are_by_arrival() {
        let goodput = Goodput::of(&visits(|s| if s < 10 { 100 } else { 50 }), &times());
        let expected = Goodput {
            arrivals: 100,
            before: 100,
            during: 50,
            after: 50,
            attempts_after: 200,
        };
        assert_eq!(goodput, expected);
        assert!(goodput.is_sound() && !goodput.is_back());
    }

    #[test]
    fn ninety_five_of_a_hundred_are_enough_and_ninety_four_are_not() {
        for (after, back) in [(95, true), (94, false)] {
            let visits = visits(|s| if s < 20 { 100 } else { after });
            assert_eq!(Goodput::of(&visits, &times()).is_back(), back, "{after}");
        }
    }

    #[test]
    fn what_was_bad_before_proves_nothing() {
        assert!(!Goodput::of(&visits(|_| 90), &times()).is_sound());
        assert!(!Goodput::of(&[], &times()).is_sound());
    }
}

//! The circuit breaker: while no bridge answers, a request must not pay the timeout to learn it.
//!
//! Closed, it opens after [`FAILURES`] failures in a row. Open, it lets one probe through per
//! [`PROBE_EVERY`] (jittered, so that workers do not probe together; faults.md, M8), and closes after
//! [`SUCCESSES`] good ones in a row (invariant L5). Then calls are let out as bridges answer them
//! ([`SlowStart`]).

use super::SplitMix64;
use super::slow_start::SlowStart;
use crate::guard::{self, Guard};
use core::time::Duration;

/// Failures in a row that open it.
pub(super) const FAILURES: u32 = 5;
/// Good probes in a row that close it.
pub(super) const SUCCESSES: u32 = 3;
/// Least time between two probes.
pub(super) const PROBE_EVERY: Duration = Duration::from_millis(250);
/// A probe that is due is left to a request for so long: what it does not get is refused.
const ALONE: Duration = Duration::from_millis(50);

/// One worker's breaker.
#[derive(Debug)]
pub struct Breaker {
    state: State,
    /// Of a call.
    timeout: Duration,
}

#[derive(Debug)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        probe_at: Duration,
        successes: u32,
    },
    /// Closed, and only so many calls may be out.
    Recovering(SlowStart),
}

impl Breaker {
    /// A closed breaker, of calls that may take that long.
    pub fn new(timeout: Duration) -> Self {
        Self {
            state: State::Closed { failures: 0 },
            timeout,
        }
    }

    /// Whether a call may be made now. An open breaker that says yes has let its probe through.
    pub fn admit(&mut self, now: Duration, rng: &mut SplitMix64) -> bool {
        match &mut self.state {
            State::Closed { .. } | State::Recovering(_) => true,
            State::Open {
                probe_at,
                successes,
            } if now >= *probe_at => {
                if !guard::on(Guard::Probe) {
                    return true;
                }
                // Once one was answered nobody needs to be spared: L2 has a second for all of them.
                *probe_at = match *successes {
                    0 => next_probe(now, rng),
                    _ => now.saturating_add(PROBE_EVERY),
                };
                true
            }
            State::Open { .. } => false,
        }
    }

    /// How many calls may be out.
    pub(super) fn window(&self) -> usize {
        match &self.state {
            State::Closed { .. } | State::Open { .. } => usize::MAX,
            State::Recovering(slow) => slow.window(),
        }
    }

    /// A call waits because as many are out as may be.
    pub(super) fn bounds(&mut self, now: Duration) {
        if let State::Recovering(slow) = &mut self.state {
            slow.bounds(now);
        }
    }

    /// A call was answered that took so long, if that says anything; `out` were out with it.
    pub(super) fn succeeded(&mut self, took: Option<Duration>, out: usize, now: Duration) {
        match &mut self.state {
            State::Closed { failures } => *failures = 0,
            State::Open { successes, .. } => {
                *successes = successes.saturating_add(1);
                if !guard::on(Guard::Probe) {
                    self.state = State::Closed { failures: 0 };
                } else if *successes >= SUCCESSES {
                    self.state = State::Recovering(SlowStart::new(now));
                }
            }
            State::Recovering(slow) => slow.answered(took, self.timeout, out),
        }
    }

    /// Time passed.
    pub(super) fn tick(&mut self, now: Duration) {
        if let State::Recovering(slow) = &self.state
            && slow.is_over(now)
        {
            self.state = State::Closed { failures: 0 };
        }
    }

    /// A call was not answered. Returns whether the breaker opened by it.
    pub fn failed(&mut self, now: Duration, rng: &mut SplitMix64) -> bool {
        let opens = match &mut self.state {
            State::Closed { failures } => {
                *failures = failures.saturating_add(1);
                *failures >= FAILURES && guard::on(Guard::Breaker)
            }
            State::Recovering(slow) => slow.unanswered(now, self.timeout),
            State::Open {
                successes,
                probe_at,
            } => {
                *successes = 0;
                if !guard::on(Guard::Probe) {
                    *probe_at = now.saturating_add(PROBE_EVERY);
                }
                false
            }
        };
        if opens {
            self.state = State::Open {
                probe_at: next_probe(now, rng),
                successes: 0,
            };
        }
        opens
    }

    /// Whether a probe is due that no request was there for.
    pub(super) fn is_left_alone(&self, now: Duration) -> bool {
        match self.state {
            State::Closed { .. } | State::Recovering(_) => false,
            State::Open { probe_at, .. } => now >= probe_at.saturating_add(ALONE),
        }
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }
}

fn next_probe(now: Duration, rng: &mut SplitMix64) -> Duration {
    now.saturating_add(PROBE_EVERY)
        .saturating_add(Duration::from_millis(rng.below(50)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const TIMEOUT: Duration = Duration::from_millis(100);

    #[test]
    fn opens_after_failures_in_a_row_only() {
        let (mut breaker, mut rng) = (Breaker::new(TIMEOUT), SplitMix64::new(1));
        for _ in 0..10 {
            for _ in 1..FAILURES {
                assert!(!breaker.failed(MS, &mut rng));
            }
            breaker.succeeded(None, 1, MS);
        }
        for _ in 1..FAILURES {
            breaker.failed(MS, &mut rng);
        }
        assert!(!breaker.is_open());
        assert!(breaker.failed(MS, &mut rng));
        assert!(breaker.is_open());
    }

    #[test]
    fn l5_open_lets_one_probe_through_per_interval_and_closes_on_the_third_good_one() {
        let (mut breaker, mut rng) = (Breaker::new(TIMEOUT), SplitMix64::new(2));
        for _ in 0..FAILURES {
            breaker.failed(Duration::ZERO, &mut rng);
        }
        let mut probes = 0;
        for ms in 0..2_500 {
            probes += u32::from(breaker.admit(Duration::from_millis(ms), &mut rng));
        }
        assert!((8..=10).contains(&probes), "{probes} probes in 2.5 s");
        breaker.succeeded(None, 1, MS);
        breaker.succeeded(None, 1, MS);
        breaker.failed(MS, &mut rng);
        breaker.succeeded(None, 1, MS);
        breaker.succeeded(None, 1, MS);
        assert!(breaker.is_open());
        breaker.succeeded(None, 1, MS);
        assert!(!breaker.is_open());
    }
}

//! A row: one fault, what may come of it, how it is made.

use crate::need::Need;
use crate::oracle::{Bounds, Losses};
use crate::trial::{RATE, Trial};
use std::time::Duration;
use tidegate_e2e::{RedisKind, StackSpec};
use tidegate_stack::Filter;

/// One fault.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Its id: a letter for the kind, and a number.
    pub id: &'static str,
    /// What fails.
    pub fault: &'static str,
    /// How the state role of Redis runs.
    pub redis: RedisKind,
    /// Fault proxies are on every link.
    pub proxies: bool,
    /// What else is different about the stack.
    pub stack: fn(&mut StackSpec),
    /// What the machine must have for it.
    pub needs: &'static [Need],
    /// How often the fault is made in a trial.
    pub rounds: u32,
    /// How much of the load it has, per cent: a fault may itself cost what the machine has.
    pub load: u64,
    /// Nine requests of ten are such that workers answer them from their memory.
    pub hot: bool,
    /// Half of them come over HTTP/2.
    pub http2: bool,
    /// What may come of it.
    pub expect: Expect,
    /// Makes the fault once and mends it. The fault lasts from the call to [`Trial::healed`], or to the return.
    pub run: fn(&mut Trial) -> tidegate_stack::Result<()>,
}

/// What may come of a fault.
#[derive(Debug, Clone, Copy)]
pub struct Expect {
    /// Which requests may fail.
    pub failures: Failures,
    /// How long after it is mended everything is as before (L2).
    pub recovery: Duration,
    /// What may be lost.
    pub losses: Losses,
    /// How long requests may take.
    pub bounds: Bounds,
    /// How much later than before the fault 99 of 100 may be answered while it lasts, where that is asked.
    pub slower: Option<Duration>,
    /// Machines of the filter trap: that is the fault.
    pub traps: bool,
}

/// Which requests may fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failures {
    /// None.
    None,
    /// So many under the whole load ([`RATE`]): those in flight where the fault struck.
    AtMost(u64),
    /// What cannot be decided is refused by its policy, 503; what is cached never fails.
    OnError,
    /// Those of this Envoy; they are refused, 503.
    At(u16),
    /// The Envoy itself is gone.
    Any,
}

impl Row {
    /// A row on a Cluster without proxies, whose fault is made once.
    pub const fn new(
        id: &'static str,
        fault: &'static str,
        failures: Failures,
        recovery_ms: u64,
        run: fn(&mut Trial) -> tidegate_stack::Result<()>,
    ) -> Self {
        Self {
            id,
            fault,
            redis: RedisKind::Cluster,
            proxies: false,
            stack: |_| {},
            needs: &[],
            rounds: 1,
            load: 100,
            hot: false,
            http2: false,
            expect: Expect {
                failures,
                recovery: Duration::from_millis(recovery_ms),
                losses: Losses {
                    increments: false,
                    sessions: false,
                },
                bounds: Bounds::USUAL,
                slower: None,
                traps: false,
            },
            run,
        }
    }

    /// The same on another kind of Redis.
    #[must_use]
    pub const fn on(mut self, redis: RedisKind) -> Self {
        self.redis = redis;
        self
    }

    /// The same with proxies on every link.
    #[must_use]
    pub const fn through_proxies(mut self) -> Self {
        self.proxies = true;
        self
    }

    /// The same, made so often in a trial.
    #[must_use]
    pub const fn times(mut self, rounds: u32) -> Self {
        self.rounds = rounds;
        self
    }

    /// The same with that much of the load, per cent.
    #[must_use]
    pub const fn with_load(mut self, per_cent: u64) -> Self {
        self.load = per_cent;
        self
    }

    /// The same with requests that workers answer from their memory, nine of ten.
    #[must_use]
    pub const fn hot(mut self) -> Self {
        self.hot = true;
        self
    }

    /// The same with half of the requests over HTTP/2.
    #[must_use]
    pub const fn over_http2(mut self) -> Self {
        self.http2 = true;
        self
    }

    /// The same with another stack.
    #[must_use]
    pub const fn with(mut self, stack: fn(&mut StackSpec)) -> Self {
        self.stack = stack;
        self
    }

    /// The same, on machines that have this.
    #[must_use]
    pub const fn needing(mut self, needs: &'static [Need]) -> Self {
        self.needs = needs;
        self
    }

    /// Why it cannot be made on this machine; `None` when it can.
    pub fn missing(&self) -> Option<String> {
        let needed = self.needs.iter().find_map(|need| need.missing());
        needed.or_else(|| self.not_built())
    }

    /// The same, where increments that were acknowledged may be lost.
    #[must_use]
    pub const fn losing_increments(mut self) -> Self {
        self.expect.losses.increments = true;
        self
    }

    /// The same, where sessions may be lost too.
    #[must_use]
    pub const fn losing_sessions(mut self) -> Self {
        self.expect.losses.increments = true;
        self.expect.losses.sessions = true;
        self
    }

    /// The same, where 99 of 100 may be answered so much later while the fault lasts.
    #[must_use]
    pub const fn slower_by(mut self, ms: u64) -> Self {
        self.expect.slower = Some(Duration::from_millis(ms));
        self
    }

    /// The same, where a request may wait so long for its turn in Envoy before anything is asked for it.
    #[must_use]
    pub const fn behind_others(mut self, ms: u64) -> Self {
        self.expect.bounds.decided = Duration::from_millis(ms);
        self
    }

    /// The same, where machines of the filter trap.
    #[must_use]
    pub const fn trapping(mut self) -> Self {
        self.expect.traps = true;
        self
    }

    /// The same under a load of `rate` requests a second: of fewer, fewer are in flight where the fault strikes.
    #[must_use]
    pub fn under(mut self, rate: u64) -> Self {
        if let Failures::AtMost(most) = self.expect.failures {
            let share = rate.min(RATE);
            self.expect.failures = Failures::AtMost((most * share).div_ceil(RATE));
        }
        self
    }

    /// A module of its own that was not built.
    fn not_built(&self) -> Option<String> {
        let mut spec = StackSpec::new(self.id.to_lowercase());
        (self.stack)(&mut spec);
        match spec.filter {
            Filter::Module(path) if !path.exists() => {
                Some(format!("there is no {}", path.display()))
            }
            _ => None,
        }
    }

    /// The same, where a decision may take so long.
    #[must_use]
    pub const fn within(mut self, decided_ms: u64) -> Self {
        self.expect.bounds.decided = Duration::from_millis(decided_ms);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_fail_is_of_the_load() {
        let most = |rate, failures| {
            let row = Row::new("X1", "nothing", failures, 0, |_| Ok(()));
            row.under(rate).expect.failures
        };
        for (rate, allowed) in [(1_500, 64), (3_000, 64), (750, 32), (600, 26), (50, 3)] {
            let found = most(rate, Failures::AtMost(64));
            assert_eq!(found, Failures::AtMost(allowed), "{rate}");
        }
        assert_eq!(most(600, Failures::None), Failures::None);
    }
}

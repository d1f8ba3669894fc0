//! What a worker's share of a limit makes of a key's state.

use super::LocalTake;
use crate::policy::{Algorithm, Limit};
use crate::wire::reply::{TakeState, Taken};

/// What a key has used. Instants are of the clock passed in, microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// GCRA's theoretical arrival time: when the bucket will be full again, or the next unit may leave.
    Bucket {
        tat_us: u64,
    },
    /// Two windows; `gone_us`: when neither counts any more.
    Sliding {
        ends_us: u64,
        gone_us: u64,
        previous: u64,
        used: u64,
    },
    /// In flight, and when the last of them expires; `since_us` names this count.
    Slots {
        since_us: u64,
        ends_us: u64,
        used: u64,
    },
    Window {
        ends_us: u64,
        used: u64,
    },
}

impl State {
    /// From when on the state says nothing any more.
    pub(super) fn full_at_us(self) -> u64 {
        match self {
            Self::Bucket { tat_us } => tat_us,
            Self::Sliding { gone_us, .. } => gone_us,
            Self::Slots { ends_us, .. } | Self::Window { ends_us, .. } => ends_us,
        }
    }
}

/// This worker's share of a limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    algorithm: Algorithm,
    window_us: u64,
    /// Units this worker may hold out at once: per window, or of burst.
    units: u64,
    /// Time a unit takes to come back (bucket), rounded up, so that rounding never admits more.
    emission_us: u64,
    /// Above this a cost fits nowhere in the fleet.
    whole: u64,
}

impl Share {
    pub(super) fn of(take: &LocalTake<'_>) -> Self {
        let Limit {
            algorithm,
            limit,
            window_us,
            burst,
            ..
        } = *take.limit;
        let peers = u64::from(take.peers).max(1);
        let whole = match algorithm {
            Algorithm::TokenBucket => burst,
            // Whatever it costs, it leaves when the one before it has gone.
            Algorithm::LeakyBucket => u64::MAX,
            _ => limit,
        };
        let emission = u128::from(window_us)
            .saturating_mul(peers.into())
            .div_ceil(u128::from(limit).max(1));
        Self {
            algorithm,
            window_us: window_us.max(1),
            units: whole.div_ceil(peers),
            emission_us: u64::try_from(emission).unwrap_or(u64::MAX).max(1),
            whole,
        }
    }

    /// The stored state as of now.
    pub(super) fn current(&self, stored: Option<State>, now_us: u64) -> State {
        let live = stored.filter(|state| state.full_at_us() > now_us);
        match (self.algorithm, live) {
            (
                _,
                Some(State::Sliding {
                    ends_us,
                    gone_us,
                    used,
                    ..
                }),
            ) if ends_us <= now_us => State::Sliding {
                ends_us: gone_us,
                gone_us: gone_us.saturating_add(self.window_us),
                previous: used,
                used: 0,
            },
            (_, Some(live)) => live,
            (Algorithm::TokenBucket | Algorithm::LeakyBucket, None) => {
                State::Bucket { tat_us: now_us }
            }
            (Algorithm::Concurrency, None) => State::Slots {
                since_us: now_us,
                ends_us: now_us,
                used: 0,
            },
            (Algorithm::SlidingWindow | Algorithm::SlidingWindowLog, None) => {
                let ends_us = self.window_end(now_us);
                State::Sliding {
                    ends_us,
                    gone_us: ends_us.saturating_add(self.window_us),
                    previous: 0,
                    used: 0,
                }
            }
            (Algorithm::FixedWindow, None) => State::Window {
                ends_us: self.window_end(now_us),
                used: 0,
            },
        }
    }

    fn window_end(&self, now_us: u64) -> u64 {
        let past = now_us.checked_rem(self.window_us).unwrap_or(0);
        now_us.saturating_sub(past).saturating_add(self.window_us)
    }

    /// The verdict, and the state after the charge (the same when it does not fit).
    pub(super) fn take(
        &self,
        state: State,
        take: &LocalTake<'_>,
        now_us: u64,
    ) -> (TakeState, State) {
        let LocalTake {
            cost, need, force, ..
        } = *take;
        let need = need.max(cost);
        if force {
            return (TakeState::Ok, self.charged(state, cost, now_us));
        }
        if need > self.whole {
            return (TakeState::Never, state);
        }
        if need == 0 || self.fits(state, need, now_us) {
            return (TakeState::Ok, self.charged(state, cost, now_us));
        }
        let verdict = match state {
            State::Slots { .. } => TakeState::Busy,
            _ => TakeState::Denied,
        };
        (verdict, state)
    }

    fn fits(&self, state: State, need: u64, now_us: u64) -> bool {
        match state {
            // Nobody waits here: the next unit leaves now or not at all.
            State::Bucket { tat_us } if self.algorithm == Algorithm::LeakyBucket => {
                tat_us <= now_us
            }
            State::Bucket { tat_us } => {
                let tat_us = tat_us.saturating_add(need.saturating_mul(self.emission_us));
                tat_us.saturating_sub(now_us) <= self.tolerance_us() && tat_us < u64::MAX
            }
            State::Sliding { .. } => {
                self.weighted(state, now_us).saturating_add(need) <= self.units
            }
            State::Slots { used, .. } | State::Window { used, .. } => {
                used.saturating_add(need) <= self.units
            }
        }
    }

    fn charged(&self, state: State, cost: u64, now_us: u64) -> State {
        if cost == 0 {
            return state;
        }
        match state {
            State::Bucket { tat_us } => State::Bucket {
                tat_us: tat_us.saturating_add(cost.saturating_mul(self.emission_us)),
            },
            State::Sliding {
                ends_us,
                gone_us,
                previous,
                used,
            } => State::Sliding {
                ends_us,
                gone_us,
                previous,
                used: used.saturating_add(cost),
            },
            State::Slots { since_us, used, .. } => State::Slots {
                since_us,
                ends_us: now_us.saturating_add(self.window_us),
                used: used.saturating_add(cost),
            },
            State::Window { ends_us, used } => State::Window {
                ends_us,
                used: used.saturating_add(cost),
            },
        }
    }

    /// Units used, those of the window before by the part of it that the last `window_us` still cover.
    fn weighted(&self, state: State, now_us: u64) -> u64 {
        let State::Sliding {
            ends_us,
            previous,
            used,
            ..
        } = state
        else {
            return 0;
        };
        let left = u128::from(ends_us.saturating_sub(now_us).min(self.window_us));
        let counted = left
            .saturating_mul(previous.into())
            .div_ceil(u128::from(self.window_us).max(1));
        used.saturating_add(u64::try_from(counted).unwrap_or(u64::MAX))
    }

    pub(super) fn report(&self, state: State, verdict: TakeState, need: u64, now_us: u64) -> Taken {
        let (available, reset_us, retry_us) = match state {
            State::Bucket { tat_us } if self.algorithm == Algorithm::LeakyBucket => {
                let wait_us = tat_us.saturating_sub(now_us);
                (u64::from(wait_us == 0), wait_us, wait_us)
            }
            State::Bucket { tat_us } => {
                let owed_us = tat_us.saturating_sub(now_us);
                let credit_us = self.tolerance_us().saturating_sub(owed_us);
                let available = credit_us.checked_div(self.emission_us).unwrap_or(0);
                let part_us = credit_us.checked_rem(self.emission_us).unwrap_or(0);
                let next_us = match owed_us {
                    0 => 0,
                    _ => self.emission_us.saturating_sub(part_us),
                };
                let reset_us = next_us.max(available.saturating_mul(self.emission_us));
                let needed_us = need.saturating_mul(self.emission_us);
                let missing_us = needed_us
                    .saturating_add(owed_us)
                    .saturating_sub(self.tolerance_us());
                (available, reset_us, missing_us)
            }
            State::Sliding { ends_us, .. } => {
                let available = self.units.saturating_sub(self.weighted(state, now_us));
                let reset_us = ends_us.saturating_sub(now_us);
                (available, reset_us, self.slides_us(state, need, now_us))
            }
            State::Slots { used, .. } => (self.units.saturating_sub(used), 0, 0),
            State::Window { ends_us, used } => {
                let left_us = ends_us.saturating_sub(now_us);
                (self.units.saturating_sub(used), left_us, left_us)
            }
        };
        let retry_us = if verdict == TakeState::Denied {
            retry_us
        } else {
            0
        };
        let mark = match state {
            State::Slots { since_us, .. } => since_us,
            _ => 0,
        };
        Taken {
            mark,
            ..Taken::new(verdict, available, reset_us, retry_us)
        }
    }

    /// How long until `need` units fit, as the window before this one counts less and less.
    fn slides_us(&self, state: State, need: u64, now_us: u64) -> u64 {
        let State::Sliding {
            ends_us,
            previous,
            used,
            ..
        } = state
        else {
            return 0;
        };
        let left_us = ends_us.saturating_sub(now_us);
        // The most of a window with `counted` units that may be left for them to make room.
        let most_left = |counted: u64, room: u64| {
            let us = u128::from(room).saturating_mul(self.window_us.into());
            let us = us.checked_div(counted.into()).unwrap_or(u128::MAX);
            u64::try_from(us).unwrap_or(u64::MAX).min(self.window_us)
        };
        let room = |taken: u64| self.units.checked_sub(taken.saturating_add(need));
        match (room(used), room(0)) {
            (Some(room), _) => left_us.saturating_sub(most_left(previous, room)),
            (None, Some(room)) => {
                let later_us = self.window_us.saturating_sub(most_left(used, room));
                left_us.saturating_add(later_us)
            }
            (None, None) => left_us,
        }
    }

    /// How far ahead of now the arrival time may be: the burst, in time.
    fn tolerance_us(&self) -> u64 {
        self.units.saturating_mul(self.emission_us)
    }
}

//! `on_error: local`: while Redis cannot be asked, this worker enforces its fair share in memory.
//!
//! A key gets `ceil(limit / peers)` per window here, so all workers together admit at most the sum of
//! those (invariant R15). Memory is bounded and yet nothing is forgotten that a key could profit from:
//! when the table is full of live keys, further keys share pools (256 per limit, by hash), and a key
//! that gets a place of its own later starts from its pool's state. A flood of keys therefore makes the
//! new ones share, and gives no key a second share.
//!
//! Windows are aligned to the clock passed in, a monotonic one; a clock that steps back adds no credit.

use crate::policy::{Algorithm, Limit};
use crate::wire::reply::{LimitReply, TakeState, Taken};
use hashbrown::HashMap;

/// Keys with a place of their own.
pub const CAPACITY: usize = 10_000;
/// Looking for ended windows costs time in proportion to the table: not more often than this.
const SWEEP_US: u64 = 100_000;

/// One worker's counters.
#[derive(Debug)]
pub struct LocalLimits {
    own: HashMap<([u8; 16], [u8; 8]), State>,
    pools: HashMap<([u8; 8], u8), State>,
    capacity: usize,
    next_sweep_us: u64,
}

/// One limit to take from.
#[derive(Debug, Clone, Copy)]
pub struct LocalTake<'a> {
    /// The limit.
    pub limit: &'a Limit,
    /// Units to take.
    pub cost: u64,
    /// Workers of the whole fleet; 0 counts as 1.
    pub peers: u32,
    /// Whom it counts.
    pub subject: [u8; 16],
}

impl LocalLimits {
    /// Empty, with room for [`CAPACITY`] keys.
    pub fn new() -> Self {
        Self::with_capacity(CAPACITY)
    }

    /// Empty, with room for `capacity` keys.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            own: HashMap::new(),
            pools: HashMap::new(),
            capacity,
            next_sweep_us: 0,
        }
    }

    /// Takes from all or from none, as `LIMIT.TAKE` does. Limits and capacities in the answer are this
    /// worker's share. [`TakeState::Never`] is said of a cost that the whole limit cannot hold; one
    /// that only the share cannot hold is denied until the window ends.
    pub fn take(&mut self, takes: &[LocalTake<'_>], now_us: u64) -> LimitReply {
        let mut charged: Vec<(Slot, State)> = Vec::with_capacity(takes.len());
        let mut verdicts = Vec::with_capacity(takes.len());
        for take in takes {
            let share = Share::of(take);
            let slot = self.slot(take, charged.len(), now_us);
            let pending = charged.iter().rev().find(|(other, _)| *other == slot);
            let stored = pending.map(|(_, state)| *state).or_else(|| self.load(slot));
            let before = share.current(stored, now_us);
            let (state, after) = share.take(before, take.cost, now_us);
            charged.push((slot, after));
            verdicts.push((share, take.cost, state, before, after));
        }
        let admitted = verdicts
            .iter()
            .all(|(_, _, state, ..)| *state == TakeState::Ok);
        if admitted {
            for ((slot, state), take) in charged.into_iter().zip(takes) {
                if take.cost > 0 {
                    self.store(slot, state);
                }
            }
        }
        let limits = verdicts
            .into_iter()
            .map(|(share, cost, state, before, after)| {
                share.report(if admitted { after } else { before }, state, cost, now_us)
            })
            .collect();
        LimitReply {
            admitted,
            now_us,
            limits,
        }
    }

    /// Keys with a place of their own now.
    pub fn len(&self) -> usize {
        self.own.len()
    }

    /// Whether nothing was ever counted, or all of it was cleared.
    pub fn is_empty(&self) -> bool {
        self.own.is_empty() && self.pools.is_empty()
    }

    /// Where a key is counted; `pending` places may be filled before this one.
    fn slot(&mut self, take: &LocalTake<'_>, pending: usize, now_us: u64) -> Slot {
        let own = Slot {
            subject: take.subject,
            id: take.limit.id,
            pooled: false,
        };
        if self.own.contains_key(&(own.subject, own.id)) {
            return own;
        }
        let full = |own: &HashMap<_, _>, capacity| own.len().saturating_add(pending) >= capacity;
        if full(&self.own, self.capacity) && now_us >= self.next_sweep_us {
            self.next_sweep_us = now_us.saturating_add(SWEEP_US);
            self.own.retain(|_, state| state.full_at_us() > now_us);
            self.pools.retain(|_, state| state.full_at_us() > now_us);
        }
        Slot {
            pooled: full(&self.own, self.capacity),
            ..own
        }
    }

    fn load(&self, slot: Slot) -> Option<State> {
        let own = self.own.get(&(slot.subject, slot.id));
        own.or_else(|| self.pools.get(&slot.pool())).copied()
    }

    fn store(&mut self, slot: Slot, state: State) {
        if slot.pooled {
            self.pools.insert(slot.pool(), state);
        } else {
            self.own.insert((slot.subject, slot.id), state);
        }
    }
}

impl Default for LocalLimits {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    subject: [u8; 16],
    id: [u8; 8],
    pooled: bool,
}

impl Slot {
    fn pool(&self) -> ([u8; 8], u8) {
        let [first, ..] = self.subject;
        (self.id, first)
    }
}

impl PartialEq for Slot {
    /// Whether they are counted in one place.
    fn eq(&self, other: &Self) -> bool {
        match (self.pooled, other.pooled) {
            (true, true) => self.pool() == other.pool(),
            (false, false) => (self.subject, self.id) == (other.subject, other.id),
            _ => false,
        }
    }
}

/// What a key has used. Both instants are of the clock passed in, microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// GCRA's theoretical arrival time: when the bucket will be full again.
    Bucket {
        tat_us: u64,
    },
    Window {
        ends_us: u64,
        used: u64,
    },
}

impl State {
    /// From when on the state says nothing any more.
    fn full_at_us(self) -> u64 {
        match self {
            Self::Bucket { tat_us } => tat_us,
            Self::Window { ends_us, .. } => ends_us,
        }
    }
}

/// This worker's share of a limit.
#[derive(Debug, Clone, Copy)]
struct Share {
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
    fn of(take: &LocalTake<'_>) -> Self {
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
    fn current(&self, stored: Option<State>, now_us: u64) -> State {
        match (
            self.algorithm,
            stored.filter(|state| state.full_at_us() > now_us),
        ) {
            (_, Some(live)) => live,
            (Algorithm::TokenBucket, None) => State::Bucket { tat_us: now_us },
            (_, None) => {
                let past = now_us.checked_rem(self.window_us).unwrap_or(0);
                let ends_us = now_us.saturating_sub(past).saturating_add(self.window_us);
                State::Window { ends_us, used: 0 }
            }
        }
    }

    /// The verdict, and the state after the charge (the same when it does not fit).
    fn take(&self, state: State, cost: u64, now_us: u64) -> (TakeState, State) {
        if cost > self.whole {
            return (TakeState::Never, state);
        }
        let after = match state {
            State::Bucket { tat_us } => {
                let tat_us = tat_us.saturating_add(cost.saturating_mul(self.emission_us));
                (tat_us.saturating_sub(now_us) <= self.tolerance_us() && tat_us < u64::MAX)
                    .then_some(State::Bucket { tat_us })
            }
            State::Window { ends_us, used } => {
                let used = used.saturating_add(cost);
                (used <= self.units).then_some(State::Window { ends_us, used })
            }
        };
        match after {
            Some(after) => (TakeState::Ok, after),
            None if cost == 0 => (TakeState::Ok, state),
            None => (TakeState::Denied, state),
        }
    }

    fn report(&self, state: State, verdict: TakeState, cost: u64, now_us: u64) -> Taken {
        let (available, reset_us, retry_us) = match state {
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
                let needed_us = cost.saturating_mul(self.emission_us);
                (available, reset_us, needed_us.saturating_sub(credit_us))
            }
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
        Taken::new(verdict, available, reset_us, retry_us)
    }

    /// How far ahead of now the arrival time may be: the burst, in time.
    fn tolerance_us(&self) -> u64 {
        self.units.saturating_mul(self.emission_us)
    }
}

#[cfg(test)]
mod tests;

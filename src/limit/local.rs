//! `on_error: local`: while Redis cannot be asked, this worker enforces its fair share in memory.
//!
//! A key gets `ceil(limit / peers)` per window here, so all workers together admit at most the sum of
//! those (invariant R15). Memory is bounded and yet nothing is forgotten that a key could profit from:
//! when the table is full of live keys, further keys share pools (256 per limit, by hash), and a key
//! that gets a place of its own later starts from its pool's state. A flood of keys therefore makes the
//! new ones share, and gives no key a second share.
//!
//! Windows are aligned to the clock passed in, a monotonic one; a clock that steps back adds no credit.
//!
//! All six algorithms have a share. What Redis does exactly, a worker does with what it can hold in a few
//! words: the log is estimated as `sliding_window` is, a calendar window is one of its longest length, and
//! a leaky bucket lets nobody wait: what cannot leave at once is denied.

mod share;

use crate::policy::Limit;
use crate::wire::reply::{LimitReply, TakeState};
use hashbrown::HashMap;
use share::{Share, State};

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
    /// Units that must be available for that.
    pub need: u64,
    /// They are taken whatever is available.
    pub force: bool,
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
            let (state, after) = share.take(before, take, now_us);
            charged.push((slot, after));
            verdicts.push((share, take.need, state, before, after));
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
            .map(|(share, need, state, before, after)| {
                share.report(if admitted { after } else { before }, state, need, now_us)
            })
            .collect();
        LimitReply {
            admitted,
            now_us,
            limits,
        }
    }

    /// A slot is free again; `since_us`: the mark of its take. One that has expired meanwhile is gone
    /// already.
    pub fn release(&mut self, limit: &Limit, subject: [u8; 16], since_us: u64) {
        let slot = Slot {
            subject,
            id: limit.id,
            pooled: false,
        };
        let is_counted = |state: &&mut State| match state {
            State::Slots { since_us: mine, .. } => *mine == since_us,
            _ => false,
        };
        let own = self.own.get_mut(&(subject, limit.id));
        let pools = &mut self.pools;
        let counted = own
            .filter(is_counted)
            .or_else(|| pools.get_mut(&slot.pool()).filter(is_counted));
        if let Some(State::Slots { used, .. }) = counted {
            *used = used.saturating_sub(1);
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

#[cfg(test)]
mod tests;

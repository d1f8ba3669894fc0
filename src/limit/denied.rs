//! Keys known to be over their limit: they are denied without an exchange until they can fit again.
//!
//! Sound (invariant R12): Redis said that nothing but a refund, a reset or an override can make the cost
//! fit before `retry_us` have passed. It said so after it was asked, so counted from when it was asked
//! the time ends too early, never too late. And:
//!
//! * limits that settle a reserve are not remembered: what was not used comes back at any time;
//! * [`TakeState::Busy`] is not remembered. It is what Redis says while units of the key are leased, since
//!   a worker gives back what it did not spend, and while a charge may be undone;
//! * a bridge that learns of a reset or an override tells every worker ([`DeniedKeys::forget`]); because
//!   such a word can be lost, all is forgotten when a stream is, and nothing is believed for longer than
//!   [`LONGEST`].
//!
//! Only costs at least as high as the one that was denied are denied from memory.

use crate::guard::{self, Guard};
use crate::policy::{Cost, Limit};
use crate::wire::reply::{TakeState, Taken};
use core::time::Duration;
use hashbrown::HashMap;
use std::collections::VecDeque;

/// Keys remembered, at most; the oldest makes room.
pub const CAPACITY: usize = 10_000;
/// A denial is asked for again after this long, whatever was said.
pub const LONGEST: Duration = Duration::from_secs(30);
/// What can never fit has no instant when it can: asked again after this long.
const NEVER: Duration = Duration::from_secs(1);

/// One worker's memory of denials.
#[derive(Debug)]
pub struct DeniedKeys {
    keys: HashMap<Key, Denial>,
    /// Oldest first. A key that was remembered anew, or forgotten, leaves its old place behind.
    order: VecDeque<(Key, u64)>,
    capacity: usize,
    next: u64,
    /// When something was forgotten last. What was asked before may have been true before only; of
    /// whichever key, so that it takes no memory: only answers under way are meant.
    forgot: Option<Duration>,
}

/// Index of a limit, and whom it counts.
pub type Key = (usize, [u8; 16]);

/// A denial.
#[derive(Debug, Clone, Copy)]
pub struct Denied {
    /// Units that did not fit.
    pub need: u64,
    /// What was said.
    pub taken: Taken,
    /// When it was asked for.
    pub asked: Duration,
}

#[derive(Debug)]
struct Denial {
    /// Units that did not fit.
    need: u64,
    taken: Taken,
    /// When it was heard: what a client is told is counted from here, so that it does not come early.
    heard: Duration,
    until: Duration,
    place: u64,
}

impl DeniedKeys {
    /// Empty, with room for [`CAPACITY`] keys.
    pub fn new() -> Self {
        Self::with_capacity(CAPACITY)
    }

    /// Empty, with room for `capacity` keys.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            keys: HashMap::new(),
            order: VecDeque::new(),
            capacity,
            next: 0,
            forgot: None,
        }
    }

    /// Remembers that the limit of this index has denied `need` units; `asked`: when it was asked, by the
    /// clock of [`DeniedKeys::find`]. What is no denial, or may end early, is not remembered.
    pub fn remember(&mut self, limit: &Limit, key: Key, denial: Denied, now: Duration) {
        let Denied { need, taken, asked } = denial;
        let wait = match taken.state {
            TakeState::Denied => Duration::from_micros(taken.retry_us).min(LONGEST),
            TakeState::Never => NEVER,
            TakeState::Busy | TakeState::Ok => return,
        };
        let overtaken = self.forgot.is_some_and(|forgot| asked <= forgot);
        if !guard::on(Guard::Denied)
            || wait.is_zero()
            || overtaken
            || comes_back(limit)
            || self.capacity == 0
        {
            return;
        }
        let until = asked.saturating_add(wait);
        // A lower cost that was denied says more, for as long as it says anything.
        let known = self.keys.get(&key);
        if known.is_some_and(|known| known.need < need && known.until >= until) {
            return;
        }
        if known.is_none() && self.keys.len() >= self.capacity {
            self.evict();
        }
        self.next = self.next.wrapping_add(1);
        let place = self.next;
        let denial = Denial {
            need,
            taken,
            heard: now,
            until,
            place,
        };
        self.keys.insert(key, denial);
        self.order.push_back((key, place));
        // Places left behind are swept when they are the larger part: bounded, at a constant cost.
        if self.order.len() > self.capacity.saturating_mul(2) {
            let keys = &self.keys;
            self.order
                .retain(|(key, place)| keys.get(key).is_some_and(|known| known.place == *place));
        }
    }

    /// What is known to be said of `need` units now.
    pub fn find(&mut self, key: Key, need: u64, now: Duration) -> Option<Taken> {
        if self.keys.is_empty() {
            return None;
        }
        let denial = self.keys.get(&key)?;
        if now >= denial.until {
            self.keys.remove(&key);
            return None;
        }
        if need < denial.need {
            return None;
        }
        let since = now.saturating_sub(denial.heard).as_micros();
        let since_us = u64::try_from(since).unwrap_or(u64::MAX);
        Some(Taken {
            reset_us: denial.taken.reset_us.saturating_sub(since_us),
            retry_us: denial.taken.retry_us.saturating_sub(since_us),
            ..denial.taken
        })
    }

    /// Nothing remembered of this subject holds any more, nor what is said of it and was asked by now.
    pub fn forget(&mut self, subject: &[u8; 16], now: Duration) {
        self.forgot = Some(now);
        self.keys.retain(|(_, of), _| of != subject);
    }

    /// Nothing remembered holds any more, nor what is said and was asked by now.
    pub fn clear(&mut self, now: Duration) {
        self.forgot = Some(now);
        self.keys.clear();
        self.order.clear();
    }

    /// Keys remembered.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    fn evict(&mut self) {
        while let Some((key, place)) = self.order.pop_front() {
            if self
                .keys
                .get(&key)
                .is_some_and(|known| known.place == place)
            {
                self.keys.remove(&key);
                return;
            }
        }
    }
}

impl Default for DeniedKeys {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether units that were charged may become available before their time.
fn comes_back(limit: &Limit) -> bool {
    matches!(limit.cost, Cost::ResponseHeader { reserve: 1.., .. })
}

#[cfg(test)]
mod tests;

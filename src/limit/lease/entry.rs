//! One watched key: what it takes, and what is held for it.

use super::{GiveBack, IDLE, Key, SPAN};
use crate::wire::reply::{TakeState, Taken};
use core::time::Duration;
use std::collections::VecDeque;

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) demand: Demand,
    /// Oldest first.
    pub(super) grants: VecDeque<Grant>,
    /// The question that is under way.
    pub(super) asking: Option<Asking>,
    /// Not asked before.
    pub(super) not_before: Duration,
    /// What Redis said last, and when that was asked.
    pub(super) said: Taken,
    pub(super) asked: Duration,
    /// It has a place in `checks`.
    pub(super) checked: bool,
}

#[derive(Debug)]
pub(super) struct Grant {
    pub(super) number: u64,
    pub(super) units: u64,
    pub(super) mark: u64,
    pub(super) until: Duration,
    /// It ends by [`LIFE`]: its charge outlives it, so giving it back is worth something.
    pub(super) early: bool,
}

#[derive(Debug)]
pub(super) struct Asking {
    pub(super) ticket: u32,
    pub(super) sent: Duration,
    pub(super) units: u64,
}

#[derive(Debug)]
pub(super) struct Demand {
    pub(super) since: Duration,
    pub(super) last: Duration,
    pub(super) now: u64,
    pub(super) before: u64,
}

impl Entry {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            demand: Demand {
                since: now,
                last: now,
                now: 0,
                before: 0,
            },
            grants: VecDeque::new(),
            asking: None,
            not_before: Duration::ZERO,
            said: Taken::new(TakeState::Ok, 0, 0, 0),
            asked: now,
            checked: false,
        }
    }

    pub(super) fn held(&self) -> u64 {
        let units = self.grants.iter().map(|grant| grant.units);
        units.fold(0, u64::saturating_add)
    }

    /// What `lease_max` bounds.
    pub(super) fn held_or_asked(&self) -> u64 {
        let asked = self.asking.as_ref().map_or(0, |asking| asking.units);
        self.held().saturating_add(asked)
    }

    pub(super) fn drop_ended(&mut self, now: Duration) {
        self.grants.retain(|grant| now < grant.until);
    }

    /// What is held here is available, beside what Redis said was left.
    pub(super) fn told(&self, now: Duration) -> Taken {
        let since = now.saturating_sub(self.asked).as_micros();
        let since_us = u64::try_from(since).unwrap_or(u64::MAX);
        let available = self.said.available.saturating_add(self.held());
        let reset_us = self.said.reset_us.saturating_sub(since_us);
        Taken {
            limit: self.said.limit,
            ..Taken::new(TakeState::Ok, available, reset_us, 0)
        }
    }
}

impl Grant {
    pub(super) fn back(&self, key: Key) -> GiveBack {
        GiveBack {
            key,
            mark: self.mark,
            units: self.units,
        }
    }
}

impl Demand {
    pub(super) fn count(&mut self, units: u64, now: Duration) {
        let passed = now.saturating_sub(self.since);
        if passed >= SPAN {
            self.before = if passed < SPAN.saturating_mul(2) {
                self.now
            } else {
                0
            };
            self.now = 0;
            self.since = now;
        }
        self.now = self.now.saturating_add(units);
        self.last = now;
    }

    /// Units wanted in a span, now.
    pub(super) fn units(&self, now: Duration) -> u64 {
        if now.saturating_sub(self.last) >= IDLE {
            return 0;
        }
        self.now.max(self.before)
    }
}

//! Leases: a worker takes units of a busy key in advance and spends them without asking.
//!
//! Units are charged when they are granted, so the fleet never exceeds a limit by them (invariant R11).
//! What it costs is that units may be granted and not used:
//!
//! * a worker holds or is asking for `lease_max` units of a key at most, and asks for no more than it
//!   spends in about 200 ms;
//! * Redis grants less as less is left (an eighth of it), down to none: the last units are exact;
//! * what is not used within [`IDLE`], or before a grant ends, is given back;
//! * a grant ends with its window, or after [`LIFE`], counted on this worker's monotonic clock from
//!   when it was *asked for*, which is before Redis' own count of it began.
//!
//! A key is asked about in the background once it is busy ([`BUSY`]), and again when what is held runs
//! low, so no request waits for a grant. Until then, and whenever nothing is held, requests ask for
//! themselves, exactly.

mod entry;

use crate::policy::{Algorithm, Limit};
use crate::wire::reply::{TakeState, Taken};
use core::time::Duration;
use entry::{Asking, Entry, Grant};
use hashbrown::HashMap;
use std::collections::VecDeque;

/// Keys watched at once, at most; others ask for each request.
pub const CAPACITY: usize = 4_096;
/// Longest life of a grant.
pub const LIFE: Duration = Duration::from_secs(1);
/// A key nothing is taken of for so long gets back what is held.
pub const IDLE: Duration = Duration::from_millis(200);
/// Demand is counted over such spans.
const SPAN: Duration = Duration::from_millis(100);
/// Units per span that make a key busy.
pub const BUSY: u64 = 20;
/// What is held is looked at this often.
const CHECK: Duration = Duration::from_millis(20);
/// What a grant with [`LIFE`] still holds is given back so long before its end: one look and its way.
const MARGIN: Duration = Duration::from_millis(60);
/// Grants of a key held at once, at most: rests too small for one request may stay of each.
const GRANTS: usize = 4;
/// After a grant of nothing it is not asked again for so long.
const PAUSE: Duration = SPAN;

/// Index of a limit, and whom it counts.
pub type Key = (usize, [u8; 16]);

/// One worker's leases.
#[derive(Debug)]
pub struct Leases {
    keys: HashMap<Key, Entry>,
    /// Keys with grants, by when they are looked at; each once.
    checks: VecDeque<(Duration, Key)>,
    /// Whose grant is asked for, by ticket.
    asked: HashMap<u32, Key>,
    capacity: usize,
    ticket: u32,
    grant: u64,
    next_sweep: Duration,
}

/// Units to ask for: a `LIMIT.TAKE` of nothing with a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// Names the question.
    pub ticket: u32,
    /// How many.
    pub units: u64,
}

/// Units to give back: a `LIMIT.RETURN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GiveBack {
    /// Whose.
    pub key: Key,
    /// Names their charge.
    pub mark: u64,
    /// How many.
    pub units: u64,
}

/// Units that were spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// The grant they were of.
    pub grant: u64,
    /// What the client is told, as if Redis had said it.
    pub taken: Taken,
}

impl Leases {
    /// Empty, with room for [`CAPACITY`] keys.
    pub fn new() -> Self {
        Self::with_capacity(CAPACITY)
    }

    /// Empty, with room for `capacity` keys.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            keys: HashMap::new(),
            checks: VecDeque::new(),
            asked: HashMap::new(),
            capacity,
            ticket: 0,
            grant: 0,
            next_sweep: Duration::ZERO,
        }
    }

    /// A request wants `units` of the key. `None`: nothing held is enough, it has to ask.
    pub fn spend(&mut self, key: Key, units: u64, now: Duration) -> Option<Spent> {
        let entry = match self.keys.get_mut(&key) {
            Some(entry) => entry,
            None => {
                self.make_room(now);
                if self.keys.len() < self.capacity {
                    let mut entry = Entry::new(now);
                    entry.demand.count(units, now);
                    self.keys.insert(key, entry);
                }
                return None;
            }
        };
        entry.demand.count(units, now);
        entry.drop_ended(now);
        // From one grant only: the rest of an older one, too small for this request, is left for a
        // cheaper one or given back.
        let grant = entry.grants.iter_mut().find(|g| g.units >= units)?;
        grant.units = grant.units.saturating_sub(units);
        let grant = grant.number;
        entry.grants.retain(|grant| grant.units > 0);
        let taken = entry.told(now);
        Some(Spent { grant, taken })
    }

    /// What was spent was not used after all. What there is no room for, since more has been asked for
    /// meanwhile, is to be given back.
    pub fn put_back(
        &mut self,
        limit: &Limit,
        key: Key,
        spent: u64,
        units: u64,
        now: Duration,
    ) -> Option<GiveBack> {
        let entry = self.keys.get_mut(&key)?;
        entry.drop_ended(now);
        let room = limit.lease_max.saturating_sub(entry.held_or_asked());
        // A grant that was spent to the end is gone, and its units with it.
        let mut grants = entry.grants.iter_mut();
        let grant = grants.find(|grant| grant.number == spent)?;
        let kept = units.min(room);
        grant.units = grant.units.saturating_add(kept);
        let surplus = units.saturating_sub(kept);
        (surplus > 0).then(|| GiveBack {
            units: surplus,
            ..grant.back(key)
        })
    }

    /// Whether units are to be asked for now; if so, the answer is told to [`Leases::granted`].
    pub fn ask(&mut self, limit: &Limit, key: Key, now: Duration) -> Option<Ask> {
        let entry = self.keys.get_mut(&key)?;
        if entry.asking.is_some() || now < entry.not_before || entry.grants.len() >= GRANTS {
            return None;
        }
        let busy = entry.demand.units(now);
        let (wanted, held) = (busy.saturating_mul(2).min(limit.lease_max), entry.held());
        // Asked for when half is left: about the demand of one span, which is longer than asking takes.
        if busy < BUSY || held > wanted / 2 {
            return None;
        }
        let units = wanted.saturating_sub(held);
        if units == 0 {
            return None;
        }
        self.ticket = self.ticket.wrapping_add(1) & crate::vm::MAX_NUMBER;
        let ticket = self.ticket;
        if self.asked.contains_key(&ticket) {
            return None;
        }
        entry.asking = Some(Asking {
            ticket,
            sent: now,
            units,
        });
        self.asked.insert(ticket, key);
        Some(Ask { ticket, units })
    }

    /// What was said to a question; `None`: nothing, and what it has charged is lost.
    pub fn granted(
        &mut self,
        ticket: u32,
        limit: impl Fn(usize) -> Option<Algorithm>,
        said: Option<Taken>,
    ) {
        let Some(key) = self.asked.remove(&ticket) else {
            return;
        };
        let Some(entry) = self.keys.get_mut(&key) else {
            return;
        };
        let asking = entry.asking.take_if(|asking| asking.ticket == ticket);
        let Some(Asking { sent, .. }) = asking else {
            return;
        };
        let (Some(said), Some(algorithm)) = (said, limit(key.0)) else {
            entry.not_before = sent.saturating_add(LIFE);
            return;
        };
        entry.said = said;
        entry.asked = sent;
        if said.leased == 0 || said.state != TakeState::Ok {
            entry.not_before = sent.saturating_add(PAUSE);
            return;
        }
        let rest = match algorithm {
            Algorithm::TokenBucket => LIFE,
            _ => Duration::from_micros(said.reset_us),
        };
        self.grant = self.grant.wrapping_add(1);
        entry.grants.push_back(Grant {
            number: self.grant,
            units: said.leased,
            mark: said.mark,
            until: sent.saturating_add(rest.min(LIFE)),
            early: rest >= LIFE,
        });
        if !core::mem::replace(&mut entry.checked, true) {
            self.checks.push_back((sent.saturating_add(CHECK), key));
        }
    }

    /// What is to be given back now. Call it every few ten milliseconds.
    pub fn poll(&mut self, now: Duration) -> Vec<GiveBack> {
        let mut back = Vec::new();
        // Each key at most once per call: those that are looked at again come later.
        while self.checks.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, key)) = self.checks.pop_front() else {
                break;
            };
            let Some(entry) = self.keys.get_mut(&key) else {
                continue;
            };
            entry.drop_ended(now);
            let idle = now.saturating_sub(entry.demand.last) >= IDLE;
            let soon = now.saturating_add(MARGIN);
            entry.grants.retain(|grant| {
                let over = idle || (grant.early && grant.until <= soon);
                if over {
                    back.push(grant.back(key));
                }
                !over
            });
            entry.checked = !entry.grants.is_empty();
            if entry.checked {
                self.checks.push_back((now.saturating_add(CHECK), key));
            }
        }
        back
    }

    /// All that is held, to be given back: nothing is spent any more.
    pub fn end(&mut self, now: Duration) -> Vec<GiveBack> {
        self.checks.clear();
        let mut back = Vec::new();
        for (key, mut entry) in self.keys.drain() {
            entry.drop_ended(now);
            back.extend(entry.grants.iter().map(|grant| grant.back(key)));
        }
        back
    }

    /// Nothing that is known of this subject holds any more. What is held is not given back: it was
    /// charged to a count that is gone.
    pub fn forget(&mut self, subject: &[u8; 16]) {
        self.keys.retain(|(_, of), _| of != subject);
    }

    /// Keys watched.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether nothing is watched.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    fn make_room(&mut self, now: Duration) {
        // Costs time in proportion to the table: not more often than once a span.
        if self.keys.len() < self.capacity || now < self.next_sweep {
            return;
        }
        self.next_sweep = now.saturating_add(SPAN);
        self.keys.retain(|_, entry| {
            entry.drop_ended(now);
            let idle = now.saturating_sub(entry.demand.last) >= IDLE;
            !idle || entry.asking.is_some() || !entry.grants.is_empty()
        });
    }
}

impl Default for Leases {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;

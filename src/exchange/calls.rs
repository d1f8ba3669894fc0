//! The table of pending calls.

use super::{CallId, Owner};
use crate::order::sorted;
use crate::wire::TraceParent;
use core::cmp::Reverse;
use core::time::Duration;
use hashbrown::HashMap;
use std::collections::{BinaryHeap, VecDeque};

/// Deadlines a queue may hold beyond twice what is pending.
const SWEEP: usize = 64;

/// A call that has not ended.
#[derive(Debug)]
pub(super) struct Pending {
    /// Who is told how it ended.
    pub(super) owner: Owner,
    /// Encoded operations, kept for a retry; empty when there will be none.
    pub(super) ops: Vec<u8>,
    /// Bytes it was counted with, until it ends.
    pub(super) bytes: usize,
    /// How many operations.
    pub(super) count: usize,
    /// When it ends without an answer.
    pub(super) deadline: Duration,
    /// Where it is.
    pub(super) place: Place,
    /// The trace it is part of.
    pub(super) trace: Option<TraceParent>,
    /// Its timeout is not that of all decisions.
    pub(super) patient: bool,
    /// It was sent a second time.
    pub(super) retried: bool,
    /// When it was sent, while a bridge may be at work on it: not while it waits to be sent, nor once the bridge has said
    /// that it holds it.
    pub(super) out: Option<Duration>,
    /// A bridge may hold its answer until another request has filled what it looks for.
    pub(super) waits: bool,
}

impl Pending {
    /// Whether its end says how the bridges are: background work waits for longer, and breaks nothing.
    pub(super) fn is_evidence(&self) -> bool {
        !matches!(self.owner, Owner::Background(_))
    }
}

/// Which carrier a call travels by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A stream, in one generation of its link.
    Link {
        /// Which link.
        link: usize,
        /// The link's generation.
        generation: u64,
    },
    /// A unary call.
    Unary,
    /// Not sent yet: a stream is being opened, or as many calls are out as may be.
    Waiting,
}

/// A part of what is pending.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Share {
    /// Calls.
    pub(super) calls: usize,
    /// Bytes of their operations.
    pub(super) bytes: usize,
}

impl Share {
    fn add(&mut self, bytes: usize) {
        self.calls = self.calls.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn remove(&mut self, bytes: usize) {
        self.calls = self.calls.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// Pending calls by id, and their deadlines in order.
#[derive(Debug, Default)]
pub(super) struct Calls {
    table: HashMap<u64, Pending>,
    /// Ordered, because almost all decisions have the same timeout.
    deadlines: VecDeque<(Duration, u64)>,
    /// Those of calls with another one: background work, and what a bridge may hold back.
    slow: BinaryHeap<Reverse<(Duration, u64)>>,
    bytes: usize,
    background: Share,
    waiters: Share,
    /// Decisions that are out.
    out: usize,
    next: u64,
}

impl Calls {
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What of it is background work.
    pub(super) fn background(&self) -> Share {
        self.background
    }

    /// What of it may be held until another request has filled what it looks for.
    pub(super) fn waiters(&self) -> Share {
        self.waiters
    }

    pub(super) fn insert(&mut self, pending: Pending) -> CallId {
        self.next = self.next.wrapping_add(1);
        let id = self.next;
        if let Owner::Background(_) = pending.owner {
            self.background.add(pending.bytes);
        }
        if pending.waits {
            self.waiters.add(pending.bytes);
        }
        // Calls that ended leave their deadline behind. Swept when they are the larger part, so a
        // queue is bounded by what is pending (X4) and sweeping costs each call a constant.
        let most = self.table.len().saturating_mul(2).saturating_add(SWEEP);
        if pending.patient {
            if self.slow.len() > most {
                self.slow.retain(|Reverse((at, id))| {
                    self.table.get(id).is_some_and(|p| p.deadline == *at)
                });
            }
            self.slow.push(Reverse((pending.deadline, id)));
        } else {
            if self.deadlines.len() > most {
                self.deadlines
                    .retain(|(at, id)| self.table.get(id).is_some_and(|p| p.deadline == *at));
            }
            self.deadlines.push_back((pending.deadline, id));
        }
        self.bytes = self.bytes.saturating_add(pending.bytes);
        self.table.insert(id, pending);
        CallId(id)
    }

    /// Decisions that bridges may be at work on.
    pub(super) fn out(&self) -> usize {
        self.out
    }

    /// It goes to its place now: a decision is out from then on, unless it waits there.
    pub(super) fn goes(&mut self, id: CallId, now: Duration) -> Option<&Pending> {
        let pending = self.table.get_mut(&id.0)?;
        let was = usize::from(pending.out.is_some());
        let goes_out = pending.is_evidence() && pending.place != Place::Waiting;
        pending.out = goes_out.then_some(now);
        self.out = self.out.saturating_sub(was).saturating_add(goes_out.into());
        Some(pending)
    }

    /// No bridge is at work on it.
    pub(super) fn rests(&mut self, id: CallId) {
        let out = self.table.get_mut(&id.0).and_then(|p| p.out.take());
        self.out = self.out.saturating_sub(usize::from(out.is_some()));
    }

    pub(super) fn get(&self, id: CallId) -> Option<&Pending> {
        self.table.get(&id.0)
    }

    pub(super) fn get_mut(&mut self, id: CallId) -> Option<&mut Pending> {
        self.table.get_mut(&id.0)
    }

    pub(super) fn remove(&mut self, id: CallId) -> Option<Pending> {
        let pending = self.table.remove(&id.0)?;
        self.bytes = self.bytes.saturating_sub(pending.bytes);
        if let Owner::Background(_) = pending.owner {
            self.background.remove(pending.bytes);
        }
        if pending.waits {
            self.waiters.remove(pending.bytes);
        }
        if pending.out.is_some() {
            self.out = self.out.saturating_sub(1);
        }
        Some(pending)
    }

    /// The call may take until then, if that is later than it might already.
    pub(super) fn extend(&mut self, id: CallId, deadline: Duration) {
        if let Some(pending) = self.table.get_mut(&id.0)
            && pending.deadline < deadline
        {
            pending.deadline = deadline;
            pending.patient = true;
            self.slow.push(Reverse((deadline, id.0)));
        }
    }

    /// The calls on one generation of a link, in the order they were made.
    pub(super) fn on_link(&self, link: usize, generation: u64) -> Vec<CallId> {
        self.at(Place::Link { link, generation })
    }

    /// The calls at a place, in the order they were made.
    pub(super) fn at(&self, place: Place) -> Vec<CallId> {
        let ids = self
            .table
            .iter()
            .filter(|(_, p)| p.place == place)
            .map(|(id, _)| CallId(*id));
        sorted(ids.collect())
    }

    /// Removes and returns a call whose deadline has passed.
    pub(super) fn pop_expired(&mut self, now: Duration) -> Option<(CallId, Pending)> {
        let id = self.due(now).or_else(|| self.due_slow(now))?;
        Some((id, self.remove(id)?))
    }

    /// Whether that is still its deadline: one that was extended has an earlier one in a queue too.
    fn is_due_at(&self, id: u64, deadline: Duration) -> bool {
        self.table
            .get(&id)
            .is_some_and(|pending| pending.deadline == deadline)
    }

    fn due(&mut self, now: Duration) -> Option<CallId> {
        while let Some(&(deadline, id)) = self.deadlines.front() {
            let live = self.is_due_at(id, deadline);
            if live && deadline > now {
                return None;
            }
            self.deadlines.pop_front();
            if live {
                return Some(CallId(id));
            }
        }
        None
    }

    /// Panics unless the books agree with each other.
    #[cfg(test)]
    pub(super) fn assert_consistent(&self) {
        let out = self.table.values().filter(|p| p.out.is_some()).count();
        assert_eq!(self.out, out, "calls that are out");
    }

    fn due_slow(&mut self, now: Duration) -> Option<CallId> {
        while let Some(&Reverse((deadline, id))) = self.slow.peek() {
            let live = self.is_due_at(id, deadline);
            if live && deadline > now {
                return None;
            }
            self.slow.pop();
            if live {
                return Some(CallId(id));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;

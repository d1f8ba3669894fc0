//! The table of pending calls.

use super::{CallId, Owner};
use core::time::Duration;
use hashbrown::HashMap;
use std::collections::VecDeque;

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
    /// It was sent a second time.
    pub(super) retried: bool,
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
}

/// Pending calls by id, and their deadlines in order.
#[derive(Debug, Default)]
pub(super) struct Calls {
    table: HashMap<u64, Pending>,
    /// Ordered, because decisions all have the same timeout; background calls, which have a longer
    /// one, live in `slow`.
    deadlines: VecDeque<(Duration, u64)>,
    slow: VecDeque<(Duration, u64)>,
    bytes: usize,
    next: u64,
}

impl Calls {
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn insert(&mut self, pending: Pending) -> CallId {
        self.next = self.next.wrapping_add(1);
        let id = self.next;
        let queue = match pending.owner {
            Owner::Background(_) => &mut self.slow,
            Owner::Context(_) => &mut self.deadlines,
        };
        queue.push_back((pending.deadline, id));
        self.bytes = self.bytes.saturating_add(pending.bytes);
        self.table.insert(id, pending);
        CallId(id)
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
        Some(pending)
    }

    /// The calls on one generation of a link, in the order they were made.
    pub(super) fn on_link(&self, link: usize, generation: u64) -> Vec<CallId> {
        let place = Place::Link { link, generation };
        let mut ids: Vec<_> = self
            .table
            .iter()
            .filter(|(_, p)| p.place == place)
            .map(|(id, _)| CallId(*id))
            .collect();
        ids.sort_unstable();
        ids
    }

    /// Removes and returns a call whose deadline has passed.
    pub(super) fn pop_expired(&mut self, now: Duration) -> Option<(CallId, Pending)> {
        for queue in [&mut self.deadlines, &mut self.slow] {
            while let Some(&(deadline, id)) = queue.front() {
                // Calls that ended leave their deadline behind; it is dropped when its turn comes.
                let live = self.table.contains_key(&id);
                if live && deadline > now {
                    break;
                }
                queue.pop_front();
                if let Some(pending) = self.table.remove(&id) {
                    self.bytes = self.bytes.saturating_sub(pending.bytes);
                    return Some((CallId(id), pending));
                }
            }
        }
        None
    }
}

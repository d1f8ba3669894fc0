//! Outcomes that are held until a paced request's turn: a timer is cheap here and awkward in a proxy.
//! What is held belongs to an exchange that is still open, so its bounds count it; nothing else waits.

use super::due::Due;
use super::exchanges::Outcome;
use std::collections::BTreeMap;
use std::time::Duration;

/// Held outcomes, by task.
#[derive(Debug, Default)]
pub(super) struct Holds {
    due: Due<u64>,
    held: BTreeMap<u64, (Duration, Outcome)>,
}

impl Holds {
    /// Holds a task's outcome until then.
    pub(super) fn hold(&mut self, task: u64, until: Duration, outcome: Outcome) {
        self.due.insert(until, task);
        self.held.insert(task, (until, outcome));
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Duration> {
        self.due.next()
    }

    /// How many are held.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// A task whose outcome is held no longer than `now`.
    pub(super) fn pop(&mut self, now: Duration) -> Option<(u64, Outcome)> {
        let task = self.due.pop(now)?;
        Some((task, self.forget(task)?))
    }

    /// Nobody waits for this task's outcome any more.
    pub(super) fn forget(&mut self, task: u64) -> Option<Outcome> {
        let (until, outcome) = self.held.remove(&task)?;
        self.due.remove(until, task);
        Some(outcome)
    }
}

//! Look-ups that are held while somebody fills what they look for.
//!
//! Those that can be answered alike are a group. One of them looks again for all, whenever there may be news:
//! a store or its refusal passed through this bridge, another bridge said so, the filler's turn is over, or
//! [`LOOK_AGAIN`] has passed, because such a word can be lost. What it finds is everybody's; only the turn to
//! fill goes to one of them.

use super::plan::Fill;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Held look-ups look again this often.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// All groups.
#[derive(Debug, Default)]
pub(super) struct Fills {
    groups: BTreeMap<u64, Group>,
    by_fill: BTreeMap<Fill, u64>,
    /// Held tasks: their group, and until when.
    held: BTreeMap<u64, (u64, Duration)>,
    /// The tasks that look again, and for which group.
    looking: BTreeMap<u64, u64>,
    due: BTreeSet<(Duration, Due)>,
    next: u64,
}

#[derive(Debug)]
struct Group {
    fill: Fill,
    /// Held tasks, the one that waits longest first.
    tasks: VecDeque<u64>,
    looking: bool,
    /// There was news while one was looking.
    again: bool,
    /// When one looks again, unless one does.
    at: Duration,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// This group looks again.
    Look(u64),
    /// This task was held long enough.
    Over(u64),
}

impl Fills {
    /// Holds a task.
    pub(super) fn join(
        &mut self,
        task: u64,
        fill: &Fill,
        until: Duration,
        now: Duration,
        left: Duration,
    ) {
        let id = match self.by_fill.get(fill) {
            Some(id) => *id,
            None => {
                let id = self.next;
                self.next += 1;
                self.by_fill.insert(fill.clone(), id);
                let group = Group {
                    fill: fill.clone(),
                    tasks: VecDeque::new(),
                    looking: false,
                    again: false,
                    at: Duration::MAX,
                };
                self.groups.insert(id, group);
                id
            }
        };
        if let Some(group) = self.groups.get_mut(&id) {
            group.tasks.push_back(task);
        }
        self.held.insert(task, (id, until));
        self.due.insert((until, Due::Over(task)));
        self.look_at(id, now + left.min(LOOK_AGAIN), false);
    }

    /// How many are held.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether the task is held.
    pub(super) fn holds(&self, task: u64) -> bool {
        self.held.contains_key(&task)
    }

    /// There is news about what is stored under this key.
    pub(super) fn wake(&mut self, key: &[u8]) {
        let from = Fill::first_of(key);
        let of_key = self
            .by_fill
            .range(from..)
            .take_while(|(fill, _)| fill.key == key);
        let ids: Vec<u64> = of_key.map(|(_, id)| *id).collect();
        for id in ids {
            if let Some(group) = self.groups.get_mut(&id) {
                group.again = group.looking;
            }
            self.look_at(id, Duration::ZERO, true);
        }
    }

    /// When something is due.
    pub(super) fn next(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Something that is due: a task that looks again for its group, or one that was held long enough and
    /// is so no longer.
    pub(super) fn pop(&mut self, now: Duration) -> Option<Due> {
        loop {
            let (_, due) = *self.due.first().filter(|(at, _)| *at <= now)?;
            self.due.pop_first();
            match due {
                Due::Over(task) => {
                    self.leave(task);
                    return Some(due);
                }
                Due::Look(id) => {
                    let Some(group) = self.groups.get_mut(&id) else {
                        continue;
                    };
                    group.at = Duration::MAX;
                    let Some(task) = group.tasks.front().copied() else {
                        continue;
                    };
                    group.looking = true;
                    group.again = false;
                    self.looking.insert(task, id);
                    return Some(Due::Look(task));
                }
            }
        }
    }

    /// The task looked again, and somebody else still fills it, for so long. False: it is none that looks
    /// again.
    pub(super) fn found_held(&mut self, task: u64, now: Duration, left: Duration) -> bool {
        let Some(id) = self.looked(task) else {
            return false;
        };
        let again = self.groups.get(&id).is_some_and(|group| group.again);
        let at = if again {
            Duration::ZERO
        } else {
            now + left.min(LOOK_AGAIN)
        };
        self.look_at(id, at, true);
        self.collect(id);
        true
    }

    /// The task looked again and found something: all that are held with it are so no longer.
    pub(super) fn found(&mut self, task: u64) -> Vec<u64> {
        let Some(id) = self.looked(task) else {
            return Vec::new();
        };
        let tasks: Vec<u64> = self
            .groups
            .get(&id)
            .map(|g| g.tasks.iter().copied().collect())
            .unwrap_or_default();
        for task in &tasks {
            self.leave(*task);
        }
        self.collect(id);
        tasks
    }

    /// The task looked again and was told to fill it. Who does: it, or when it is held no longer, the one
    /// that waits longest; nobody when none is left. That one is held no longer.
    pub(super) fn found_turn(&mut self, task: u64, now: Duration) -> Option<u64> {
        let id = self.looked(task)?;
        let heir = match self.holds(task) {
            true => Some(task),
            false => self
                .groups
                .get(&id)
                .and_then(|group| group.tasks.front().copied()),
        };
        if let Some(heir) = heir {
            self.leave(heir);
        }
        self.look_at(id, now + LOOK_AGAIN, true);
        self.collect(id);
        heir
    }

    /// Whether the task looks again for its group.
    pub(super) fn looks(&self, task: u64) -> bool {
        self.looking.contains_key(&task)
    }

    /// The task is held no longer. Whether it was.
    pub(super) fn leave(&mut self, task: u64) -> bool {
        let Some((id, until)) = self.held.remove(&task) else {
            return false;
        };
        self.due.remove(&(until, Due::Over(task)));
        if let Some(group) = self.groups.get_mut(&id) {
            group.tasks.retain(|held| *held != task);
        }
        self.collect(id);
        true
    }

    /// The task is over. If it was looking for its group, another one does.
    pub(super) fn gone(&mut self, task: u64) {
        if let Some(id) = self.looked(task) {
            self.look_at(id, Duration::ZERO, true);
        }
        self.leave(task);
    }

    fn looked(&mut self, task: u64) -> Option<u64> {
        let id = self.looking.remove(&task)?;
        if let Some(group) = self.groups.get_mut(&id) {
            group.looking = false;
        }
        Some(id)
    }

    /// A group looks again then; `earlier`: not before, whatever was said.
    fn look_at(&mut self, id: u64, at: Duration, replace: bool) {
        let Some(group) = self.groups.get_mut(&id).filter(|group| !group.looking) else {
            return;
        };
        if at < group.at || replace {
            self.due.remove(&(group.at, Due::Look(id)));
            group.at = at;
            self.due.insert((at, Due::Look(id)));
        }
    }

    fn collect(&mut self, id: u64) {
        let over = |group: &&Group| group.tasks.is_empty() && !group.looking;
        if self.groups.get(&id).filter(over).is_some()
            && let Some(group) = self.groups.remove(&id)
        {
            self.due.remove(&(group.at, Due::Look(id)));
            self.by_fill.remove(&group.fill);
        }
    }
}

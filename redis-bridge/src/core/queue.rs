//! What waits for a batch of one lane, and who is next.
//!
//! First come, first served, while nobody waits for long. When they do, each that is served in its turn has waited as
//! long as it could, and is answered too late; so the newest are served, and the oldest end at their deadline
//! (adaptive LIFO, as in Maurer, "Fail at Scale", ACM Queue 2015).

use super::types::Command;
use crate::guard::{self, Guard};
use std::collections::VecDeque;
use std::time::Duration;

/// When somebody waits for that long Redis does not keep up. It is less than what commands may wait in front of Redis
/// itself: both together must fit a deadline.
const LONG: Duration = Duration::from_millis(10);

/// Commands that wait, each with what it is for.
#[derive(Debug)]
pub(super) struct Queue<T> {
    /// Those that must run, whoever waits: what undoes, and what ends sessions. Each was somebody's who was served, so
    /// they are not many.
    must: VecDeque<(T, Command)>,
    /// The others, and since when.
    waiting: VecDeque<(Duration, (T, Command))>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            must: VecDeque::new(),
            waiting: VecDeque::new(),
        }
    }
}

impl<T> Queue<T> {
    /// One more.
    pub(super) fn push(&mut self, with: T, command: Command, must: bool, now: Duration) {
        match must {
            true => self.must.push_back((with, command)),
            false => self.waiting.push_back((now, (with, command))),
        }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.must.len() + self.waiting.len()
    }

    /// At most `room` of them that `live` says are waited for; it is asked of each that is taken out, and those
    /// that are not live are dropped.
    pub(super) fn take(
        &mut self,
        room: usize,
        now: Duration,
        mut live: impl FnMut(&T) -> bool,
    ) -> Vec<(T, Command)> {
        let mut taken = Vec::new();
        while taken.len() < room
            && let Some(next) = self.must.pop_front()
        {
            if live(&next.0) {
                taken.push(next);
            }
        }
        // Deadlines are nearly in order, so the dead are in front; they must not be held for as long as newer ones
        // come.
        while let Some((since, next)) = self.waiting.pop_front() {
            if live(&next.0) {
                self.waiting.push_front((since, next));
                break;
            }
        }
        let oldest = self.waiting.front().map(|(since, _)| *since);
        let long = oldest.is_some_and(|since| now.saturating_sub(since) >= LONG);
        let newest = long && self.waiting.len() > room - taken.len() && guard::on(Guard::Window);
        let begun = taken.len();
        while taken.len() < room {
            let next = match newest {
                true => self.waiting.pop_back(),
                false => self.waiting.pop_front(),
            };
            let Some((_, next)) = next else {
                break;
            };
            if live(&next.0) {
                taken.push(next);
            }
        }
        if newest && let Some(newest) = taken.get_mut(begun..) {
            newest.reverse();
        }
        taken
    }
}

#[cfg(test)]
mod tests;

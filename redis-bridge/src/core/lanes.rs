//! Lanes: where commands wait for a batch, one for each shard of a Redis.
//!
//! A batch is answered when its slowest command is, and only so many batches are out at a time. With one
//! queue for a whole Cluster a shard without a primary held up the commands of all others: in the two to
//! four seconds of a failover seven requests of ten failed where three had to.

use super::queue::Queue;
use super::types::Command;
use super::window::Window;
use crate::guard::{self, Guard};
use std::collections::BTreeMap;
use std::time::Duration;

/// Slots of a Cluster (its specification, "Key distribution model").
const SLOTS: u16 = 16_384;

/// Which shard has which slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shards {
    /// First slots of ranges, ascending, and the lane of each.
    ranges: Vec<(u16, usize)>,
    lanes: usize,
}

impl Shards {
    /// One shard has everything.
    pub fn one() -> Self {
        Self {
            ranges: Vec::new(),
            lanes: 1,
        }
    }

    /// From ranges of slots, the first of each and the name of who has it. Lanes go by the order of their
    /// lowest slots, so that a failover, which gives a shard another primary, moves nobody.
    pub fn of<N: Ord>(ranges: impl IntoIterator<Item = (u16, N)>) -> Self {
        let mut ranges: Vec<(u16, N)> = ranges.into_iter().collect();
        ranges.sort();
        let mut lanes = BTreeMap::new();
        let ranges = ranges
            .into_iter()
            .map(|(first, name)| {
                let next = lanes.len();
                (first, *lanes.entry(name).or_insert(next))
            })
            .collect();
        Self {
            ranges,
            lanes: lanes.len().max(1),
        }
    }

    /// The lane of a command: all its keys are in one slot.
    fn lane(&self, command: &Command) -> usize {
        let Some(key) = command.keys.first().filter(|_| self.lanes > 1) else {
            return 0;
        };
        let slot = slot(key);
        let after = self.ranges.partition_point(|(first, _)| *first <= slot);
        let range = after.checked_sub(1).and_then(|at| self.ranges.get(at));
        range.map_or(0, |(_, lane)| *lane)
    }
}

/// The slot of a key: of its hash tag when it has one.
pub fn slot(key: &[u8]) -> u16 {
    let tag = key
        .iter()
        .position(|byte| *byte == b'{')
        .and_then(|open| {
            let rest = key.get(open + 1..)?;
            let close = rest.iter().position(|byte| *byte == b'}')?;
            rest.get(..close).filter(|tag| !tag.is_empty())
        })
        .unwrap_or(key);
    crc16::State::<crc16::XMODEM>::calculate(tag) % SLOTS
}

/// The lanes of one role; `T` goes with each command.
#[derive(Debug)]
pub(super) struct Lanes<T> {
    shards: Shards,
    lanes: Vec<Lane<T>>,
    /// The lane that is looked at first, so that none waits for the others.
    turn: usize,
}

#[derive(Debug)]
struct Lane<T> {
    queue: Queue<T>,
    window: Window,
}

/// So many times the batches that may be out are, with those that were overtaken: they cost memory alone.
const OVERTAKEN: usize = 16;

/// What a lane may hand out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Commands of one batch.
    pub(super) commands: usize,
    /// Batches that are out and not overtaken. With those that are, [`OVERTAKEN`] times as many.
    pub(super) batches: usize,
    /// As many commands are out as Redis takes without queueing.
    pub(super) windowed: bool,
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self {
            shards: Shards::one(),
            lanes: vec![Lane::default()],
            turn: 0,
        }
    }
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Self {
            queue: Queue::default(),
            window: Window::default(),
        }
    }
}

impl<T> Lane<T> {
    /// Whether no other batch may be out. One that a newer one has overtaken is with a connection that is late, for
    /// seconds: it keeps nobody from asking on another one.
    fn is_full(&self, bounds: Bounds) -> bool {
        let all = bounds.batches.saturating_mul(OVERTAKEN);
        self.window.ahead() >= bounds.batches || self.window.batches() >= all
    }
}

impl<T> Lanes<T> {
    /// From now on commands go by these. What waits stays where it is: a lane decides who waits for whom,
    /// not where a command goes.
    pub(super) fn follow(&mut self, shards: Shards) {
        let lanes = shards.lanes.max(self.lanes.len());
        self.lanes.resize_with(lanes, Lane::default);
        self.shards = shards;
    }

    /// Queues a command; `must`: it runs even if nobody waits for it.
    pub(super) fn push(&mut self, with: T, command: Command, must: bool, now: Duration) {
        let lane = self.shards.lane(&command);
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.queue.push(with, command, must, now);
        }
    }

    /// A batch of the next lane that has commands somebody waits for, and may have them out. `live` says who
    /// is waited for; it is asked once of each that is dropped.
    pub(super) fn next(
        &mut self,
        bounds: Bounds,
        now: Duration,
        mut live: impl FnMut(&T) -> bool,
    ) -> Option<(usize, Vec<(T, Command)>)> {
        let count = self.lanes.len();
        for step in 0..count {
            let at = (self.turn + step) % count;
            let Some(lane) = self.lanes.get_mut(at) else {
                continue;
            };
            if lane.queue.len() == 0 {
                continue;
            }
            // Asked first: it notices a stall, also one in which no batch may be sent anyway.
            let room = match bounds.windowed && guard::on(Guard::Window) {
                true => lane.window.room(now).min(bounds.commands),
                false => bounds.commands,
            };
            if room == 0 || lane.is_full(bounds) {
                continue;
            }
            let batch = lane.queue.take(room, now, &mut live);
            if !batch.is_empty() {
                lane.window.sent(batch.len(), now);
                self.turn = (at + 1) % count;
                return Some((at, batch));
            }
        }
        None
    }

    /// The batch of so many commands that this lane handed out then is back, with answers or without.
    pub(super) fn back(
        &mut self,
        lane: usize,
        since: Duration,
        commands: usize,
        answered: bool,
        now: Duration,
    ) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.window.back(since, commands, answered, now);
        }
    }

    /// Commands that wait.
    pub(super) fn waiting(&self) -> usize {
        self.lanes.iter().map(|lane| lane.queue.len()).sum()
    }

    /// How often commands had queued in front of Redis.
    pub(super) fn cuts(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.window.cuts()).sum()
    }

    /// Batches that are out.
    pub(super) fn in_flight(&self) -> usize {
        self.lanes.iter().map(|lane| lane.window.batches()).sum()
    }
}

#[cfg(test)]
mod tests;

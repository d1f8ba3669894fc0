//! Lanes: where commands wait for a batch, one for each shard of a Redis.
//!
//! A batch is answered when its slowest command is, and only so many batches are out at a time. With one
//! queue for a whole Cluster a shard without a primary held up the commands of all others: in the two to
//! four seconds of a failover seven requests of ten failed where three had to.

use super::types::Command;
use std::collections::{BTreeMap, VecDeque};

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
    waiting: VecDeque<(T, Command)>,
    in_flight: usize,
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
            waiting: VecDeque::new(),
            in_flight: 0,
        }
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

    /// Queues a command.
    pub(super) fn push(&mut self, with: T, command: Command) {
        let lane = self.shards.lane(&command);
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.waiting.push_back((with, command));
        }
    }

    /// Hands `take` the next lane that has commands and fewer than `in_flight` batches out, one after the
    /// other until it makes something of one; that lane has one batch more out then.
    pub(super) fn next<B>(
        &mut self,
        in_flight: usize,
        mut take: impl FnMut(&mut VecDeque<(T, Command)>) -> Option<B>,
    ) -> Option<(usize, B)> {
        let count = self.lanes.len();
        for step in 0..count {
            let at = (self.turn + step) % count;
            let Some(lane) = self.lanes.get_mut(at) else {
                continue;
            };
            if lane.waiting.is_empty() || lane.in_flight >= in_flight {
                continue;
            }
            if let Some(batch) = take(&mut lane.waiting) {
                lane.in_flight += 1;
                self.turn = (at + 1) % count;
                return Some((at, batch));
            }
        }
        None
    }

    /// A batch of that lane is back.
    pub(super) fn back(&mut self, lane: usize) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.in_flight -= 1;
        }
    }

    /// Commands that wait.
    pub(super) fn waiting(&self) -> usize {
        self.lanes.iter().map(|lane| lane.waiting.len()).sum()
    }

    /// Batches that are out.
    pub(super) fn in_flight(&self) -> usize {
        self.lanes.iter().map(|lane| lane.in_flight).sum()
    }
}

#[cfg(test)]
mod tests;

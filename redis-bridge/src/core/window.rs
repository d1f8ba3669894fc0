//! Window: how many commands one shard of a Redis is given at a time.
//!
//! What was sent cannot be taken back. With no bound but the number of batches, 0.3 s of silence put more
//! commands before Redis than it does in a deadline: each was answered too late, its caller tried again, and so
//! it stayed (a metastable failure). What waits here instead is dropped when nobody waits for it any more.
//!
//! The bound is found as TCP finds its own: a round trip that queued halves it, a good one adds what it
//! carried, which doubles it while it is used. What queued is told from what is far away by the lowest round
//! trip of the last seconds (as in Vegas and BBR).

use std::collections::VecDeque;
use std::time::Duration;

/// So much over the lowest round trip, and commands waited for each other in front of Redis: half of the
/// deadline that an exchange has by default, and many times what a busy Redis takes for a batch.
const QUEUED: Duration = Duration::from_millis(25);
/// Commands that may be out whatever happens, so that somebody finds out how it is. So few do not queue.
const LEAST: usize = 4;
/// How long the lowest round trip is held to be what Redis takes alone; up to twice that.
const MEMORY: Duration = Duration::from_secs(10);

/// The commands of one lane that are out.
#[derive(Debug)]
pub(super) struct Window {
    /// Commands that may be out.
    most: usize,
    /// Batches that are out, the oldest first.
    out: VecDeque<Out>,
    /// When it was halved last. Batches that were out then do not say anything new.
    halved: Option<Duration>,
    /// When the newest batch was sent that has been answered. Redis has seen what was sent before, more or less, so
    /// what is still out of that is with a connection that is late, and in front of nobody.
    answered: Duration,
    /// The lowest round trips of this span of [`MEMORY`] and of the one before.
    lowest: [Option<Duration>; 2],
    /// When this span ends.
    turn: Duration,
    /// How often it was halved.
    halvings: u64,
}

/// A batch that is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Out {
    since: Duration,
    commands: usize,
    /// No more than [`LEAST`] were out with it.
    alone: bool,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            most: usize::MAX,
            out: VecDeque::new(),
            halved: None,
            answered: Duration::ZERO,
            lowest: [None, None],
            turn: Duration::ZERO,
            halvings: 0,
        }
    }
}

impl Window {
    /// Commands that may be sent now. At least one when nothing is out.
    pub(super) fn room(&mut self, now: Duration) -> usize {
        let used = self.commands();
        // A stall is noticed before the first answer after it.
        let oldest = self.in_front().next().copied();
        if let Some(oldest) = oldest
            && self.most > LEAST
            && self.is_news(oldest.since)
            && self.has_queued(oldest.since, now)
        {
            self.halve(used, now);
        }
        self.most.saturating_sub(used)
    }

    /// Batches that are out.
    pub(super) fn batches(&self) -> usize {
        self.out.len()
    }

    /// How often commands had queued.
    pub(super) fn halvings(&self) -> u64 {
        self.halvings
    }

    /// A batch of so many commands is sent.
    pub(super) fn sent(&mut self, commands: usize, now: Duration) {
        let alone = self.commands() + commands <= LEAST;
        self.out.push_back(Out {
            since: now,
            commands,
            alone,
        });
    }

    /// The batch of so many commands that was sent then is back, with answers or without.
    pub(super) fn back(&mut self, since: Duration, commands: usize, answered: bool, now: Duration) {
        let used = self.commands();
        let same = |out: &Out| (out.since, out.commands) == (since, commands);
        let at = self.out.iter().position(same);
        let Some(out) = at.and_then(|at| self.out.remove(at)) else {
            return;
        };
        if since < self.answered || !self.is_news(since) {
            return;
        }
        if answered {
            self.answered = since;
        }
        let queued = self.has_queued(since, now);
        if queued && !(answered && out.alone) {
            return self.halve(used, now);
        }
        // What failed says nothing of how long an answer takes.
        if !answered {
            return;
        }
        self.learn(now.saturating_sub(since), queued, now);
        // What is not used is not known to be good.
        if used >= self.most / 2 {
            self.most = self.most.saturating_add(commands);
        }
    }

    fn is_news(&self, since: Duration) -> bool {
        self.halved.is_none_or(|halved| since >= halved)
    }

    /// Whether what was sent then, and is answered now or not yet, waited for others.
    fn has_queued(&self, since: Duration, now: Duration) -> bool {
        let lowest = self.lowest.into_iter().flatten().min();
        lowest.is_some_and(|lowest| now.saturating_sub(since) > lowest + QUEUED)
    }

    fn halve(&mut self, used: usize, now: Duration) {
        self.most = (self.most.min(used) / 2).max(LEAST);
        self.halved = Some(now);
        self.halvings += 1;
    }

    /// A round trip took that long; `anew`: whatever was before, as after a failover to a primary that is
    /// farther away.
    fn learn(&mut self, took: Duration, anew: bool, now: Duration) {
        let [this, before] = self.lowest;
        self.lowest = match (anew, now >= self.turn) {
            (true, _) => [Some(took), None],
            (false, true) => [Some(took), this],
            (false, false) => [Some(this.map_or(took, |this| this.min(took))), before],
        };
        if anew || now >= self.turn {
            self.turn = now + MEMORY;
        }
    }

    /// Commands that Redis may not have seen yet.
    fn commands(&self) -> usize {
        self.in_front().map(|out| out.commands).sum()
    }

    fn in_front(&self) -> impl Iterator<Item = &Out> {
        (self.out.iter()).filter(|out| out.since >= self.answered)
    }
}

#[cfg(test)]
mod tests;

//! Window: how many commands one shard of a Redis is given at a time.
//!
//! What was sent cannot be taken back. With no bound but the number of batches, 0.3 s of silence put more
//! commands before Redis than it does in a deadline: each was answered too late, its caller tried again, and so
//! it stayed (a metastable failure). What waits here instead is dropped when nobody waits for it any more.
//!
//! The bound is found as BBR finds its own. A round trip that queued cuts it to what Redis has lately done in the time
//! that it may take (Little's law: what is out is the rate times the time), a good one adds what it carried, which
//! doubles it while it is used. What queued is told from what is far away by the lowest round trip of the last
//! seconds. Not halved, as TCP does it: a Redis that is merely slower to answer for a moment, because packets are or
//! this process is, would be given less than it is asked for, and it has no queue that this would shorten.

use std::collections::VecDeque;
use std::time::Duration;

/// So much over the lowest round trip, and commands waited for each other in front of Redis: half of the deadline that
/// an exchange has by default, and many times what a busy Redis takes for a batch.
const QUEUED: Duration = Duration::from_millis(50);
/// How much of that what is out may take, cut; and with more it is opened no further: what doubles takes twice that.
const FITS: Duration = Duration::from_millis(25);
/// Commands that may be out whatever happens, so that somebody finds out how it is. So few do not queue.
const LEAST: usize = 8;
/// How long the lowest round trip is held to be what Redis takes alone; up to twice that.
const MEMORY: Duration = Duration::from_secs(10);
/// What Redis does is counted for so long; the larger count of this time and the one before is what it can do.
const COUNTED: Duration = Duration::from_millis(250);

/// The commands of one lane that are out.
#[derive(Debug)]
pub(super) struct Window {
    /// Commands that may be out.
    most: usize,
    /// Batches that are out, the oldest first.
    out: VecDeque<Out>,
    /// When it was cut last. Batches that were out then do not say anything new.
    cut: Option<Duration>,
    /// When the newest batch was sent that has been answered. Redis has seen what was sent before, more or less, so
    /// what is still out of that is with a connection that is late, and in front of nobody.
    answered: Duration,
    /// The lowest round trips of this span of [`MEMORY`] and of the one before.
    lowest: [Option<Duration>; 2],
    /// When this span ends.
    turn: Duration,
    /// Commands that were answered in this span of [`COUNTED`] and in the one before.
    done: [usize; 2],
    /// When this span of that began.
    counting: Duration,
    /// How often it was cut.
    cuts: u64,
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
            cut: None,
            answered: Duration::ZERO,
            lowest: [None, None],
            turn: Duration::ZERO,
            done: [0, 0],
            counting: Duration::ZERO,
            cuts: 0,
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
            && self.took_over(QUEUED, oldest.since, now)
        {
            self.reduce(now);
        }
        self.most.saturating_sub(used)
    }

    /// Batches that are out, whoever they are with.
    pub(super) fn batches(&self) -> usize {
        self.out.len()
    }

    /// Those of them that Redis may not have seen yet.
    pub(super) fn ahead(&self) -> usize {
        self.in_front().count()
    }

    /// How often commands had queued.
    pub(super) fn cuts(&self) -> u64 {
        self.cuts
    }

    /// A batch of so many commands is sent.
    pub(super) fn sent(&mut self, commands: usize, now: Duration) {
        // Of all that are out: what is late with its connection may be in front of Redis after all.
        let others: usize = self.out.iter().map(|out| out.commands).sum();
        let alone = others + commands <= LEAST;
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
        if answered {
            self.count(commands, now);
        }
        if since < self.answered || !self.is_news(since) {
            return;
        }
        if answered {
            self.answered = since;
        }
        let queued = self.took_over(QUEUED, since, now);
        if queued && !(answered && out.alone) {
            return self.reduce(now);
        }
        // What failed says nothing of how long an answer takes.
        if !answered {
            return;
        }
        self.learn(now.saturating_sub(since), queued, now);
        // What is not used is not known to be good.
        if used >= self.most / 2 && !self.took_over(FITS, since, now) {
            self.most = self.most.saturating_add(commands);
        }
    }

    fn is_news(&self, since: Duration) -> bool {
        self.cut.is_none_or(|cut| since >= cut)
    }

    /// Whether what was sent then, and is answered now or not yet, waited for others for longer than that.
    fn took_over(&self, more: Duration, since: Duration, now: Duration) -> bool {
        let alone = self.alone();
        alone.is_some_and(|alone| now.saturating_sub(since) > alone + more)
    }

    /// What Redis takes when nothing waits for anything else.
    fn alone(&self) -> Option<Duration> {
        self.lowest.into_iter().flatten().min()
    }

    /// To what Redis does in the time that it may take.
    fn reduce(&mut self, now: Duration) {
        self.count(0, now);
        let done = self.done.into_iter().max().unwrap_or(0);
        let time = self.alone().unwrap_or_default() + FITS;
        let fits = done as f64 * time.div_duration_f64(COUNTED);
        // A float becomes an integer by cutting what is too much.
        self.most = self.most.min((fits as usize).max(LEAST));
        self.cut = Some(now);
        self.cuts += 1;
    }

    /// So many commands were answered.
    fn count(&mut self, commands: usize, now: Duration) {
        let spans = now.saturating_sub(self.counting).div_duration_f64(COUNTED);
        if spans >= 1.0 {
            let before = if spans < 2.0 { self.done[0] } else { 0 };
            self.done = [0, before];
            self.counting = now;
        }
        self.done[0] += commands;
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

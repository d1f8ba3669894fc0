//! The streams of workers that keep objects in memory: what each has asked, until when it may use what it has,
//! and which invalidations it has not acknowledged.

use super::super::due::Due;
use super::message::Drop;
use crate::core::types::ConnId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Invalidations of one stream that are not acknowledged, at most; beyond, time is waited for.
const MAX_UNANSWERED: usize = 4_096;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Workers {
    all: BTreeMap<ConnId, Worker>,
    receipts: BTreeMap<Drop, Receipt>,
    /// Receipts, by until when they matter.
    due: Due<Drop>,
    /// How many streams wait to be confirmed.
    asking: usize,
}

#[derive(Debug, Default)]
struct Worker {
    /// What it asked last, and that is on its way to be confirmed.
    asked: Option<Asked>,
    covered: Option<Asked>,
    /// Until then it may use what is in its memory.
    lives: Duration,
    /// Invalidations said so far.
    said: u64,
    unanswered: VecDeque<(u64, Drop)>,
}

#[derive(Debug, Clone, Copy)]
struct Asked {
    seq: u64,
    at: Duration,
    window: Duration,
}

/// Streams that have not acknowledged an invalidation, and until when that matters.
#[derive(Debug)]
struct Receipt {
    waits: BTreeSet<ConnId>,
    until: Duration,
}

impl Workers {
    /// A stream asks to be told that it has heard all.
    pub(super) fn asks(&mut self, conn: ConnId, seq: u64, window: Duration, at: Duration) {
        let worker = self.all.entry(conn).or_default();
        let before = worker.asked.replace(Asked { seq, at, window });
        self.asking += usize::from(before.is_none());
    }

    /// Whether any stream waits for that.
    pub(super) fn ask(&self) -> bool {
        self.asking > 0
    }

    /// What was asked so far is to be confirmed; the longest window of it.
    pub(super) fn cover(&mut self) -> Duration {
        let mut longest = Duration::ZERO;
        self.asking = 0;
        for worker in self.all.values_mut() {
            worker.covered = worker.asked.take();
            longest = longest.max(worker.covered.map_or(Duration::ZERO, |asked| asked.window));
        }
        longest
    }

    /// It is: what each stream is to be told. It holds for a window from when the SYNC came, which is no
    /// earlier than when it was sent.
    pub(super) fn confirm(&mut self) -> Vec<(ConnId, u64)> {
        let mut confirmed = Vec::new();
        for (conn, worker) in &mut self.all {
            if let Some(asked) = worker.covered.take() {
                worker.lives = worker.lives.max(asked.at + asked.window);
                confirmed.push((*conn, asked.seq));
            }
        }
        confirmed
    }

    /// Every stream is to be told something: its number for each. Nobody's receipt is waited for.
    pub(super) fn say(&mut self) -> Vec<(ConnId, u64)> {
        let number = |(conn, worker): (&ConnId, &mut Worker)| {
            worker.said += 1;
            (*conn, worker.said)
        };
        self.all.iter_mut().map(number).collect()
    }

    /// The same of an invalidation. Until when receipts are waited for; `None`: no worker uses its memory.
    pub(super) fn say_drop(
        &mut self,
        drop: &Drop,
        now: Duration,
    ) -> (Vec<(ConnId, u64)>, Option<Duration>) {
        let said = self.say();
        let mut waits = BTreeSet::new();
        let mut until = now;
        for (conn, seq) in &said {
            let Some(worker) = self.all.get_mut(conn).filter(|worker| now < worker.lives) else {
                continue;
            };
            if worker.unanswered.len() >= MAX_UNANSWERED {
                worker.unanswered.pop_front();
            }
            worker.unanswered.push_back((*seq, drop.clone()));
            until = until.max(worker.lives);
            waits.insert(*conn);
        }
        if waits.is_empty() {
            return (said, None);
        }
        self.forget(drop);
        self.due.insert(until, drop.clone());
        self.receipts.insert(drop.clone(), Receipt { waits, until });
        (said, Some(until))
    }

    /// A stream acknowledges what it was told up to this number: the invalidations that nobody is waited
    /// for any more.
    pub(super) fn acked(&mut self, conn: ConnId, seq: u64) -> Vec<Drop> {
        let Some(worker) = self.all.get_mut(&conn) else {
            return Vec::new();
        };
        let mut over = Vec::new();
        while let Some((_, drop)) = worker.unanswered.pop_front_if(|(said, _)| *said <= seq) {
            let Some(receipt) = self.receipts.get_mut(&drop) else {
                continue;
            };
            receipt.waits.remove(&conn);
            if receipt.waits.is_empty() {
                let until = receipt.until;
                self.receipts.remove(&drop);
                self.due.remove(until, drop.clone());
                over.push(drop);
            }
        }
        over
    }

    /// A stream is gone. Its worker may not know it yet: what it has not acknowledged waits for time.
    pub(super) fn gone(&mut self, conn: ConnId) {
        let worker = self.all.remove(&conn);
        let asked = worker.is_some_and(|worker| worker.asked.is_some());
        self.asking -= usize::from(asked);
    }

    /// Invalidations that no worker can use any more, because time has passed.
    pub(super) fn expired(&mut self, now: Duration) -> Vec<Drop> {
        let mut over = Vec::new();
        while let Some(drop) = self.due.pop(now) {
            self.receipts.remove(&drop);
            over.push(drop);
        }
        over
    }

    /// When the next of them is due.
    pub(super) fn next(&self) -> Option<Duration> {
        self.due.next()
    }

    fn forget(&mut self, drop: &Drop) {
        if let Some(receipt) = self.receipts.remove(drop) {
            self.due.remove(receipt.until, drop.clone());
        }
    }

    /// Streams whose workers may use their memory.
    pub(super) fn alive(&self, now: Duration) -> usize {
        let alive = |worker: &&Worker| now < worker.lives;
        self.all.values().filter(alive).count()
    }
}

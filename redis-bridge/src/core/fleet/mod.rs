//! One view of invalidations for all bridges and all workers: when is it certain that nobody uses an object
//! any more that Redis no longer has?
//!
//! Bridges tell each other everything on one channel, in one order, numbered ([`message`], `fleet/tell.lua`).
//!
//! * A worker that keeps objects in memory asks its bridge four times per window (SYNC). The bridge says a
//!   **beat**; when it hears its own beat it has heard, and said to its workers, everything that was told
//!   before it. So it confirms (SYNCED), and what the worker has in memory holds for a window from when it asked.
//! * Whoever invalidates something removes it from Redis and then tells a **drop**. Each bridge says it to its
//!   workers (INVALIDATE), they acknowledge (ACK), the bridge tells **done**.
//! * The bridge that began the drop hears it, and with it all beats that were told before: those bridges whose
//!   last beat is within a window may have workers that use what was dropped. When all of them are done the drop
//!   is final; and when a window has passed it is, whatever became of bridges, streams and workers: a beat that
//!   is told later is heard after the drop, so it confirms nothing older.
//! * A number that is not the next one is a gap: something may have gone unheard. Workers are told to forget
//!   everything; and for the longest window whose workers use their memory is not known, so time decides.
//!
//! Only clocks' rates matter, and only within a window; [`SLACK`] is for those.

mod drops;
mod message;
mod steps;
mod workers;

#[cfg(test)]
mod tests;

use super::keys::Keys;
use super::plan::Round;
use super::types::{Command, Role};
use crate::script::Script;
use drops::{Drops, LONGEST};
use message::{Drop, Told};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use workers::Workers;

pub(super) use message::Names;

/// What clocks may differ by within a window.
const SLACK: Duration = Duration::from_millis(10);
/// Beats are at least this far apart: several workers share one.
const BEAT_EVERY: Duration = Duration::from_millis(20);
/// A beat that is not heard within this is given up.
const BEAT_LOST: Duration = Duration::from_millis(300);
/// How long the number of the last message is kept, milliseconds.
const NUMBER_MS: u64 = 86_400_000;

/// What this bridge knows of the others, and of its own workers' memory.
#[derive(Debug)]
pub(super) struct Fleet {
    id: Vec<u8>,
    /// Number of the last message.
    last: Option<u64>,
    /// Until then bridges may have workers that this one has not heard of.
    blind_until: Duration,
    /// Until when workers of a bridge may use what they asked about before its last beat.
    others: BTreeMap<Vec<u8>, Duration>,
    beat: Beat,
    workers: Workers,
    drops: Drops,
}

/// This bridge's own beats.
#[derive(Debug, Default)]
struct Beat {
    n: u64,
    /// Told and not heard yet, since when.
    pending: Option<Duration>,
    told: Option<Duration>,
    /// One is wanted, whether a worker asks or not.
    wanted: bool,
}

impl Fleet {
    pub(super) fn new(id: &str) -> Self {
        Self {
            id: id.as_bytes().to_vec(),
            last: None,
            blind_until: Duration::ZERO,
            others: BTreeMap::new(),
            beat: Beat::default(),
            workers: Workers::default(),
            drops: Drops::default(),
        }
    }

    /// Begins an invalidation of what is in no Redis any more: its number, and how it is told.
    pub(super) fn drop(&mut self, names: Names, keys: &Keys, now: Duration) -> (u64, Round) {
        let n = self.drops.begin(now);
        let bridge = self.id.clone();
        let drop = Drop { bridge, n };
        (n, tell(keys, &Told::Drop { drop, names }))
    }

    /// Workers that may use their memory now.
    pub(super) fn remember(&self, now: Duration) -> usize {
        self.workers.alive(now)
    }

    /// When something is due.
    pub(super) fn next(&self) -> Option<Duration> {
        let times = [self.next_beat(), self.workers.next(), self.drops.next()];
        times.into_iter().flatten().min()
    }

    fn next_beat(&self) -> Option<Duration> {
        if let Some(since) = self.beat.pending {
            return Some(since + BEAT_LOST);
        }
        let wanted = self.beat.wanted || self.workers.ask();
        let earliest = self
            .beat
            .told
            .map_or(Duration::ZERO, |told| told + BEAT_EVERY);
        wanted.then_some(earliest)
    }

    /// The beat that is due now.
    fn take_beat(&mut self, keys: &Keys, now: Duration) -> Option<Round> {
        if self.next_beat().is_none_or(|at| now < at) {
            return None;
        }
        if self.beat.pending.take().is_some() && !self.beat.wanted && !self.workers.ask() {
            // Nobody asks any more.
            return None;
        }
        self.beat.wanted = false;
        self.beat.n += 1;
        self.beat.pending = Some(now);
        self.beat.told = Some(now);
        let beat = Told::Beat {
            bridge: self.id.clone(),
            n: self.beat.n,
            window: self.workers.cover(),
        };
        Some(tell(keys, &beat))
    }

    /// Takes the number of a message; whether something before it may have gone unheard.
    fn number(&mut self, number: u64, now: Duration) -> bool {
        let gap = self.last.is_none_or(|last| last + 1 != number);
        self.last = Some(number);
        if gap {
            self.blind_until = now + LONGEST + SLACK;
        }
        gap
    }

    /// Bridges whose workers may use what they have had before now, and until when at most.
    fn users(&mut self, now: Duration) -> (BTreeSet<Vec<u8>>, Duration) {
        self.others.retain(|_, until| now < *until);
        let until = self.others.values().copied().max().unwrap_or(now);
        let until = until.max(self.blind_until).max(now);
        (self.others.keys().cloned().collect(), until)
    }

    #[cfg(test)]
    pub(super) fn hears_from(&mut self, number: u64) {
        self.last = Some(number);
    }
}

fn tell(keys: &Keys, told: &Told) -> Round {
    let command = Command {
        script: Script::FleetTell,
        keys: vec![keys.fleet_number()],
        args: vec![
            keys.fleet_told(),
            told.text(),
            NUMBER_MS.to_string().into_bytes(),
        ],
    };
    Round {
        must_run: true,
        ..Round::new(Role::Cache, vec![command])
    }
}

//! What must hold, checked on what happened. Each finding names its invariant (`R1`, `S2`, ...); each check is
//! counted, so that a zero says of how many.

mod cache;
mod limits;
mod liveness;
mod sessions;
#[cfg(test)]
mod tests;

pub use liveness::{Bounds, failed, failures, latency, outage, recovery};

use crate::history::History;
use std::collections::BTreeMap;

/// What a fault may take with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Losses {
    /// Increments that were acknowledged (R7).
    pub increments: bool,
    /// Sessions: Redis lost its data, so they are gone.
    pub sessions: bool,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// How many checks were made for each invariant.
    pub checks: BTreeMap<String, u64>,
    /// What was broken, and where.
    pub violations: Vec<String>,
    /// Increments that were acknowledged and given out again.
    pub lost: u64,
    /// Times that somebody was told 401 whose session a failover lost, created since the first fault.
    pub lost_sessions: u64,
    /// What was measured, by name with its unit.
    pub measured: BTreeMap<String, Vec<u64>>,
}

impl Verdict {
    /// Counts checks of an invariant.
    pub fn checked(&mut self, invariant: &str, n: u64) {
        *self.checks.entry(invariant.into()).or_insert(0) += n;
    }

    /// Counts one check, which failed when there is a text.
    pub fn check(&mut self, invariant: &str, broken: Option<String>) {
        self.checked(invariant, 1);
        if let Some(text) = broken {
            self.violations.push(format!("{invariant}: {text}"));
        }
    }
}

/// Judges a history.
pub fn judge(history: &History, losses: Losses, bounds: Bounds) -> Verdict {
    let mut verdict = Verdict::default();
    limits::judge(history, losses, &mut verdict);
    sessions::judge(history, losses, &mut verdict);
    cache::judge(history, &mut verdict);
    liveness::judge(history, bounds, &mut verdict);
    verdict
}

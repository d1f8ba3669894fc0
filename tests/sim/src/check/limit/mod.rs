//! R1 to R3, R5, R6, R8, R10: what was charged at Redis and what workers were told, kept apart from the
//! model's data.
//!
//! Seen are the calls at Redis and their replies, and what goes in and out of workers. A ledger follows
//! both for each key, so it knows at each call what its algorithm allows at that moment, and at the end
//! that what is charged is what was told, but for what may have been charged unnoticed.

mod ledger;
mod redis;
mod told;

pub use told::Noted;

use crate::marks::Marks;
use ledger::Ledger;
use redis_bridge::core::{BatchId, Keys};
use std::collections::BTreeMap;
use tidegate::policy::Algorithm;
use tidegate::wire::op::Take;

/// One limit of a call, as a worker asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Where it is kept in Redis.
    pub key: Vec<u8>,
    /// Whom it counts.
    pub subject: [u8; 16],
    /// How it counts.
    pub algorithm: Algorithm,
    /// Units per window.
    pub limit: u64,
    /// The window.
    pub window_us: u64,
    /// As of [`Take`].
    pub burst: u64,
    /// Units to charge.
    pub cost: u64,
    /// Units to lease.
    pub lease: u64,
    /// Charged whatever is available.
    pub force: bool,
}

/// Charges whose reply is on its way, and their units.
type Untold = BTreeMap<(usize, u64, BatchId), Vec<(Vec<u8>, u64)>>;

/// All ledgers.
#[derive(Debug, Default)]
pub struct Limits {
    ledgers: BTreeMap<Vec<u8>, Ledger>,
    untold: Untold,
    /// What workers give back, by the key that makes it happen once, and whether it has.
    returns: BTreeMap<Vec<u8>, Returning>,
    /// What bridges have given back by themselves, by such keys.
    undone: BTreeMap<Vec<u8>, ()>,
    /// Slots that nobody has given back, and when each was taken.
    pub slots: BTreeMap<Vec<u8>, u64>,
}

#[derive(Debug, Default)]
struct Returning {
    gives: Vec<(Vec<u8>, u64)>,
    ran: bool,
}

impl Asked {
    /// What a take asks.
    pub fn of(take: &Take<'_>, keys: &Keys) -> Self {
        Self {
            key: keys.take(take),
            subject: *take.subject,
            algorithm: Algorithm::from_name(take.algorithm).unwrap_or(Algorithm::FixedWindow),
            limit: take.limit,
            window_us: take.window_us,
            burst: take.burst,
            cost: take.cost,
            lease: take.options.lease.unwrap_or(0),
            force: take.options.force,
        }
    }
}

impl Limits {
    /// These keys may have been charged once more than anybody was told.
    pub fn unsure(&mut self, asked: &[Asked]) {
        for asked in asked {
            self.ledger(&asked.key).unsure += asked.cost + asked.lease;
        }
    }

    /// A batch's replies reached their bridge.
    pub fn told(&mut self, bridge: usize, incarnation: u64, batch: BatchId) {
        self.untold.remove(&(bridge, incarnation, batch));
    }

    /// R8 and R2, when nothing is on its way any more.
    pub fn at_the_end(&mut self, marks: &mut Marks) -> Option<String> {
        for (key, units) in std::mem::take(&mut self.untold).into_values().flatten() {
            self.ledger(&key).unsure += units;
        }
        for returning in std::mem::take(&mut self.returns).into_values() {
            for (key, units) in returning.gives.into_iter().filter(|_| !returning.ran) {
                self.ledger(&key).unsure += units;
            }
        }
        for (key, ledger) in &self.ledgers {
            if let Some(broken) = ledger.at_the_end(marks) {
                return Some(format!("{broken}: {}", String::from_utf8_lossy(key)));
            }
        }
        None
    }

    /// Units that were charged for leases.
    pub fn debited(&self, key: &[u8]) -> u64 {
        self.ledgers.get(key).map_or(0, |ledger| ledger.leased)
    }

    fn ledger(&mut self, key: &[u8]) -> &mut Ledger {
        self.ledgers.entry(key.to_vec()).or_default()
    }
}

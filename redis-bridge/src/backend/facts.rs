//! What the bridge must know of a Redis before it trusts it with a role.
//!
//! The eviction policy is a security setting: under `allkeys-lru` a flood of cacheable URLs evicts
//! counters and epochs, which resets limits and un-revokes sessions.

use redis::{InfoDict, Value};
use std::fmt;

/// Facts of one Redis: one entry per primary.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// `run_id` of each server: tells whether two addresses are one server.
    pub run_ids: Vec<String>,
    /// `maxmemory_policy` of each server.
    pub policies: Vec<String>,
}

/// Whether the bridge may work with what it is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// The state's Redis is a Cluster in CLUSTERDOWN.
    Broken,
    /// What we reach of the state's Redis is cut off, and we with it: another primary may have been promoted.
    CutOff,
    /// The state Redis is not reachable.
    Down,
    /// It may not, and why.
    Refused(Refusal),
    /// It may.
    Up,
}

/// Why a Redis is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// One server for both roles, and it evicts.
    Shared {
        /// Its policy.
        policy: String,
    },
    /// The state's server evicts.
    State {
        /// Its policy.
        policy: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared { policy } => write!(
                f,
                "state and cache share one Redis with maxmemory-policy {policy}: it would evict \
                 sessions and counters; set maxmemory-policy noeviction, or give the cache a Redis of \
                 its own (--redis-cache)"
            ),
            Self::State { policy } => write!(
                f,
                "the state Redis (--redis) has maxmemory-policy {policy}: it would evict sessions and \
                 counters; set maxmemory-policy noeviction"
            ),
        }
    }
}

impl Facts {
    /// From answers to `INFO`, one per server. What does not say is left out.
    pub fn parse(answers: impl IntoIterator<Item = Value>) -> Self {
        let mut facts = Self::default();
        for answer in answers {
            let Ok(info) = redis::from_redis_value::<InfoDict>(answer) else {
                continue;
            };
            facts.run_ids.extend(info.get::<String>("run_id"));
            facts
                .policies
                .extend(info.get::<String>("maxmemory_policy"));
        }
        facts
    }

    /// Adds those of another server of the same Redis.
    pub fn add(&mut self, other: &Self) {
        self.run_ids.extend_from_slice(&other.run_ids);
        self.policies.extend_from_slice(&other.policies);
    }

    /// Whether any server evicts.
    pub fn evicts(&self) -> bool {
        self.evicting().is_some()
    }

    /// The first policy that evicts.
    fn evicting(&self) -> Option<&String> {
        self.policies.iter().find(|policy| *policy != "noeviction")
    }

    fn shares_a_server_with(&self, other: &Self) -> bool {
        self.run_ids.iter().any(|id| other.run_ids.contains(id))
    }
}

/// The verdict. `None` facts: not connected; `cache` is `None` also when it has no address of its own
/// (`shared`).
pub fn judge(state: Option<&Facts>, cache: Option<&Facts>, shared: bool) -> Health {
    let Some(state) = state else {
        return Health::Down;
    };
    let Some(policy) = state.evicting() else {
        return Health::Up;
    };
    let policy = policy.clone();
    let one_server = shared || cache.is_some_and(|cache| state.shares_a_server_with(cache));
    Health::Refused(if one_server {
        Refusal::Shared { policy }
    } else {
        Refusal::State { policy }
    })
}

#[cfg(test)]
mod tests;

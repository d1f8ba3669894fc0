//! What all requests of one worker's VM share.

use crate::exchange::{CallError, Client, ClientConfig, SplitMix64};
use crate::limit::local::LocalLimits;
use crate::metrics::{CacheEvent, Metric, Metrics};
use crate::policy::{Config, KeyPart};
use crate::session::{Keys, RealmTag};
use crate::stream::VaryMemo;
use crate::wire::{Value, reply};
use core::time::Duration;
use std::rc::Rc;

/// Calls pending at once, at most: with 64 KiB of operations each this stays far below the VM's cap,
/// and more would only wait past their deadline.
const MAX_PENDING: usize = 8_192;
/// Bytes of pending operations, stores included, at most.
const MAX_PENDING_BYTES: usize = 16 << 20;
/// Unary fall-back calls per second and worker (faults.md, M3).
const FALLBACK_PER_SECOND: u32 = 200;

/// Tag of background work whose outcome is not counted.
pub(crate) const UNCOUNTED: u32 = u32::MAX;

/// One VM's memory: bounded, and all of it made from a configuration and a seed.
#[derive(Debug)]
pub struct Vm {
    /// The policy.
    pub config: Rc<Config>,
    /// Streams to the bridges.
    pub client: Client,
    /// Counts not yet written.
    pub metrics: Metrics,
    pub(crate) keys: Option<Keys>,
    pub(crate) realms: Vec<RealmTag>,
    pub(crate) local: LocalLimits,
    pub(crate) vary: VaryMemo,
    pub(crate) rng: SplitMix64,
    /// Some policy requires a session.
    pub(crate) protects: bool,
    wants_peer: bool,
}

/// What the host knows and the policy does not.
#[derive(Debug, Clone)]
pub struct VmSeed {
    /// Seeds jitter and lease identifiers.
    pub random: u64,
    /// Tells this worker from the others.
    pub worker: u64,
    /// Envoy's node id.
    pub node: String,
}

impl Vm {
    /// A VM that knows nothing yet but its policy.
    pub fn new(config: Config, keys: Option<Keys>, seed: VmSeed) -> Self {
        let mut rng = SplitMix64::new(seed.random);
        let client = ClientConfig {
            timeout: Duration::from_millis(u64::from(config.bridge.timeout_ms)),
            max_pending: MAX_PENDING,
            max_pending_bytes: MAX_PENDING_BYTES,
            fallback_per_second: FALLBACK_PER_SECOND,
            namespace: config.namespace.clone(),
            node: seed.node,
            worker: seed.worker,
            digest: config.digest.clone(),
        };
        Self {
            client: Client::new(client, rng.next_u64()),
            metrics: Metrics::new(&config),
            keys,
            realms: config
                .sessions
                .iter()
                .map(|realm| RealmTag::of(&realm.name))
                .collect(),
            local: LocalLimits::new(),
            vary: VaryMemo::new(),
            rng,
            protects: config
                .policies
                .iter()
                .any(|policy| policy.session.as_ref().is_some_and(|used| used.required)),
            wants_peer: config
                .limits
                .iter()
                .any(|limit| limit.key.contains(&KeyPart::ClientIp)),
            config: Rc::new(config),
        }
    }

    /// Whether any limit counts by the client's address.
    pub fn wants_peer(&self) -> bool {
        self.wants_peer
    }

    /// Background work ended: a store of cache `tag`, or [`UNCOUNTED`].
    pub fn background(&mut self, tag: u32, result: Result<Vec<Value<'_>>, CallError>) {
        if tag == UNCOUNTED {
            return;
        }
        let event = match result.as_deref() {
            Ok([value]) => match reply::parse_stored(value) {
                Ok(true) => CacheEvent::Stored,
                Ok(false) => CacheEvent::Refused,
                Err(_) => CacheEvent::Error,
            },
            _ => CacheEvent::Error,
        };
        if let Ok(cache) = usize::try_from(tag) {
            self.metrics.count(Metric::Cache(cache, event));
        }
    }
}

#[cfg(test)]
mod tests;

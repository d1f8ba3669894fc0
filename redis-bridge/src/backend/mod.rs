//! Redis: standalone, behind Sentinel, or a Cluster; one address for each role.

mod asker;
pub mod backoff;
mod cluster;
pub mod connect;
pub mod convert;
pub mod durable;
pub mod facts;
mod fence;
pub mod health;
pub mod info;
pub mod link;
pub mod login;
pub mod nodes;
pub mod pipeline;
mod redirect;
mod route;
pub mod scan;
pub mod sentinel;
pub mod server;
pub mod target;
mod topology;

pub use facts::{Health, Refusal};
pub use login::{Login, LoginError, Source};
pub use server::Redis;
pub use target::{Target, TargetError, Url};

use self::facts::Facts;
use self::health::run as watch_servers;
use self::server::Known;
use crate::core::{BackendError, Batch, Replies, Role};
use crate::metrics::Metrics;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Time for Redis to answer a pipeline.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Both roles.
#[derive(Debug, Clone)]
pub struct Backend {
    state: Arc<Redis>,
    /// `None`: the state's Redis.
    cache: Option<Arc<Redis>>,
}

impl Backend {
    /// Starts to connect; a `cache` equal to `state` shares its connections.
    /// Who we are to them is followed as `logins` changes.
    pub fn start(
        state: Url,
        cache: Url,
        logins: &watch::Receiver<Login>,
        metrics: &Metrics,
    ) -> Self {
        let shared = state == cache;
        let start = |url| Redis::start(url, logins.clone(), RESPONSE_TIMEOUT, metrics.clone());
        let backend = Self {
            state: start(state),
            cache: (!shared).then(|| start(cache)),
        };
        tokio::spawn(backend.clone().tell());
        for (redis, role) in backend.each().zip(["state", "cache"]) {
            let health = metrics.redis.clone();
            tokio::spawn(watch_servers(Arc::clone(redis), role, health));
        }
        backend
    }

    /// One address for both roles.
    pub fn is_shared(&self) -> bool {
        self.cache.is_none()
    }

    /// A Cluster in either role: keys of one script must share a hash tag.
    pub fn is_cluster(&self) -> bool {
        self.each()
            .any(|redis| matches!(redis.target(), Target::Cluster(_)))
    }

    /// The Redis of `role`.
    pub fn role(&self, role: Role) -> &Arc<Redis> {
        match (role, &self.cache) {
            (Role::Cache, Some(cache)) => cache,
            _ => &self.state,
        }
    }

    /// Every Redis once.
    pub fn each(&self) -> impl Iterator<Item = &Arc<Redis>> {
        std::iter::once(&self.state).chain(&self.cache)
    }

    /// Whether the bridge can work, and if not why.
    pub fn health(&self) -> Health {
        let state = self.state.known();
        let cache = self.cache.as_ref().map(|cache| cache.known());
        let (state, cache) = (state.borrow(), cache.as_ref().map(watch::Receiver::borrow));
        let verdict = facts::judge(
            facts(&state),
            cache.as_ref().and_then(|cache| facts(cache)),
            self.is_shared(),
        );
        match (&verdict, &*state) {
            (Health::Up, _) if self.state.is_cut_off() => Health::CutOff,
            (Health::Up, Known::Broken(_)) => Health::Broken,
            _ => verdict,
        }
    }

    /// Waits until each Redis was reached or a first attempt failed.
    pub async fn first_attempts(&self) {
        for redis in self.each() {
            let mut known = redis.known();
            // The sender lives in `redis`, so this ends by what it waits for.
            let _ = known.wait_for(|known| *known != Known::Nothing).await;
        }
    }

    /// Logs a refusal that comes after the start.
    async fn tell(self) {
        let mut state = self.state.known();
        while state.changed().await.is_ok() {
            if let Health::Refused(refusal) = self.health() {
                tracing::error!(%refusal, "redis is not used");
            }
        }
    }

    /// Runs a batch of [`Role::Durable`]; and whether a replica has what it wrote, or there is none.
    ///
    /// # Errors
    ///
    /// As [`Backend::run`].
    pub async fn run_durable(&self, batch: &Batch) -> (Replies, bool) {
        if matches!(self.health(), Health::Refused(_)) {
            return (Err(BackendError::Down), false);
        }
        self.state.run_durable(&batch.commands).await
    }

    /// Runs a batch.
    ///
    /// # Errors
    ///
    /// Redis is not reachable, silent, or must not be used ([`Backend::health`]).
    pub async fn run(&self, batch: &Batch) -> Replies {
        if matches!(self.health(), Health::Refused(_)) {
            return Err(BackendError::Down);
        }
        self.role(batch.role).run(&batch.commands).await
    }
}

fn facts(known: &Known) -> Option<&Facts> {
    match known {
        Known::Broken(facts) | Known::Up(facts) => Some(facts),
        Known::Down | Known::Nothing => None,
    }
}

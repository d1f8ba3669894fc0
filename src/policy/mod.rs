//! The compiled policy: what [`crate::config`] produces and a request is checked against.
//!
//! References are indices into [`Config`]'s tables, so nothing is looked up by name on the request
//! path, and every index was checked when the configuration was compiled.

mod cache;
mod limit;
mod routed;
mod router;

pub use cache::{Cache, Query};
pub use limit::{
    ALL_KEYS, Algorithm, Apply, Calendar, CalendarUnit, Cost, KeyPart, Limit, LimitHeaders,
    OnDenied, OnError, StatusRule,
};
pub use routed::Routed;
pub use router::{HostRule, PathRule, Router, Rule, Target, canonical_host};

use crate::wire::op::Touch;

/// A whole compiled configuration.
#[derive(Debug)]
pub struct Config {
    /// First segment of every Redis key; `[a-z][a-z0-9-]*`.
    pub namespace: String,
    /// How to reach the bridges.
    pub bridge: Bridge,
    /// How a client's address is found and grouped.
    pub client_ip: ClientIp,
    /// Session realms.
    pub sessions: Vec<Realm>,
    /// Limits.
    pub limits: Vec<Limit>,
    /// Caches.
    pub caches: Vec<Cache>,
    /// Policies, by name.
    pub policies: Vec<Policy>,
    /// The policy of a request that no route matches.
    pub default_policy: Option<usize>,
    /// Finds the policy of a request.
    pub router: Router,
    /// Hex SHA-256 of the configuration's canonical JSON: what a worker says it runs.
    pub digest: String,
    /// What is accepted but not acted upon by this version, or is probably a mistake.
    pub warnings: Vec<String>,
}

/// How to reach the bridges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// Name of the Envoy cluster.
    pub cluster: String,
    /// Deadline of one exchange, milliseconds, 1..=60000. (Envoy reads 0 as "none".)
    pub timeout_ms: u32,
    /// How long a worker that hears from no bridge may use what is in its memory, milliseconds, 50..=500.
    pub l1_sync_ms: u32,
}

/// How a client's address is found and grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientIp {
    /// Bits of an IPv4 address that make one client, 0..=32; default 32.
    pub prefix_v4: u8,
    /// Bits of an IPv6 address that make one client, 0..=128; default 64.
    pub prefix_v6: u8,
    /// Trusted proxies in front of Envoy: 0 takes the peer's address, n the n-th from the right of
    /// `x-forwarded-for`.
    pub trusted_hops: u8,
}

/// A session realm: one kind of credential with its life time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Realm {
    /// Its name.
    pub name: String,
    /// Where the token travels.
    pub credential: Credential,
    /// A session not used for this long ends, milliseconds.
    pub idle_ms: u64,
    /// A session this old ends, milliseconds; >= `idle_ms`.
    pub absolute_ms: u64,
    /// When a request slides its session.
    pub touch: Touch,
    /// What becomes of an unsafe request that a cookie authenticated and another site may have caused.
    pub csrf: Csrf,
    /// What its sessions hold is sealed in Redis; else whoever reads Redis may read it.
    pub seal: bool,
}

/// What becomes of cross-site requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Csrf {
    /// Not looked at.
    Disabled,
    /// Refused.
    Enforce,
    /// Counted and logged.
    Report,
}

/// Where a session token travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// `Authorization: Bearer <token>`.
    Bearer,
    /// A cookie of this name.
    Cookie(String),
}

/// What is asked of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// The session it looks up.
    pub session: Option<SessionUse>,
    /// Indices into [`Config::limits`], in the order written.
    pub limits: Vec<usize>,
    /// Index into [`Config::caches`].
    pub cache: Option<usize>,
}

/// How a policy uses a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionUse {
    /// Index into [`Config::sessions`].
    pub realm: usize,
    /// Requests without a valid session are refused.
    pub required: bool,
    /// The session must hold one of these; empty: any session will do.
    pub roles: Vec<String>,
    /// The upstream may create sessions on this route.
    pub create: bool,
    /// The upstream may change the session's data and roles.
    pub update: bool,
    /// The upstream is told the session's data.
    pub data: bool,
    /// When requests on this route slide the session.
    pub touch: Touch,
}

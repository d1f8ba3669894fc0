//! The configuration as it is written, and so its JSON Schema.
//!
//! Every field is a [`Field`]: missing, wrong (and reported), or given. Which of them must be there,
//! and that values make sense together, is checked when they are compiled.

mod apply;
mod cache;
mod cost;
mod limit;
mod named;
mod policy;
mod route;
mod session;

pub use apply::{Apply, ApplyTo, Status};
pub use cache::{Cache, Query};
pub use cost::{Cost, CostFrom};
pub use limit::{Algorithm, Lease, Limit, LimitHeaders, OnDenied, OnError};
pub use named::Named;
pub use policy::{Policy, Session, SessionUse};
pub use route::{Match, Route};
pub use session::{CredentialHeader, Csrf, Realm, Touch};

use super::read::fields;
use super::{Duration, Field, Whole};
#[cfg(feature = "schema")]
use schemars::JsonSchema;

/// What tidegate does for a fleet: sessions, limits and caches, the policies made of them, and which
/// request gets which policy.
#[derive(Debug, Default)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(default, deny_unknown_fields, extend("required" = ["version"])))]
pub struct Config {
    /// Version of this format: 1.
    #[cfg_attr(feature = "schema", schemars(extend("const" = 1)))]
    pub version: Field<Whole>,
    /// First segment of every Redis key. Default `tg`.
    #[cfg_attr(
        feature = "schema",
        schemars(regex(pattern = "^[a-z][a-z0-9-]{0,63}$"))
    )]
    pub namespace: Field<String>,
    /// How the bridges are reached.
    pub bridge: Field<Bridge>,
    /// How a client's address is found and grouped.
    pub client_ip: Field<ClientIp>,
    /// Session realms: kinds of credentials with their life times.
    #[cfg_attr(feature = "schema", schemars(extend("propertyNames" = name_schema())))]
    pub sessions: Field<Named<Realm>>,
    /// Limits.
    #[cfg_attr(feature = "schema", schemars(extend("propertyNames" = name_schema())))]
    pub limits: Field<Named<Limit>>,
    /// Caches.
    #[cfg_attr(feature = "schema", schemars(extend("propertyNames" = name_schema())))]
    pub caches: Field<Named<Cache>>,
    /// Policies: what is asked of a request.
    #[cfg_attr(feature = "schema", schemars(extend("propertyNames" = name_schema())))]
    pub policies: Field<Named<Policy>>,
    /// Which request gets which policy; the first match wins.
    pub routes: Field<Vec<Field<Route>>>,
    /// Name of the policy of requests that no route matches. Without it they have none.
    pub default_policy: Field<String>,
}

/// How the bridges are reached.
#[derive(Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(JsonSchema),
    schemars(default, deny_unknown_fields)
)]
pub struct Bridge {
    /// Name of the Envoy cluster of the bridges, at most 120 bytes. Default `redis-bridge`.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 120)))]
    pub cluster: Field<String>,
    /// How long one exchange may take, 1ms to 60s. Default `100ms`.
    pub timeout: Field<Duration>,
    /// How long a worker that hears from no bridge goes on answering from its own memory (`l1` of a cache),
    /// 50ms to 500ms. It is also how long a purge waits for such a worker. Default `200ms`.
    pub l1_sync: Field<Duration>,
}

/// How a client's address is found and grouped.
#[derive(Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(JsonSchema),
    schemars(default, deny_unknown_fields)
)]
pub struct ClientIp {
    /// Bits of an IPv4 address that make one client, 0 to 32. Default 32.
    #[cfg_attr(feature = "schema", schemars(range(max = 32)))]
    pub prefix_v4: Field<Whole>,
    /// Bits of an IPv6 address that make one client, 0 to 128. Default 64: what one subscriber gets.
    #[cfg_attr(feature = "schema", schemars(range(max = 128)))]
    pub prefix_v6: Field<Whole>,
    /// Trusted proxies in front of Envoy, 0 to 32. 0 takes the peer's address, n the n-th address from
    /// the right of `x-forwarded-for`. Default 0.
    #[cfg_attr(feature = "schema", schemars(range(max = 32)))]
    pub trusted_hops: Field<Whole>,
}

fields!(
    Config: version,
    namespace,
    bridge,
    client_ip,
    sessions,
    limits,
    caches,
    policies,
    routes,
    default_policy,
);
fields!(Bridge: cluster, timeout, l1_sync);
fields!(ClientIp: prefix_v4, prefix_v6, trusted_hops);

#[cfg(feature = "schema")]
fn name_schema() -> serde_json::Value {
    serde_json::json!({ "type": "string", "pattern": "^[a-z][a-z0-9-]{0,63}$" })
}

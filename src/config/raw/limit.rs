use super::super::{Duration, Field, Whole};
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Deserialize;

/// A limit: so many units per window for everything that has the same key.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(
    feature = "schema",
    derive(JsonSchema),
    schemars(extend("required" = ["algorithm", "limit", "window", "key"]))
)]
pub struct Limit {
    /// How it counts.
    pub algorithm: Field<Algorithm>,
    /// Units per window, > 0.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub limit: Field<Whole>,
    /// The window, > 0, at most 366d.
    pub window: Field<Duration>,
    /// Capacity of a token bucket, units. Default: `limit`. Only with `token_bucket`.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub burst: Field<Whole>,
    /// What it counts by, 1 to 16 parts: `client.ip`, `session.user`, `session.id`, `header:NAME`,
    /// `cookie:NAME`, `query:NAME`, `path`, `host`, `method`, `route`, or a fixed text in quotes of its
    /// own: `"'v1'"`.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 16)))]
    pub key: Field<Vec<Field<String>>>,
    /// Units one request takes; 0 looks without taking. Default 1.
    pub cost: Field<Whole>,
    /// What happens when Redis cannot be asked. Default `allow`.
    pub on_error: Field<OnError>,
    /// Workers of the whole fleet, >= 1; each enforces `limit / peers` when Redis cannot be asked. Only
    /// and always with `on_error: local`.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_000_000)))]
    pub peers: Field<Whole>,
    /// Which response fields tell the client where it stands. Default `draft11`.
    pub headers: Field<LimitHeaders>,
    /// Count and report, but never refuse. Default false.
    pub shadow: Field<bool>,
}

/// How a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub enum Algorithm {
    /// `limit` per window; windows are aligned to the epoch.
    FixedWindow,
    /// Not in this version.
    SlidingWindowLog,
    /// Not in this version.
    SlidingWindow,
    /// `limit` per window of refill, `burst` capacity.
    TokenBucket,
    /// Not in this version.
    LeakyBucket,
    /// Not in this version.
    Concurrency,
}

/// What a limit does when Redis cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub enum OnError {
    /// Let the request pass, counted.
    Allow,
    /// Refuse it with 503.
    Deny,
    /// Enforce this worker's share, `limit / peers`, in memory.
    Local,
}

/// Which response fields tell a client about its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub enum LimitHeaders {
    /// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11).
    Draft11,
    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset`.
    Legacy,
    /// None.
    None,
}

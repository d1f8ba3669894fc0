use super::super::read::{fields, words};
use super::super::{Duration, Field, Percent, Whole, Window};
use super::{Apply, Cost, Named};
#[cfg(feature = "schema")]
use schemars::JsonSchema;

/// A limit: so many units per window for everything that has the same key.
#[derive(Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(JsonSchema),
    schemars(default, deny_unknown_fields, extend("required" = ["algorithm", "limit", "key"], "allOf" = per_algorithm()))
)]
pub struct Limit {
    /// How it counts.
    pub algorithm: Field<Algorithm>,
    /// Units per window, > 0; with `concurrency` requests in flight. At most 10,000 with
    /// `sliding_window_log`.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub limit: Field<Whole>,
    /// The window, > 0, at most 366d; required, but with `concurrency`, which has `slot_ttl`. With
    /// `fixed_window` also `day`, `week` (from Monday), `month` or `year`, as the clocks of `timezone` go.
    pub window: Field<Window>,
    /// IANA time zone of a `day`, `week`, `month` or `year`: `Europe/Berlin`. Default `UTC`.
    #[cfg_attr(
        feature = "schema",
        schemars(regex(pattern = "^[A-Za-z0-9_+/-]{1,64}$"))
    )]
    pub timezone: Field<String>,
    /// Capacity of a token bucket, units. Default: `limit`. Only with `token_bucket`.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub burst: Field<Whole>,
    /// The longest a request waits for its turn, 1ms to 30s; one that would wait longer is refused. Only
    /// and always with `leaky_bucket`.
    pub max_delay: Field<Duration>,
    /// How long a slot lives that nobody gives back, because a proxy died: longer than a request may
    /// take, 1s to 24h. Default `1m`. Only with `concurrency`.
    pub slot_ttl: Field<Duration>,
    /// What it counts by, 1 to 16 parts: `client.ip`, `session.user`, `session.id`, `header:NAME`,
    /// `cookie:NAME`, `query:NAME`, `path`, `host`, `method`, `route`, or a fixed text in quotes of its
    /// own: `"'v1'"`. A request that lacks a part is not counted by this limit.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 16)))]
    pub key: Field<Vec<Field<String>>>,
    /// Units one request takes: a number (0 looks without taking), or a mapping that names the header
    /// that says it. Default 1.
    pub cost: Field<Cost>,
    /// Which requests are charged: `request` (all), or a mapping with `response_status`. Default
    /// `request`.
    pub apply: Field<Apply>,
    /// A key may have a limit of its own, set through the bridge's admin API. Default false.
    #[cfg_attr(feature = "schema", schemars(rename = "override"))]
    pub overridable: Field<bool>,
    /// Count and report, but never refuse. Default false.
    pub shadow: Field<bool>,
    /// For how many of the keys it is enforced, 0% to 100%; for the others it is a shadow. Which ones
    /// is decided by a hash, so it is always the same ones, and a larger part includes a smaller one.
    /// Default `100%`.
    pub enforce: Field<Percent>,
    /// Lets a worker take units of a busy key in advance and spend them without asking. Default: never.
    pub lease: Field<Lease>,
    /// What happens when Redis cannot be asked. Default `allow`.
    pub on_error: Field<OnError>,
    /// Workers of the whole fleet, >= 1; each enforces `limit / peers` when Redis cannot be asked. Only
    /// and always with `on_error: local`.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_000_000)))]
    pub peers: Field<Whole>,
    /// Which response fields tell the client where it stands. Default `draft11`.
    pub headers: Field<LimitHeaders>,
    /// What a refused client gets instead of 429 with a problem+json.
    pub on_denied: Field<OnDenied>,
    /// Up to so much is added to `Retry-After`, at random, so that those refused together do not come
    /// back together: whole seconds, 1s to 1h. Default: nothing.
    pub retry_jitter: Field<Duration>,
}

/// How a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "schema",
    derive(JsonSchema),
    schemars(rename_all = "snake_case")
)]
pub enum Algorithm {
    /// `limit` per window; windows are aligned to the epoch, or to the calendar.
    FixedWindow,
    /// At most `limit` in any window, exactly: every admitted request is remembered for a window.
    SlidingWindowLog,
    /// About `limit` in any window: the count of the last one, weighted, and of this one.
    SlidingWindow,
    /// `limit` per window of refill, `burst` capacity.
    TokenBucket,
    /// Paces: one unit per window / limit; a request waits for its turn, up to `max_delay`.
    LeakyBucket,
    /// At most `limit` requests in flight.
    Concurrency,
}

/// Units taken in advance.
#[derive(Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(JsonSchema),
    schemars(default, deny_unknown_fields, extend("required" = ["max"]))
)]
pub struct Lease {
    /// At most this part of `limit` (of `burst`, with `token_bucket`) at once, > 0%; and never more than
    /// an eighth of what is left.
    pub max: Field<Percent>,
}

/// What a refused client gets. At least one field is given.
#[derive(Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(JsonSchema),
    schemars(default, deny_unknown_fields, extend("minProperties" = 1))
)]
pub struct OnDenied {
    /// The status, 400 to 599. Default 429.
    #[cfg_attr(feature = "schema", schemars(range(min = 400, max = 599)))]
    pub status: Field<Whole>,
    /// The body, at most 8 KiB, instead of the problem+json; its `content-type` is one of `headers`.
    pub body: Field<String>,
    /// Response headers that are added, at most 16.
    #[cfg_attr(feature = "schema", schemars(length(max = 16)))]
    pub headers: Field<Named<String>>,
}

/// What a limit does when Redis cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "schema",
    derive(JsonSchema),
    schemars(rename_all = "snake_case")
)]
pub enum OnError {
    /// Let the request pass, counted.
    Allow,
    /// Refuse it with 503.
    Deny,
    /// Enforce this worker's share, `limit / peers`, in memory.
    Local,
}

/// Which response fields tell a client about its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "schema",
    derive(JsonSchema),
    schemars(rename_all = "snake_case")
)]
pub enum LimitHeaders {
    /// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11).
    Draft11,
    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset`.
    Legacy,
    /// None.
    None,
}

fields!(
    Limit: algorithm,
    limit,
    window,
    timezone,
    burst,
    max_delay,
    slot_ttl,
    key,
    cost,
    apply,
    overridable as "override",
    shadow,
    enforce,
    lease,
    on_error,
    peers,
    headers,
    on_denied,
    retry_jitter,
);
fields!(Lease: max);
fields!(OnDenied: status, body, headers);
words!(
    Algorithm: "fixed_window" => FixedWindow,
    "sliding_window_log" => SlidingWindowLog,
    "sliding_window" => SlidingWindow,
    "token_bucket" => TokenBucket,
    "leaky_bucket" => LeakyBucket,
    "concurrency" => Concurrency,
);
words!(OnError: "allow" => Allow, "deny" => Deny, "local" => Local);
words!(LimitHeaders: "draft11" => Draft11, "legacy" => Legacy, "none" => None);

/// What an algorithm needs beside the fields that all need.
#[cfg(feature = "schema")]
fn per_algorithm() -> serde_json::Value {
    let is = |algorithm| {
        serde_json::json!({
            "properties": { "algorithm": { "const": algorithm } },
            "required": ["algorithm"],
        })
    };
    serde_json::json!([
        { "if": is("concurrency"), "else": { "required": ["window"] } },
        { "if": is("leaky_bucket"), "then": { "required": ["max_delay"] } },
    ])
}

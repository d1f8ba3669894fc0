use super::super::read::fields;
use super::super::{Duration, Field, Percent, Size};
use super::apply::Status;
#[cfg(feature = "schema")]
use schemars::JsonSchema;

/// A cache: which answers are kept, and for how long.
#[derive(Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(JsonSchema),
    schemars(default, deny_unknown_fields)
)]
pub struct Cache {
    /// Freshness of answers that name none. Without it those are not stored.
    pub ttl: Field<Duration>,
    /// Cap on any freshness, also the origin's; at least `ttl`. Default `1d`.
    pub ttl_max: Field<Duration>,
    /// Freshness of all answers, whatever they say of it. What says `no-store`, `private` or `no-cache`
    /// is not shared because of it.
    pub force_ttl: Field<Duration>,
    /// Answers that name no freshness but `Last-Modified` are fresh for a tenth of the time since, at most
    /// a day (RFC 9111 section 4.2.2). Default false.
    pub heuristic: Field<bool>,
    /// Freshness is cut by a random share, up to this one, so that what was stored together does not
    /// expire together; at most `50%`. Default `0%`.
    pub jitter: Field<Percent>,
    /// A few requests refresh what is about to expire ahead of time. Default false.
    pub early_refresh: Field<bool>,
    /// How long an answer with a validator is kept beyond its freshness, to be validated instead of
    /// fetched. Default `1h`.
    pub keep: Field<Duration>,
    /// Largest body that is stored, 1B to 3MiB. Default `256KiB`.
    pub max_body: Field<Size>,
    /// How long an answer that does not say so itself may be given after its freshness while it is
    /// refreshed (RFC 5861). Default `grace`.
    pub stale_while_revalidate: Field<Duration>,
    /// How long such an answer may stand in for a failure of the upstream (RFC 5861). Default `grace`.
    pub stale_if_error: Field<Duration>,
    /// Both of them, for answers that name none. Default none.
    pub grace: Field<Duration>,
    /// 1 to 16 statuses that are not stored otherwise, and classes: `[400, "5xx"]`. `ttl` is for them too.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 16)))]
    pub store_status: Field<Vec<Field<Status>>>,
    /// Response header that lists an object's tags, separated by spaces or commas.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 128)))]
    pub tags_header: Field<String>,
    /// What answers are kept apart by beside the URL: 1 to 8 of `header:NAME`, `cookie:NAME` and
    /// `session.user`.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 8)))]
    pub key: Field<Vec<Field<String>>>,
    /// What becomes of the query, for the cache and for the upstream.
    pub query: Field<Query>,
    /// Request headers that requests which could be cached lose, because origins may answer for another
    /// host or path by them: at most 64, in place of the built-in list. One that is in `key` stays.
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub strip_headers: Field<Vec<Field<String>>>,
    /// Answers whose `Content-Type` contradicts the extension of the path are not stored. Default false.
    pub content_type_check: Field<bool>,
    /// `Cache-Control` of requests is honoured (`no-cache`, `max-age`, `min-fresh`, `max-stale`,
    /// `only-if-cached`), so that clients can force requests to the upstream. Default false.
    pub honor_request_directives: Field<bool>,
    /// Requests that carry a session may share answers. Default false: such a request is treated as if
    /// it had `Authorization` (RFC 9111 section 3.5).
    pub shared: Field<bool>,
    /// How long a request waits while another one, of whatever Envoy, fills what it looks for; 0s: never.
    /// At most `30s`. Default `2s`.
    pub collapse_timeout: Field<Duration>,
    /// Store answers with `Set-Cookie`, that field included. Default false.
    pub store_set_cookie: Field<bool>,
    /// Memory of each worker for copies of what is stored, 64KiB to 256MiB: what is in it is answered
    /// without an exchange. Default none.
    pub l1: Field<Size>,
}

/// What becomes of the query of requests that use the cache.
#[derive(Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(JsonSchema),
    schemars(default, deny_unknown_fields)
)]
pub struct Query {
    /// Parameters that are removed, 1 to 32 names; a `*` at the end stands for anything: `[utm_*]`.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 32)))]
    pub ignore: Field<Vec<Field<String>>>,
    /// Parameters are sorted by name. Default false.
    pub sort: Field<bool>,
}

fields!(
    Cache: ttl,
    ttl_max,
    force_ttl,
    heuristic,
    jitter,
    early_refresh,
    keep,
    max_body,
    stale_while_revalidate,
    stale_if_error,
    grace,
    store_status,
    tags_header,
    key,
    query,
    strip_headers,
    content_type_check,
    honor_request_directives,
    shared,
    store_set_cookie,
    collapse_timeout,
    l1,
);

fields!(Query: ignore, sort);

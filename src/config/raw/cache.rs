use super::super::read::fields;
use super::super::{Duration, Field, Size};
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
    /// Largest body that is stored, 1B to 3MiB. Default `256KiB`.
    pub max_body: Field<Size>,
    /// RFC 5861: how long a stale answer may be given while it is refreshed. Accepted, not acted upon
    /// by this version.
    pub stale_while_revalidate: Field<Duration>,
    /// RFC 5861: how long a stale answer may stand in for an error. Accepted, not acted upon by this
    /// version.
    pub stale_if_error: Field<Duration>,
    /// Response header that lists an object's tags, separated by spaces or commas.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 128)))]
    pub tags_header: Field<String>,
    /// Requests that carry a session may share answers. Default false: such a request is treated as if
    /// it had `Authorization` (RFC 9111 section 3.5).
    pub shared: Field<bool>,
    /// How long a request waits while another one, of whatever Envoy, fills what it looks for; 0s: never.
    /// At most `30s`. Default `2s`.
    pub collapse_timeout: Field<Duration>,
    /// Store answers with `Set-Cookie`, that field included. Default false.
    pub store_set_cookie: Field<bool>,
}

fields!(
    Cache: ttl,
    ttl_max,
    max_body,
    stale_while_revalidate,
    stale_if_error,
    tags_header,
    shared,
    store_set_cookie,
    collapse_timeout,
);

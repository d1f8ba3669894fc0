//! Caches.

use super::super::at::At;
use super::super::raw;
use super::super::scalar::{Duration, Size};
use super::value::{header, lasting_ms};
use crate::policy::Cache;
use crate::wire::op::MAX_HOLD_MS;

const TTL_MAX_MS: u64 = 86_400_000;
const MAX_BODY: usize = 256 << 10;
const COLLAPSE_MS: u64 = 2_000;
/// Largest `max_body`, bytes: an answer is stored and read in one message, fields and all
/// ([`crate::wire::MAX_MESSAGE`]).
const MAX_MAX_BODY: u64 = 3 << 20;

pub(super) fn cache(name: &str, raw: &raw::Cache, at: &At<'_>) -> Option<Cache> {
    let ttl_ms = raw
        .ttl
        .value(None, |ttl| lasting_ms(ttl, &at.key("ttl")).map(Some));
    let ttl_max_ms = raw
        .ttl_max
        .value(TTL_MAX_MS, |ttl| lasting_ms(ttl, &at.key("ttl_max")));
    let max_body = raw
        .max_body
        .value(MAX_BODY, |size| max_body(size, &at.key("max_body")));
    let tags_header = raw
        .tags_header
        .value(None, |name| header(name, &at.key("tags_header")).map(Some));
    let shared = raw.shared.value(false, |&shared| Some(shared));
    let store_set_cookie = raw.store_set_cookie.value(false, |&store| Some(store));
    let collapse_ms = raw.collapse_timeout.value(COLLAPSE_MS, |timeout| {
        collapse_ms(timeout, &at.key("collapse_timeout"))
    });
    warn_of_stale(raw, at);

    let (ttl_ms, ttl_max_ms) = (ttl_ms?, ttl_max_ms?);
    if ttl_ms.is_some_and(|ttl| ttl > ttl_max_ms) {
        let ttl = raw.ttl.given().map_or("", |d| d.text.as_str());
        let ttl_max = raw.ttl_max.given().map_or("1d", |d| d.text.as_str());
        return at
            .key("ttl")
            .fail(format!("must be at most ttl_max ({ttl_max}), got {ttl}"));
    }
    Some(Cache {
        name: name.to_owned(),
        ttl_ms,
        ttl_max_ms,
        max_body: max_body?,
        tags_header: tags_header?,
        shared: shared?,
        store_set_cookie: store_set_cookie?,
        collapse_ms: collapse_ms?,
    })
}

fn collapse_ms(timeout: &Duration, at: &At<'_>) -> Option<u64> {
    match timeout.us / 1_000 {
        ms if ms > MAX_HOLD_MS => at.fail(format!("must be 0s to 30s, got {}", timeout.text)),
        ms => Some(ms),
    }
}

fn max_body(size: &Size, at: &At<'_>) -> Option<usize> {
    if size.bytes == 0 || size.bytes > MAX_MAX_BODY {
        return at.fail(format!("must be 1B to 3MiB, got {}", size.text));
    }
    usize::try_from(size.bytes).ok()
}

fn warn_of_stale(raw: &raw::Cache, at: &At<'_>) {
    let later = [
        ("stale_if_error", &raw.stale_if_error),
        ("stale_while_revalidate", &raw.stale_while_revalidate),
    ];
    for (name, field) in later {
        if field.given().is_some() {
            at.key(name)
                .warn("accepted, not acted upon by this version");
        }
    }
}

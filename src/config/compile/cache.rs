//! Caches.

use super::super::at::{At, Shown};
use super::super::field::Field;
use super::super::raw;
use super::super::scalar::{Duration, Percent, Size};
use super::key;
use super::value::{count, distinct, header, lasting_ms, list};
use crate::cache::record::MAX_EXTRAS;
use crate::policy::{Cache, KeyPart, Query};
use crate::wire::op::MAX_HOLD_MS;

const TTL_MAX_MS: u64 = 86_400_000;
const KEEP_MS: u64 = 3_600_000;
const COLLAPSE_MS: u64 = 2_000;
const MAX_BODY: usize = 256 << 10;
/// Largest `max_body`, bytes: an answer is stored and read in one message, fields and all
/// ([`crate::wire::MAX_MESSAGE`]).
const MAX_MAX_BODY: u64 = 3 << 20;
/// A worker's memory for one cache, bytes.
const L1_BYTES: (u64, u64) = (64 << 10, 256 << 20);
/// Half of a lifetime, in parts of 10,000.
const MAX_JITTER: u32 = 5_000;

pub(super) fn cache(name: &str, raw: &raw::Cache, at: &At<'_>) -> Option<Cache> {
    let time = |field: &Field<Duration>, name: &str| {
        field.value(None, |time| lasting_ms(time, &at.key(name)).map(Some))
    };
    let flag = |field: &Field<bool>| field.value(false, |&set| Some(set));

    let ttl_ms = time(&raw.ttl, "ttl");
    let ttl_max_ms = time(&raw.ttl_max, "ttl_max");
    let force_ttl_ms = time(&raw.force_ttl, "force_ttl");
    let keep_ms = time(&raw.keep, "keep");
    let stale_while_revalidate_ms = time(&raw.stale_while_revalidate, "stale_while_revalidate");
    let stale_if_error_ms = time(&raw.stale_if_error, "stale_if_error");
    let grace_ms = time(&raw.grace, "grace");
    let jitter = raw
        .jitter
        .value(0, |percent| jitter(percent, &at.key("jitter")));
    let max_body = raw
        .max_body
        .value(MAX_BODY, |size| max_body(size, &at.key("max_body")));
    let store_status = raw.store_status.value(Vec::new(), |statuses| {
        let at = at.key("store_status");
        let rules = list(statuses, &at, |status, _| Some(status.0))?;
        count(&rules, 16, &at)?;
        distinct(&rules, &at)?;
        Some(rules)
    });
    let tags_header = raw
        .tags_header
        .value(None, |name| header(name, &at.key("tags_header")).map(Some));
    let key = raw.key.value(Vec::new(), |parts| {
        let at = at.key("key");
        let parts = list(parts, &at, |part, at| key_part(part, at))?;
        count(&parts, MAX_EXTRAS, &at)?;
        distinct(&parts, &at)?;
        Some(parts)
    });
    let query = raw
        .query
        .value(Query::default(), |rules| query(rules, &at.key("query")));
    let strip_headers = raw.strip_headers.value(None, |names| {
        let at = at.key("strip_headers");
        let names = list(names, &at, |name, at| header(name, at))?;
        distinct(&names, &at)?;
        if names.len() > 64 {
            return at.fail(format!("must have at most 64 items, got {}", names.len()));
        }
        Some(Some(names))
    });

    let collapse_ms = raw.collapse_timeout.value(COLLAPSE_MS, |timeout| {
        collapse_ms(timeout, &at.key("collapse_timeout"))
    });

    let l1_bytes = raw.l1.value(0, |size| l1_bytes(size, &at.key("l1")));

    let (ttl_ms, ttl_max_ms) = (ttl_ms?, ttl_max_ms?.unwrap_or(TTL_MAX_MS));
    let force_ttl_ms = force_ttl_ms?;
    for (name, field, ms) in [
        ("ttl", &raw.ttl, ttl_ms),
        ("force_ttl", &raw.force_ttl, force_ttl_ms),
    ] {
        if ms.is_some_and(|ms| ms > ttl_max_ms) {
            let text = field.given().map_or("", |d| d.text.as_str());
            let most = raw.ttl_max.given().map_or("1d", |d| d.text.as_str());
            return at
                .key(name)
                .fail(format!("must be at most ttl_max ({most}), got {text}"));
        }
    }
    Some(Cache {
        name: name.to_owned(),
        ttl_ms,
        ttl_max_ms,
        force_ttl_ms,
        heuristic: flag(&raw.heuristic)?,
        jitter: jitter?,
        early_refresh: flag(&raw.early_refresh)?,
        keep_ms: keep_ms?.unwrap_or(KEEP_MS),
        max_body: max_body?,
        stale_while_revalidate_ms: stale_while_revalidate_ms?,
        stale_if_error_ms: stale_if_error_ms?,
        grace_ms: grace_ms?.unwrap_or(0),
        store_status: store_status?,
        tags_header: tags_header?,
        key: key?,
        query: query?,
        strip_headers: strip_headers?,
        content_type_check: flag(&raw.content_type_check)?,
        honor_request_directives: flag(&raw.honor_request_directives)?,
        shared: flag(&raw.shared)?,
        store_set_cookie: flag(&raw.store_set_cookie)?,
        collapse_ms: collapse_ms?,
        l1_bytes: l1_bytes?,
    })
}

fn l1_bytes(size: &Size, at: &At<'_>) -> Option<usize> {
    let (least, most) = L1_BYTES;
    if size.bytes < least || size.bytes > most {
        return at.fail(format!("must be 64KiB to 256MiB, got {}", size.text));
    }
    usize::try_from(size.bytes).ok()
}

fn max_body(size: &Size, at: &At<'_>) -> Option<usize> {
    if size.bytes == 0 || size.bytes > MAX_MAX_BODY {
        return at.fail(format!("must be 1B to 3MiB, got {}", size.text));
    }
    usize::try_from(size.bytes).ok()
}

fn collapse_ms(timeout: &Duration, at: &At<'_>) -> Option<u64> {
    match timeout.us / 1_000 {
        ms if ms > MAX_HOLD_MS => at.fail(format!("must be 0s to 30s, got {}", timeout.text)),
        ms => Some(ms),
    }
}

fn jitter(percent: &Percent, at: &At<'_>) -> Option<u32> {
    if percent.parts > MAX_JITTER {
        return at.fail(format!("must be at most 50%, got {}", percent.text));
    }
    Some(percent.parts)
}

fn key_part(text: &str, at: &At<'_>) -> Option<KeyPart> {
    let part = key::part(text, at)?;
    match part {
        KeyPart::Cookie(_) | KeyPart::Header(_) | KeyPart::SessionUser => Some(part),
        _ => at.fail(format!(
            "must be header:NAME, cookie:NAME or session.user, got {}",
            Shown(text)
        )),
    }
}

fn query(rules: &raw::Query, at: &At<'_>) -> Option<Query> {
    let ignore = rules.ignore.value(Vec::new(), |names| {
        let at = at.key("ignore");
        let names = list(names, &at, |name, at| parameter(name, at))?;
        count(&names, 32, &at)?;
        distinct(&names, &at)?;
        Some(names)
    });
    let sort = rules.sort.value(false, |&sort| Some(sort));
    Some(Query {
        ignore: ignore?,
        sort: sort?,
    })
}

fn parameter(name: &str, at: &At<'_>) -> Option<String> {
    let plain = |c: char| c.is_ascii_graphic() && !"&=#?+%".contains(c);
    let stem = name.strip_suffix('*').unwrap_or(name);
    if stem.is_empty() || stem.contains('*') || stem.len() > 128 || !stem.chars().all(plain) {
        return at.fail(format!(
            "must be the name of a query parameter, plain ASCII without & = # ? + %, at most 128 bytes, with \
             at most one * at its end, got {}",
            Shown(name)
        ));
    }
    Some(name.to_owned())
}

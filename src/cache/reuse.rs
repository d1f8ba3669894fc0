//! Whether a stored record answers a request, and how (RFC 9111, 4; RFC 9110, 13).

use super::list;
use super::record::Record;
use super::request::RequestMeta;
use super::status::Status;
use super::vary;
use crate::http::{Headers, date};

/// Fields that a 304 carries (RFC 9110, 15.4.5), and `Last-Modified` for an answer without ETag.
const IN_304: [&str; 7] = [
    "cache-control",
    "cache-status",
    "content-location",
    "date",
    "etag",
    "expires",
    "vary",
];

/// Whether a record may answer a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// It is no longer fresh.
    Expired,
    /// It may.
    Fresh {
        /// `current_age` (RFC 9111, 4.2.3), seconds.
        age_s: u64,
        /// Freshness left, seconds.
        ttl_s: u64,
    },
    /// It answers another request: a collision, or a record somebody else wrote (invariant C4).
    Mismatch,
}

/// An answer from store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The stored status, or 304.
    pub status: u16,
    /// All fields but Content-Length, which is the length of `body` (and none for 204 and 304).
    pub headers: Headers,
    /// The body; empty for 304. For HEAD it is what a GET would get: it gives the length and is not
    /// sent.
    pub body: &'a [u8],
}

/// Whether `record` answers `request`. `born_us` is when it had age 0 and `now_us` the time, both by
/// Redis' clock, microseconds since the epoch.
pub fn check(record: &Record<'_>, born_us: u64, now_us: u64, request: &RequestMeta<'_>) -> Reuse {
    let same = matches!(request.method, b"GET" | b"HEAD")
        && record.url == request.url.as_bytes()
        && record.policy == request.policy
        && record
            .vary
            .iter()
            .all(|(name, value)| vary::normalised(name, request.headers).as_deref() == *value);
    if !same {
        return Reuse::Mismatch;
    }
    let age_ms = now_us.saturating_sub(born_us) / 1000;
    match record.lifetime_ms.saturating_sub(age_ms) {
        0 => Reuse::Expired,
        left_ms => Reuse::Fresh {
            age_s: age_ms / 1000,
            ttl_s: left_ms / 1000,
        },
    }
}

/// The answer from a record that [`check`] found fresh: whole, or 304 when the client's copy is as good
/// (RFC 9111, 4.3.2). Range is ignored (RFC 9110, 14.2), and with it If-Range.
pub fn answer<'a>(
    record: &Record<'a>,
    request: &RequestMeta<'_>,
    age_s: u64,
    ttl_s: u64,
) -> Answer<'a> {
    let unmodified = record.status == 200 && client_has_it(record, request.headers);
    let mut headers = Headers::from_pairs(record.headers.iter().copied());
    if unmodified {
        let dated = !headers.contains("etag");
        headers.remove_if(|name, _| !(IN_304.contains(&name) || dated && name == "last-modified"));
    }
    headers.set("age", age_s.to_string());
    Status::Hit { ttl_s }.append_to(&mut headers);
    if unmodified {
        Answer {
            status: 304,
            headers,
            body: b"",
        }
    } else {
        Answer {
            status: record.status,
            headers,
            body: record.body,
        }
    }
}

/// RFC 9110, 13.1.2, 13.1.3 and 13.2.2: If-None-Match decides alone when it is there.
fn client_has_it(record: &Record<'_>, request: &Headers) -> bool {
    if request.contains("if-none-match") {
        let etag = record.only("etag");
        return request
            .all("if-none-match")
            .flat_map(list::entity_tags)
            .any(|candidate| {
                candidate == b"*"
                    || etag.is_some_and(|etag| opaque(candidate) == opaque(etag.trim_ascii()))
            });
    }
    let Some(since) = request
        .only("if-modified-since")
        .and_then(|text| date::parse(text, None))
    else {
        return false;
    };
    // RFC 9111, 4.3.2: Date stands in for a missing Last-Modified.
    let modified = record.only("last-modified").or_else(|| record.only("date"));
    modified
        .and_then(|text| date::parse(text, None))
        .is_some_and(|modified| modified <= since)
}

/// An entity tag without its weakness: weak comparison (RFC 9110, 8.8.3.2).
fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

#[cfg(test)]
mod tests;

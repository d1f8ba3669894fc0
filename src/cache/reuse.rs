//! Whether a stored record answers a request, and how (RFC 9111, 4; RFC 9110, 13 and 14).

use super::control::RequestControl;
use super::range::{self, Part};
use super::record::Record;
use super::request::RequestMeta;
use super::status::Status;
use super::{validate, vary};
use crate::http::Headers;

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

/// How old a stored answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age {
    /// `current_age` (RFC 9111, 4.2.3), milliseconds.
    pub age_ms: u64,
    /// Freshness left, milliseconds; negative when it ended.
    pub left_ms: i64,
}

/// Whether a record may answer a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// It may, as it is.
    Fresh(Age),
    /// It answers another request: a collision, or a record somebody else wrote (invariant C4).
    Mismatch,
    /// It would, and is not fresh enough.
    Stale(Age),
}

/// An answer from store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The stored status, or 206, 304, 416.
    pub status: u16,
    /// All fields but Content-Length, which is the length of `body` (and none for 204 and 304).
    pub headers: Headers,
    /// The body; empty for 304. For HEAD it is what a GET would get: it gives the length and is not
    /// sent.
    pub body: &'a [u8],
}

impl Age {
    /// Of a record that had age 0 at `born_us`, at `now_us`: both by Redis' clock, microseconds since the
    /// epoch.
    pub fn of(record: &Record<'_>, born_us: u64, now_us: u64) -> Self {
        let age_ms = now_us.saturating_sub(born_us) / 1000;
        let signed = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        Self {
            age_ms,
            left_ms: signed(record.lifetime_ms).saturating_sub(signed(age_ms)),
        }
    }

    /// Whole seconds of freshness left; below 0 when it ended.
    pub fn ttl_s(self) -> i64 {
        self.left_ms.div_euclid(1000)
    }

    /// For how long it has been stale, milliseconds.
    pub fn past_ms(self) -> u64 {
        u64::try_from(self.left_ms.saturating_neg()).unwrap_or(0)
    }
}

/// Whether `record` answers `request`. `asked` are the request's own directives, where they are honoured:
/// they can make it fresh no more (`no-cache`, `max-age`, `min-fresh`) or still (`max-stale`), RFC 9111,
/// 5.2.1.
pub fn check(
    record: &Record<'_>,
    born_us: u64,
    now_us: u64,
    request: &RequestMeta<'_>,
    asked: Option<&RequestControl>,
) -> Reuse {
    let same = matches!(request.method, b"GET" | b"HEAD")
        && record.url == request.url.as_bytes()
        && record.policy == request.policy
        && record
            .vary
            .iter()
            .all(|(name, value)| vary::normalised(name, request.headers).as_deref() == *value)
        && record.extras.len() == request.extras.len()
        && record
            .extras
            .iter()
            .zip(request.extras)
            .all(|(stored, asked)| *stored == asked.as_deref());
    if !same {
        return Reuse::Mismatch;
    }
    let age = Age::of(record, born_us, now_us);
    let fresh = !record.usage.validate && age.left_ms > 0;
    let usable = asked.map_or(fresh, |asked| asked_for(record, age, asked, fresh));
    if usable {
        Reuse::Fresh(age)
    } else {
        Reuse::Stale(age)
    }
}

fn asked_for(record: &Record<'_>, age: Age, asked: &RequestControl, fresh: bool) -> bool {
    let ms = |s: u64| s.saturating_mul(1000);
    let refused = asked.no_cache
        || asked.max_age.is_some_and(|s| age.age_ms > ms(s))
        || asked
            .min_fresh
            .is_some_and(|s| i64::try_from(ms(s)).unwrap_or(i64::MAX) > age.left_ms);
    let accepted =
        fresh || !record.usage.strict && asked.max_stale.is_some_and(|s| age.past_ms() <= ms(s));
    accepted && !refused
}

/// Whether a stale record may be used while it is refreshed (RFC 5861, 3).
pub fn while_revalidating(record: &Record<'_>, age: Age) -> bool {
    !record.usage.validate && age.past_ms() < record.usage.stale_while_ms
}

/// Whether it may stand in for a failure of the origin (RFC 5861, 4).
pub fn on_error(record: &Record<'_>, age: Age) -> bool {
    !record.usage.validate && age.past_ms() < record.usage.stale_error_ms
}

/// Whether a fresh record should be refreshed ahead of time: the sooner its freshness ends, and the longer
/// fetching it took, the likelier, so that of many only a few are early (Vattani, Chierichetti and
/// Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", 2015, with beta = 1). `roll` is evenly
/// distributed.
pub fn early(record: &Record<'_>, age: Age, roll: u32) -> bool {
    // In (0, 1], so that the logarithm is finite.
    let drawn = (f64::from(roll) + 1.0) / (f64::from(u32::MAX) + 1.0);
    let ahead_ms = f64::from(record.usage.fill_ms) * -drawn.ln();
    let left_ms = u32::try_from(age.left_ms.max(0)).unwrap_or(u32::MAX);
    ahead_ms >= f64::from(left_ms)
}

/// The answer from a record: whole, a part of it, or 304 when the client's copy is as good (RFC 9111,
/// 4.3.2). `status` is what is said of it.
pub fn answer<'a>(
    record: &Record<'a>,
    request: &RequestMeta<'_>,
    age: Age,
    status: Status,
) -> Answer<'a> {
    let unmodified = record.status == 200 && validate::client_has_it(record, request.headers);
    let mut headers = Headers::from_pairs(record.headers.iter().copied());
    if unmodified {
        let dated = !headers.contains("etag");
        headers.remove_if(|name, _| !(IN_304.contains(&name) || dated && name == "last-modified"));
    }
    headers.set("age", (age.age_ms / 1000).to_string());
    status.append_to(&mut headers);
    let whole = |status, headers, body| Answer {
        status,
        headers,
        body,
    };
    if unmodified {
        return whole(304, headers, b"");
    }
    let len = record.body.len();
    match range::wanted(record, request.method, request.headers) {
        Part::Whole => whole(record.status, headers, record.body),
        Part::Bytes(first, last) => {
            headers.set("content-range", format!("bytes {first}-{last}/{len}"));
            whole(
                206,
                headers,
                record.body.get(first..=last).unwrap_or_default(),
            )
        }
        Part::Unsatisfiable => {
            headers.remove("content-type");
            headers.remove("content-encoding");
            headers.set("content-range", format!("bytes */{len}"));
            whole(416, headers, b"")
        }
    }
}

#[cfg(test)]
mod tests;

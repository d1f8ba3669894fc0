//! How long an answer is fresh, and how old it is on arrival (RFC 9111, 4.2.1 and 4.2.3).

use super::control::{MAX_DELTA_S, delta_seconds};
use super::list;
use super::targeted::Directives;
use crate::http::{Headers, date};
use crate::policy;

/// Statuses that may be fresh without saying so (RFC 9110, 15.1). Not among them: 206, which is not stored.
pub(super) const HEURISTIC: [u16; 11] = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501];
/// A heuristic lifetime is the age of what has not changed divided by this (RFC 9111, 4.2.2: 10 %).
const HEURISTIC_PART: u64 = 10;
/// And a day at most.
const HEURISTIC_MAX_MS: u64 = 86_400_000;

/// When an answer arrived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timing {
    /// From the request's first byte upstream to the answer's headers, monotonic clock, milliseconds.
    pub response_delay_ms: u64,
    /// The fleet's clock (Redis') when the headers arrived, milliseconds since the epoch; `None` when
    /// it is not known. Then `Date` makes nothing older, and `Expires` needs a valid `Date`.
    pub wall_ms: Option<u64>,
    /// Evenly distributed: draws the jitter.
    pub roll: u32,
}

/// Where a freshness lifetime came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// `Expires` minus `Date`.
    Expires,
    /// The policy's `force_ttl`, whatever the answer says.
    Forced,
    /// A part of the time since `Last-Modified` (RFC 9111, 4.2.2).
    Heuristic,
    /// `Cache-Control: max-age`.
    MaxAge,
    /// The policy's `ttl`: the answer names none.
    Policy,
    /// `Cache-Control: s-maxage`.
    SMaxage,
}

/// A freshness lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// Milliseconds; 0 is stale from the start.
    pub ms: u64,
    /// Who said so.
    pub source: Source,
}

impl Source {
    /// Whether the origin said it.
    pub fn is_explicit(self) -> bool {
        !matches!(self, Self::Forced | Self::Heuristic | Self::Policy)
    }
}

impl Timing {
    fn wall_s(&self) -> Option<i64> {
        self.wall_ms.and_then(|ms| i64::try_from(ms / 1000).ok())
    }
}

/// The freshness lifetime: the policy's `force_ttl`, else `s-maxage`, else `max-age`, else `Expires`, else,
/// for a status that may have one not its own, a heuristic where the policy allows it, or the policy's
/// `ttl`; `None` when nobody names one. Several `Expires` lines, or one that is no date, mean stale (RFC
/// 9111, 4.2.1 and 5.3). The policy's `ttl_max` is applied by [`super::store`], which knows the age.
pub fn lifetime(
    directives: &Directives,
    status: u16,
    headers: &Headers,
    timing: &Timing,
    cache: &policy::Cache,
) -> Option<Lifetime> {
    let control = &directives.control;
    if let Some(ms) = cache.force_ttl_ms {
        return Some(Lifetime {
            ms,
            source: Source::Forced,
        });
    }
    let seconds = |s: u64, source| Lifetime {
        ms: s.saturating_mul(1000),
        source,
    };
    if let Some(s) = control.s_maxage {
        return Some(seconds(s, Source::SMaxage));
    }
    if let Some(s) = control.max_age {
        return Some(seconds(s, Source::MaxAge));
    }
    if headers.contains("expires") && !directives.targeted {
        return Some(seconds(
            expires(headers, timing).unwrap_or(0),
            Source::Expires,
        ));
    }
    let cacheable = HEURISTIC.contains(&status);
    if cache.heuristic && (cacheable || control.public) {
        if let Some(s) = since_modified_s(headers, timing) {
            return Some(seconds(s / HEURISTIC_PART, Source::Heuristic)).map(|life| Lifetime {
                ms: life.ms.min(HEURISTIC_MAX_MS),
                ..life
            });
        }
    }
    let named = cache.names_status(status);
    let ttl_ms = cache.ttl_ms.filter(|_| cacheable || named)?;
    Some(Lifetime {
        ms: ttl_ms,
        source: Source::Policy,
    })
}

/// Seconds from `Last-Modified` to `Date`, or to the arrival of an answer without one.
fn since_modified_s(headers: &Headers, timing: &Timing) -> Option<u64> {
    let modified = date::parse(headers.only("last-modified")?, timing.wall_s())?;
    let date = date_s(headers, timing).or_else(|| timing.wall_s())?;
    u64::try_from(date.saturating_sub(modified)).ok()
}

/// `corrected_initial_age` of RFC 9111, 4.2.3, milliseconds.
pub fn initial_age_ms(headers: &Headers, timing: &Timing) -> u64 {
    let corrected = age_s(headers)
        .saturating_mul(1000)
        .saturating_add(timing.response_delay_ms);
    let apparent = match (timing.wall_s(), date_s(headers, timing)) {
        (Some(now), Some(date)) => u64::try_from(now.saturating_sub(date)).unwrap_or(0),
        _ => 0,
    };
    corrected.max(apparent.saturating_mul(1000))
}

/// The `Age` field: the first member of the first line, ignored when it is no number (RFC 9111, 5.1). What
/// follows a `;` is dropped: such a field is no Age, but its number still says how old the answer is.
fn age_s(headers: &Headers) -> u64 {
    let first = headers
        .all("age")
        .next()
        .and_then(|line| list::members(line).next());
    let number = first.and_then(|age| age.split(|b| *b == b';').next());
    number
        .map(<[u8]>::trim_ascii)
        .and_then(delta_seconds)
        .unwrap_or(0)
}

/// `Date`, when there is one valid line.
fn date_s(headers: &Headers, timing: &Timing) -> Option<i64> {
    date::parse(headers.only("date")?, timing.wall_s())
}

/// `Expires - Date`, with the time of arrival for a `Date` that is missing or invalid (RFC 9110, 6.6.1).
fn expires(headers: &Headers, timing: &Timing) -> Option<u64> {
    let expires = date::parse(headers.only("expires")?, timing.wall_s())?;
    let date = date_s(headers, timing).or_else(|| timing.wall_s())?;
    u64::try_from(expires.saturating_sub(date))
        .ok()
        .map(|s| s.min(MAX_DELTA_S))
}

#[cfg(test)]
mod tests;

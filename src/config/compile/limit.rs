//! Limits.

mod cost;
mod denied;
mod lint;
mod shape;

use super::super::at::At;
use super::super::field::Field;
use super::super::raw;
use super::super::scalar::Whole;
use super::value::{count, list, within};
use super::{id, key};
use crate::policy::{ALL_KEYS, Algorithm, Apply, KeyPart, Limit, LimitHeaders, OnError};
use shape::Shape;

/// Parts of one key, at most.
const MAX_PARTS: usize = 16;
/// Statuses of one `apply`, at most.
const MAX_STATUSES: usize = 16;
/// Units of a `sliding_window_log`, at most: each admitted request is remembered for a window.
const MAX_LOG: u64 = crate::wire::op::MAX_LOGGED;
/// Longest `retry_jitter`, seconds.
const MAX_JITTER_S: u64 = 3_600;

pub(super) fn limit(name: &str, raw: &raw::Limit, at: &At<'_>) -> Option<Limit> {
    let algorithm = algorithm(raw, &at.key("algorithm"));
    let units = units(raw, &at.key("limit"));
    let shape = shape::shape(raw, at);
    let key = key(raw, &at.key("key"));
    let cost = cost::cost(&raw.cost, &at.key("cost"));
    let apply = apply(raw, &at.key("apply"));
    let overridable = raw.overridable.value(false, |&yes| Some(yes));
    let on_error = on_error(raw, at);
    let headers = headers(raw);
    let on_denied = denied::on_denied(&raw.on_denied, &at.key("on_denied"));
    let retry_jitter_s = retry_jitter_s(raw, &at.key("retry_jitter"));
    let shadow = raw.shadow.value(false, |&shadow| Some(shadow));
    let enforce = enforce(raw, &at.key("enforce"));
    let combined = cost::check(raw, at);

    let Shape {
        window_us,
        calendar,
        burst,
    } = shape?;
    let units = units?;
    let mut limit = Limit {
        calendar,
        burst: burst.unwrap_or(units),
        cost: cost?,
        apply: apply?,
        key: key?,
        overridable: overridable?,
        on_error: on_error?,
        on_denied: on_denied?,
        headers: headers?,
        retry_jitter_s: retry_jitter_s?,
        shadow: shadow?,
        enforce: enforce?,
        ..Limit::new(name, algorithm?, units, window_us)
    };
    limit.lease_max = lease_max(raw, &limit, &at.key("lease"))?;
    combined?;
    shape::check(&limit, raw, at)?;
    lint::warn(&limit, raw, at);
    limit.id = id::of(&limit);
    Some(limit)
}

fn algorithm(raw: &raw::Limit, at: &At<'_>) -> Option<Algorithm> {
    raw.algorithm.required(at).copied().map(compiled)
}

fn compiled(algorithm: raw::Algorithm) -> Algorithm {
    match algorithm {
        raw::Algorithm::FixedWindow => Algorithm::FixedWindow,
        raw::Algorithm::SlidingWindowLog => Algorithm::SlidingWindowLog,
        raw::Algorithm::SlidingWindow => Algorithm::SlidingWindow,
        raw::Algorithm::TokenBucket => Algorithm::TokenBucket,
        raw::Algorithm::LeakyBucket => Algorithm::LeakyBucket,
        raw::Algorithm::Concurrency => Algorithm::Concurrency,
    }
}

fn units(raw: &raw::Limit, at: &At<'_>) -> Option<u64> {
    let is_log = raw.algorithm.given() == Some(&raw::Algorithm::SlidingWindowLog);
    match raw.limit.required(at)?.0 {
        0 => at.fail("must be > 0, got 0"),
        units if is_log && units > MAX_LOG => at.fail(format!(
            "must be at most {MAX_LOG} with sliding_window_log, which remembers each request, got {units} \
             (sliding_window has no such bound)"
        )),
        units => Some(units),
    }
}

fn key(raw: &raw::Limit, at: &At<'_>) -> Option<Vec<KeyPart>> {
    let parts = raw.key.required(at)?;
    count(parts, MAX_PARTS, at)?;
    list(parts, at, |part, at| key::part(part, at))
}

fn apply(raw: &raw::Limit, at: &At<'_>) -> Option<Apply> {
    raw.apply.value(Apply::Request, |apply| {
        let to = match apply {
            raw::Apply::Request => return Some(Apply::Request),
            raw::Apply::To(to) => to,
        };
        let at = at.key("response_status");
        let rules = to.response_status.required(&at)?;
        count(rules, MAX_STATUSES, &at)?;
        let rules = list(rules, &at, |status, _| Some(status.0))?;
        super::value::distinct(&rules, &at)?;
        Some(Apply::ResponseStatus(rules))
    })
}

/// Units a worker takes in advance, at most: a part of what a key can hold, but one at least.
fn lease_max(raw: &raw::Limit, limit: &Limit, at: &At<'_>) -> Option<u64> {
    raw.lease.value(0, |lease| {
        let at = at.key("max");
        let max = lease.max.required(&at)?;
        if max.parts == 0 {
            return at.fail("must be > 0%, got 0% (leave lease out)");
        }
        let units = u128::from(limit.burst)
            .saturating_mul(u128::from(max.parts))
            .checked_div(u128::from(ALL_KEYS))?;
        u64::try_from(units.max(1)).ok()
    })
}

fn enforce(raw: &raw::Limit, at: &At<'_>) -> Option<u32> {
    raw.enforce.value(ALL_KEYS, |percent| {
        if raw.shadow.given() == Some(&true) {
            return at.fail("excludes shadow: true, which enforces nothing");
        }
        Some(percent.parts)
    })
}

fn retry_jitter_s(raw: &raw::Limit, at: &At<'_>) -> Option<u64> {
    raw.retry_jitter.value(0, |jitter| {
        let seconds = jitter.us / 1_000_000;
        let is_whole = jitter.us % 1_000_000 == 0;
        if !is_whole || !(1..=MAX_JITTER_S).contains(&seconds) {
            return at.fail(format!(
                "must be 1s to 1h, in whole seconds, as Retry-After is, got {}",
                jitter.text
            ));
        }
        Some(seconds)
    })
}

fn on_error(raw: &raw::Limit, at: &At<'_>) -> Option<OnError> {
    let at_peers = at.key("peers");
    let word = raw
        .on_error
        .value(raw::OnError::Allow, |&word| Some(word))?;
    match (word, &raw.peers) {
        (_, Field::Bad) => None,
        (raw::OnError::Local, Field::Absent) => {
            at_peers.fail("missing: with on_error: local each worker enforces limit / peers")
        }
        (raw::OnError::Local, Field::Given(_)) => {
            let peers = within(&raw.peers, 1, 1..=1_000_000, &at_peers)?;
            let peers = u32::try_from(peers).ok()?;
            Some(OnError::Local { peers })
        }
        (_, Field::Given(_)) => at_peers.fail("only with on_error: local"),
        (raw::OnError::Allow, Field::Absent) => Some(OnError::Allow),
        (raw::OnError::Deny, Field::Absent) => Some(OnError::Deny),
    }
}

fn headers(raw: &raw::Limit) -> Option<LimitHeaders> {
    raw.headers.value(LimitHeaders::Draft11, |word| {
        Some(match word {
            raw::LimitHeaders::Draft11 => LimitHeaders::Draft11,
            raw::LimitHeaders::Legacy => LimitHeaders::Legacy,
            raw::LimitHeaders::None => LimitHeaders::None,
        })
    })
}

/// The number, or `default`.
fn number(field: &Field<Whole>, default: u64) -> Option<u64> {
    field.value(default, |&Whole(number)| Some(number))
}

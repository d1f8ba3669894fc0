//! Limits.

use super::super::at::At;
use super::super::field::Field;
use super::super::raw;
use super::super::scalar::Whole;
use super::value::{count, is_bearable, lasting_us, list, within};
use super::{id, key};
use crate::policy::{Algorithm, Cost, KeyPart, Limit, LimitHeaders, OnError};

/// Parts of one key, at most.
const MAX_PARTS: usize = 16;
/// Numbers stay exact in Lua's doubles.
const MAX_EXACT: u64 = crate::wire::op::MAX_EXACT;

pub(super) fn limit(name: &str, raw: &raw::Limit, at: &At<'_>) -> Option<Limit> {
    let algorithm = algorithm(raw, &at.key("algorithm"));
    let units = units(raw, &at.key("limit"));
    let window_us = raw.window.required(&at.key("window"));
    let window_us = window_us.and_then(|window| lasting_us(window, &at.key("window")));
    let burst = burst(raw, at);
    let key = key(raw, &at.key("key"));
    let cost = within(&raw.cost, 1, 0..=MAX_EXACT, &at.key("cost"));
    let on_error = on_error(raw, at);
    let headers = headers(raw);
    let shadow = raw.shadow.value(false, |&shadow| Some(shadow));

    let (units, cost) = (units?, cost?);
    let mut limit = Limit {
        burst: burst?.unwrap_or(units),
        cost: Cost::Fixed(cost),
        key: key?,
        on_error: on_error?,
        headers: headers?,
        shadow: shadow?,
        ..Limit::new(name, algorithm?, units, window_us?)
    };
    check_bucket(&limit, raw, at)?;
    if cost > limit.burst {
        at.key("cost").warn("never fits: every request is refused");
    }
    limit.id = id::of(&limit);
    Some(limit)
}

fn algorithm(raw: &raw::Limit, at: &At<'_>) -> Option<Algorithm> {
    let word = match raw.algorithm.required(at)? {
        raw::Algorithm::FixedWindow => return Some(Algorithm::FixedWindow),
        raw::Algorithm::TokenBucket => return Some(Algorithm::TokenBucket),
        raw::Algorithm::SlidingWindowLog => "sliding_window_log",
        raw::Algorithm::SlidingWindow => "sliding_window",
        raw::Algorithm::LeakyBucket => "leaky_bucket",
        raw::Algorithm::Concurrency => "concurrency",
    };
    at.fail(format!(
        "{word} is not built in this version, built are: fixed_window, token_bucket"
    ))
}

fn units(raw: &raw::Limit, at: &At<'_>) -> Option<u64> {
    match raw.limit.required(at)?.0 {
        0 => at.fail("must be > 0, got 0"),
        units => Some(units),
    }
}

fn burst(raw: &raw::Limit, at: &At<'_>) -> Option<Option<u64>> {
    let at = at.key("burst");
    raw.burst.value(None, |&Whole(burst)| {
        if let Some(raw::Algorithm::FixedWindow) = raw.algorithm.given() {
            return at.fail("only with algorithm: token_bucket");
        }
        match burst {
            0 => at.fail("must be > 0, got 0"),
            burst => Some(Some(burst)),
        }
    })
}

fn key(raw: &raw::Limit, at: &At<'_>) -> Option<Vec<KeyPart>> {
    let parts = raw.key.required(at)?;
    count(parts, MAX_PARTS, at)?;
    list(parts, at, |part, at| key::part(part, at))
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

/// A bucket counts in whole microseconds: the time of one unit is at least one, rounded up, and that
/// of the whole burst is a time a key may live. Shard time plus the latter then stays below 2^53.
fn check_bucket(limit: &Limit, raw: &raw::Limit, at: &At<'_>) -> Option<()> {
    if limit.algorithm != Algorithm::TokenBucket {
        return Some(());
    }
    let window = raw.window.given().map_or("", |window| window.text.as_str());
    if limit.limit > limit.window_us {
        return at.key("limit").fail(format!(
            "must be at most {} in {window}: token_bucket counts in whole microseconds, got {}",
            limit.window_us, limit.limit
        ));
    }
    let unit_us = limit.window_us.div_ceil(limit.limit);
    if !is_bearable(unit_us.checked_mul(limit.burst)) {
        return at.key("burst").fail(format!(
            "must refill within 366d, got {} at {} in {window}",
            limit.burst, limit.limit
        ));
    }
    Some(())
}

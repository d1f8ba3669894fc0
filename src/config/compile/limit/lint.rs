//! What is accepted, and probably not meant.

use super::super::super::at::At;
use super::super::super::raw;
use super::shape::emission_us;
use crate::policy::{Algorithm, Cost, KeyPart, Limit, OnError};

/// From here on a window is a budget rather than a rate, microseconds.
const BUDGET_US: u64 = 86_400_000_000;
/// A lease is at most an eighth of what is left: parts of 10,000.
const EIGHTH: u32 = 1_250;
/// Fields in which a client may say any address it likes.
const ADDRESSES: [&str; 4] = [
    "forwarded",
    "true-client-ip",
    "x-forwarded-for",
    "x-real-ip",
];

pub(super) fn warn(limit: &Limit, raw: &raw::Limit, at: &At<'_>) {
    costs(limit, &at.key("cost"));
    rates(limit, at);
    lease(limit, raw, &at.key("lease"));
    let parts = limit.key.iter().enumerate();
    for (index, part) in parts {
        if let KeyPart::Header(name) = part
            && ADDRESSES.contains(&name.as_str())
        {
            at.key("key").item(index).warn(
                "a client writes it as it likes: client.ip with client_ip.trusted_hops counts only \
                 what your own proxies added",
            );
        }
    }
    if let OnError::Local { peers } = limit.on_error
        && u64::from(peers) > limit.limit
    {
        at.key("peers").warn(&format!(
            "more than limit: a worker alone still lets 1 through, all together {peers}"
        ));
    }
}

/// Costs that never fit. A slot always does, and a `leaky_bucket` takes any cost when it is idle.
fn costs(limit: &Limit, at: &At<'_>) {
    let holds = match limit.algorithm {
        Algorithm::Concurrency | Algorithm::LeakyBucket => return,
        _ => limit.burst,
    };
    let never = |at: &At<'_>| at.warn("never fits: every request is refused");
    match limit.cost {
        Cost::Fixed(units) if units > holds => never(at),
        Cost::RequestHeader { min, .. } if min > holds => never(&at.key("min")),
        Cost::RequestHeader { max, .. } if max > holds => at.key("max").warn(&format!(
            "more than {holds} never fits: such requests are refused"
        )),
        Cost::ResponseHeader { reserve, .. } if reserve > holds => never(&at.key("reserve")),
        _ => {}
    }
}

fn rates(limit: &Limit, at: &At<'_>) {
    if let Cost::RequestHeader { min: 0, .. } = limit.cost {
        at.key("cost")
            .key("min")
            .warn("a client that asks for 0 is never counted");
    }
    match limit.algorithm {
        Algorithm::TokenBucket if limit.window_us >= BUDGET_US && limit.burst >= limit.limit => {
            at.key("algorithm").warn(&format!(
                "token_bucket is a rate, no budget: up to {} fit in one window (burst + limit); \
                 fixed_window with window: day, month, ... counts a quota",
                limit.burst.saturating_add(limit.limit)
            ));
        }
        Algorithm::LeakyBucket if limit.burst < emission_us(limit) => at
            .key("max_delay")
            .warn("shorter than window / limit: nothing ever waits, it passes or is refused"),
        _ => {}
    }
}

fn lease(limit: &Limit, raw: &raw::Limit, at: &At<'_>) {
    let at = at.key("max");
    let max = raw.lease.given().and_then(|lease| lease.max.given());
    let Some(max) = max else { return };
    if limit.lease_max < 2 {
        at.warn("comes to 1 unit, which saves no exchange");
    } else if max.parts > EIGHTH {
        at.warn(
            "a lease is never more than an eighth of what is left: above 12.5% changes nothing",
        );
    }
}

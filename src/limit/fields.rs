//! What a client is told about its limits: response fields of
//! draft-ietf-httpapi-ratelimit-headers-11 (2026-05-23), the older `X-RateLimit-*`, and Retry-After.

use crate::policy::{Algorithm, Limit, LimitHeaders};
use crate::wire::reply::{TakeState, Taken};
use core::fmt::Write as _;

/// Names of the draft's parameters. One table, because a rename is under discussion
/// (ietf-wg-httpapi/ratelimit-headers, pull request 166).
struct Names {
    /// Field that states the policies.
    policy_field: &'static str,
    /// Field that states what is available.
    limit_field: &'static str,
    /// Units per window.
    quota: &'static str,
    /// What a unit is, when it is no request.
    quota_unit: &'static str,
    /// The window, whole seconds.
    window: &'static str,
    /// Units available.
    available: &'static str,
    /// Seconds within which no more than `available` can be used.
    effective_window: &'static str,
}

const DRAFT_11: Names = Names {
    policy_field: "ratelimit-policy",
    limit_field: "ratelimit",
    quota: "q",
    quota_unit: "qu",
    window: "w",
    available: "r",
    effective_window: "t",
};

/// Largest Integer of a structured field (RFC 9651, 3.3.1).
const MAX_INTEGER: u64 = 999_999_999_999_999;
const SECOND_US: u64 = 1_000_000;

/// The fields to append to an answer, one list item per limit, in the order given. Shadow limits and
/// those with `headers: none` are not shown. Fields the upstream sent stay; lists merge.
///
/// `X-RateLimit-*` can speak of one limit only: the one with the least left, of those that use them.
/// Its `-Reset` is seconds from now.
pub fn fields<'a>(
    taken: impl IntoIterator<Item = (&'a Limit, &'a Taken)>,
) -> Vec<(&'static str, String)> {
    let mut policies = String::new();
    let mut available = String::new();
    let mut legacy: Option<(&Limit, &Taken)> = None;
    for (limit, taken) in taken.into_iter().filter(|(limit, _)| !limit.shadow) {
        match limit.headers {
            LimitHeaders::Draft11 => {
                policy_item(&mut policies, limit, taken);
                limit_item(&mut available, limit, taken);
            }
            LimitHeaders::Legacy => {
                let least = legacy.is_none_or(|(_, least)| taken.available < least.available);
                if least {
                    legacy = Some((limit, taken));
                }
            }
            LimitHeaders::None => {}
        }
    }
    let mut fields = Vec::new();
    if !policies.is_empty() {
        fields.push((DRAFT_11.policy_field, policies));
        fields.push((DRAFT_11.limit_field, available));
    }
    if let Some((limit, taken)) = legacy {
        fields.push(("x-ratelimit-limit", quota(limit, taken).to_string()));
        fields.push(("x-ratelimit-remaining", taken.available.to_string()));
        fields.push(("x-ratelimit-reset", seconds(taken.reset_us).to_string()));
    }
    fields
}

/// `Retry-After` of a denial, seconds, at least 1: when every limit that denied would let the same cost
/// pass, and never before the end of its `t` (draft-11, 8.4). `None` when one of them never will, or
/// none denied. Shadow limits do not count.
///
/// Slots end at any time, long before the one that would expire first, so `concurrency` says 1.
pub fn retry_after_s<'a>(taken: impl IntoIterator<Item = (&'a Limit, &'a Taken)>) -> Option<u64> {
    let mut longest = None;
    for (limit, taken) in taken.into_iter().filter(|(limit, _)| !limit.shadow) {
        let wait_us = match taken.state {
            TakeState::Ok => continue,
            TakeState::Never => return None,
            TakeState::Busy if limit.algorithm == Algorithm::Concurrency => 0,
            TakeState::Busy => taken.retry_us,
            TakeState::Denied => taken.retry_us.max(taken.reset_us),
        };
        longest = longest.max(Some(seconds(wait_us).max(1)));
    }
    longest
}

/// `"per-ip";q=100;w=60`. A window that is no whole number of seconds cannot be said, nor can one of the
/// calendar, whose length differs: `w` is left out. What is in flight has no window.
fn policy_item(out: &mut String, limit: &Limit, taken: &Taken) {
    item(out, &limit.name);
    parameter(out, DRAFT_11.quota, quota(limit, taken));
    if limit.algorithm == Algorithm::Concurrency {
        let _ = write!(out, ";{}=\"concurrent-requests\"", DRAFT_11.quota_unit);
    } else if limit.calendar.is_none()
        && limit.window_us > 0
        && limit.window_us.is_multiple_of(SECOND_US)
    {
        parameter(out, DRAFT_11.window, seconds(limit.window_us));
    }
}

/// `"per-ip";r=42;t=18`.
fn limit_item(out: &mut String, limit: &Limit, taken: &Taken) {
    item(out, &limit.name);
    parameter(out, DRAFT_11.available, taken.available);
    if limit.algorithm != Algorithm::Concurrency {
        parameter(out, DRAFT_11.effective_window, seconds(taken.reset_us));
    }
}

/// The key's own limit, when it has one.
fn quota(limit: &Limit, taken: &Taken) -> u64 {
    match taken.limit {
        0 => limit.limit,
        own => own,
    }
}

/// Starts a list item: a String (RFC 9651, 3.3.3).
fn item(out: &mut String, name: &str) {
    if !out.is_empty() {
        out.push_str(", ");
    }
    out.push('"');
    for c in name.chars().filter(|c| matches!(c, ' '..='~')) {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

fn parameter(out: &mut String, name: &str, value: u64) {
    let _ = write!(out, ";{name}={}", value.min(MAX_INTEGER));
}

/// Rounded up: a client told to wait must not come early.
fn seconds(us: u64) -> u64 {
    us.div_ceil(SECOND_US)
}

#[cfg(test)]
mod tests;

//! For how long a stored answer may be used after its freshness (RFC 9111, 4.2.4; RFC 5861).

use super::control::{ResponseControl, Scope};
use super::record::Usage;
use crate::policy;

/// What the answer allows, and where it says nothing, the policy. Each window starts when freshness ends.
///
/// `no-cache`, `must-revalidate` and `proxy-revalidate` forbid it whatever else is said. `s-maxage` implies
/// `proxy-revalidate` (RFC 9111, 5.2.2.10), so it keeps the policy from adding a window; one that the same
/// answer names itself counts (`s-maxage=60, stale-while-revalidate=30` is what origins write for caches
/// like this one). An error is not worth being used in the place of another.
pub(super) fn usage(
    control: &ResponseControl,
    status: u16,
    fill_ms: u32,
    cache: &policy::Cache,
) -> Usage {
    let validate = control.no_cache == Scope::Everything;
    let forbidden = validate || control.must_revalidate || control.proxy_revalidate;
    let strict = forbidden || control.s_maxage.is_some();
    let window = |said: Option<u64>, policy: Option<u64>| match said {
        _ if forbidden => 0,
        Some(s) => s.saturating_mul(1000),
        None if strict => 0,
        None => policy.unwrap_or(cache.grace_ms),
    };
    let error_ms = window(control.stale_if_error, cache.stale_if_error_ms);
    Usage {
        stale_while_ms: window(
            control.stale_while_revalidate,
            cache.stale_while_revalidate_ms,
        ),
        stale_error_ms: if status < 500 { error_ms } else { 0 },
        fill_ms,
        validate,
        strict,
        direct: false,
    }
}

/// Whether this status of the origin is one that a stored answer may stand in for (RFC 5861, 4). A dropped
/// connection and a timeout come as Envoy's 503 and 504.
pub fn is_failure(status: u16) -> bool {
    matches!(status, 500 | 502 | 503 | 504)
}

#[cfg(test)]
mod tests;

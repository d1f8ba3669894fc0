//! The conditions of RFC 9111, 3, one by one.

use super::super::control::{ResponseControl, Scope};
use super::super::freshness::{self, Timing};
use super::super::request::{self, RequestMeta};
use super::super::targeted::Directives;
use super::{NotStored, ResponseMeta};
use crate::http::{Headers, cookie};
use crate::policy::{self, Credential};
use crate::session::is_reserved;
use crate::wire::op::MAX_TTL_MS;

/// Statuses whose meaning for caching is known here (`must-understand`, RFC 9111, 5.2.2.3).
const UNDERSTOOD: [u16; 22] = [
    200, 201, 202, 203, 204, 300, 301, 302, 303, 307, 308, 401, 403, 404, 405, 406, 410, 414, 415,
    421, 451, 501,
];

pub(super) fn request(request: &RequestMeta<'_>) -> Result<(), NotStored> {
    if request.method != b"GET" {
        return Err(NotStored::Method);
    }
    if request::has_body(request.headers) {
        return Err(NotStored::RequestBody);
    }
    if request::forbids_storing(request.headers) {
        return Err(NotStored::RequestNoStore);
    }
    Ok(())
}

/// Never: interim, partial and validation answers. Only where the policy names them: errors that a single
/// odd request can provoke (cache-poisoned denial of service).
pub(super) fn status(status: u16, cache: &policy::Cache) -> Result<(), NotStored> {
    let risky = status >= 500 || matches!(status, 400 | 413 | 414 | 431);
    let never = !(200..=599).contains(&status) || matches!(status, 206 | 304);
    if never || risky && !cache.names_status(status) {
        return Err(NotStored::Status);
    }
    Ok(())
}

pub(super) fn control(control: &ResponseControl, status: u16) -> Result<(), NotStored> {
    // RFC 9111, 5.2.2.3: who implements must-understand ignores no-store for a status it knows, and
    // stores no other.
    let understood = control.must_understand && UNDERSTOOD.contains(&status);
    if (control.must_understand || control.no_store) && !understood {
        return Err(NotStored::NoStore);
    }
    if control.private == Scope::Everything {
        return Err(NotStored::Private);
    }
    Ok(())
}

/// RFC 9111, 3.5, which a session follows too unless the policy says `shared`, or keeps what it stores
/// apart by user.
pub(super) fn sharing(
    request: &RequestMeta<'_>,
    control: &ResponseControl,
    headers: &Headers,
    cache: &policy::Cache,
) -> Result<(), NotStored> {
    if headers.iter().any(|(name, _)| is_reserved(name)) {
        return Err(NotStored::Session);
    }
    let allowed = control.public || control.s_maxage.is_some() || control.must_revalidate;
    if request.headers.contains("authorization") && !allowed {
        return Err(NotStored::Authorization);
    }
    if request.session && !cache.shared && !cache.by_user() && !allowed {
        return Err(NotStored::Session);
    }
    Ok(())
}

/// Whether the end of the message can be told; the announced length.
pub(super) fn framing(response: &ResponseMeta<'_>) -> Result<Option<u64>, NotStored> {
    let headers = response.headers;
    if headers.contains("trailer") {
        return Err(NotStored::Framing);
    }
    if headers.contains("content-length") {
        let length = headers
            .only("content-length")
            .and_then(|text| core::str::from_utf8(text).ok());
        let digits = length.filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
        return digits
            .and_then(|text| text.parse().ok())
            .map(Some)
            .ok_or(NotStored::Framing);
    }
    let chunked = headers
        .only("transfer-encoding")
        .is_some_and(|v| v.eq_ignore_ascii_case(b"chunked"));
    if response.end_of_stream {
        return Ok(Some(0));
    }
    if chunked || response.self_framed {
        Ok(None)
    } else {
        Err(NotStored::Framing)
    }
}

/// Age and lifetime. What says `no-cache` needs none.
pub(super) fn freshness(
    directives: &Directives,
    response: &ResponseMeta<'_>,
    timing: &Timing,
    cache: &policy::Cache,
) -> Result<(u64, u64), NotStored> {
    let ResponseMeta {
        status, headers, ..
    } = *response;
    let age_ms = freshness::initial_age_ms(headers, timing);
    if directives.control.no_cache == Scope::Everything {
        return Ok((age_ms, 0));
    }
    let lifetime = freshness::lifetime(directives, status, headers, timing, cache);
    let lifetime_ms = lifetime.ok_or(NotStored::NoFreshness)?.ms;
    // The cap is on what is left, so that an answer which was old on arrival still has a life.
    let left_ms = lifetime_ms
        .saturating_sub(age_ms)
        .min(cache.ttl_max_ms)
        .min(MAX_TTL_MS);
    let left_ms = left_ms.saturating_sub(jitter_ms(left_ms, timing.roll, cache));
    let lifetime_ms = match left_ms {
        0 => lifetime_ms.min(age_ms),
        _ => age_ms.saturating_add(left_ms),
    };
    Ok((age_ms, lifetime_ms))
}

/// What is taken off a lifetime, so that what was stored together does not expire together: up to the
/// policy's share of it.
fn jitter_ms(left_ms: u64, roll: u32, cache: &policy::Cache) -> u64 {
    let most = u128::from(left_ms).saturating_mul(u128::from(cache.jitter));
    let drawn = most.saturating_mul(u128::from(roll)) >> 32;
    u64::try_from(drawn / policy::Cache::WHOLE).unwrap_or(0)
}

pub(super) fn set_cookie(
    request: &RequestMeta<'_>,
    kept: &Headers,
    cache: &policy::Cache,
) -> Result<(), NotStored> {
    let stored = kept.contains("set-cookie");
    if stored && (!cache.store_set_cookie || sets_own_cookie(request, kept)) {
        return Err(NotStored::SetCookie);
    }
    Ok(())
}

/// Whether a Set-Cookie line sets the realm's own cookie.
fn sets_own_cookie(request: &RequestMeta<'_>, headers: &Headers) -> bool {
    let Some(Credential::Cookie(own)) = request.credential else {
        return false;
    };
    headers
        .all("set-cookie")
        .any(|line| cookie::set_name(line) == own.as_bytes())
}

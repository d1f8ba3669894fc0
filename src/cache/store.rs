//! Which answers are stored (RFC 9111, 3), and as what.

use super::control::{ResponseControl, Scope};
use super::freshness::{self, Timing};
pub use super::reason::NotStored;
use super::record::{MAX_HEADERS, Record};
use super::request::{self, RequestMeta};
use super::vary::Vary;
use super::{fields, tags};
use crate::http::{Headers, cookie};
use crate::policy::{self, Credential};
use crate::session::is_reserved;
use crate::wire::op::MAX_TTL_MS;

/// Statuses that may be stored without freshness of their own (RFC 9110, 15.1), less those that
/// `never_stored` names.
const HEURISTIC: [u16; 9] = [200, 203, 204, 300, 301, 308, 404, 405, 410];

/// Statuses whose meaning for caching is known here (`must-understand`, RFC 9111, 5.2.2.3).
const UNDERSTOOD: [u16; 20] = [
    200, 201, 202, 203, 204, 300, 301, 302, 303, 307, 308, 401, 403, 404, 405, 406, 410, 415, 421,
    451,
];

/// An answer whose headers have arrived.
#[derive(Debug, Clone, Copy)]
pub struct ResponseMeta<'a> {
    /// `:status`.
    pub status: u16,
    /// Its fields as the upstream sent them.
    pub headers: &'a Headers,
    /// The headers are all of it.
    pub end_of_stream: bool,
    /// The upstream's protocol marks the end of a message (HTTP/2, HTTP/3). False when not known.
    pub self_framed: bool,
}

/// An answer that is to be stored once its body is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storing {
    /// Canonical URL.
    pub url: Vec<u8>,
    /// [`Vary::field`] of the request that was answered, for `vary`.
    pub field: [u8; 16],
    /// The answer's Vary list.
    pub vary: Vary,
    /// Age on arrival (RFC 9111, 4.2.3), milliseconds.
    pub age_ms: u64,
    /// Freshness lifetime counted from age 0, milliseconds; > `age_ms`.
    pub lifetime_ms: u64,
    /// What it can be purged by.
    pub tags: Vec<Vec<u8>>,
    /// Bytes that the body must have, when the answer says.
    pub content_length: Option<u64>,
    /// Bytes that the body may have.
    pub max_body: usize,
    policy: String,
    status: u16,
    selected: Vec<(String, Option<Vec<u8>>)>,
    headers: Headers,
}

/// Whether an answer may be stored, decided on its headers.
pub fn storable(
    request: &RequestMeta<'_>,
    response: &ResponseMeta<'_>,
    timing: &Timing,
    cache: &policy::Cache,
) -> Result<Storing, NotStored> {
    checked_request(request)?;
    let ResponseMeta {
        status, headers, ..
    } = *response;
    if never_stored(status) {
        return Err(NotStored::Status);
    }
    if headers.contains("content-range") {
        return Err(NotStored::Range);
    }
    let control = ResponseControl::parse(headers.all("cache-control"));
    checked_control(&control, status)?;
    checked_sharing(request, &control, headers, cache)?;
    let content_length = checked_framing(response)?;
    if content_length.is_some_and(|n| n > cache.max_body as u64) {
        return Err(NotStored::TooLarge);
    }
    let (age_ms, lifetime_ms) = checked_freshness(&control, response, timing, cache)?;
    let vary = Vary::of_response(headers).map_err(NotStored::Vary)?;
    let tags = tags::of_response(headers, cache.tags_header.as_deref()).ok_or(NotStored::Tags)?;
    let kept = fields::kept(headers, &control);
    if kept.contains("set-cookie") && (!cache.store_set_cookie || sets_own_cookie(request, &kept)) {
        return Err(NotStored::SetCookie);
    }
    if kept.len() > MAX_HEADERS {
        return Err(NotStored::Headers);
    }
    let selected = vary.select(request.headers).into_iter();
    Ok(Storing {
        url: request.url.as_bytes().to_vec(),
        field: vary.field(request.policy, request.headers),
        selected: selected
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        vary,
        age_ms,
        lifetime_ms,
        tags,
        content_length,
        max_body: cache.max_body,
        policy: request.policy.to_owned(),
        status,
        headers: kept,
    })
}

impl Storing {
    /// Age and time to live after `elapsed_ms` since the headers arrived, milliseconds: what
    /// `CACHE.PUT` carries. [`NotStored::Stale`] when nothing is left.
    pub fn times(&self, elapsed_ms: u64) -> Result<(u64, u64), NotStored> {
        let age_ms = self.age_ms.saturating_add(elapsed_ms);
        match self.lifetime_ms.saturating_sub(age_ms).min(MAX_TTL_MS) {
            0 => Err(NotStored::Stale),
            ttl_ms => Ok((age_ms, ttl_ms)),
        }
    }

    /// The record, from the whole body. The caller has seen the message end without an error and
    /// without trailers; the announced length is checked here (invariant C6).
    pub fn encode(&self, body: &[u8]) -> Result<Vec<u8>, NotStored> {
        if self.content_length.is_some_and(|n| n != body.len() as u64) {
            return Err(NotStored::Incomplete);
        }
        if body.len() > self.max_body {
            return Err(NotStored::TooLarge);
        }
        let record = Record {
            url: &self.url,
            policy: &self.policy,
            vary: self
                .selected
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_deref()))
                .collect(),
            lifetime_ms: self.lifetime_ms,
            status: self.status,
            headers: self.headers.iter().collect(),
            body,
        };
        record.encode().map_err(|_| NotStored::Headers)
    }
}

fn checked_request(request: &RequestMeta<'_>) -> Result<(), NotStored> {
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

/// Interim, partial and validation answers, and errors that a single odd request can provoke
/// (cache-poisoned denial of service).
fn never_stored(status: u16) -> bool {
    !(200..=499).contains(&status) || matches!(status, 206 | 304 | 400 | 413 | 414 | 431)
}

fn checked_control(control: &ResponseControl, status: u16) -> Result<(), NotStored> {
    // RFC 9111, 5.2.2.3: who implements must-understand ignores no-store for a status it knows, and
    // stores no other.
    let understood = control.must_understand && UNDERSTOOD.contains(&status);
    if (control.must_understand || control.no_store) && !understood {
        return Err(NotStored::NoStore);
    }
    if control.private == Scope::Everything {
        return Err(NotStored::Private);
    }
    if control.no_cache == Scope::Everything {
        return Err(NotStored::NoCache);
    }
    Ok(())
}

/// RFC 9111, 3.5, which a session follows too unless the policy says `shared`.
fn checked_sharing(
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
    if request.session && !cache.shared && !allowed {
        return Err(NotStored::Session);
    }
    Ok(())
}

/// Whether the end of the message can be told; the announced length.
fn checked_framing(response: &ResponseMeta<'_>) -> Result<Option<u64>, NotStored> {
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

/// Age and lifetime.
fn checked_freshness(
    control: &ResponseControl,
    response: &ResponseMeta<'_>,
    timing: &Timing,
    cache: &policy::Cache,
) -> Result<(u64, u64), NotStored> {
    let lifetime = freshness::lifetime(control, response.headers, timing, cache);
    let lifetime = lifetime.ok_or(NotStored::NoFreshness)?;
    if !lifetime.source.is_explicit() && !HEURISTIC.contains(&response.status) {
        return Err(NotStored::NoFreshness);
    }
    let age_ms = freshness::initial_age_ms(response.headers, timing);
    // The cap is on what is left, so that an answer which was old on arrival still has a life.
    let left_ms = lifetime
        .ms
        .saturating_sub(age_ms)
        .min(cache.ttl_max_ms)
        .min(MAX_TTL_MS);
    if left_ms == 0 {
        return Err(NotStored::Stale);
    }
    Ok((age_ms, age_ms.saturating_add(left_ms)))
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

#[cfg(test)]
mod tests;

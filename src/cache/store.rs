//! Which answers are stored (RFC 9111, 3), and as what.

mod checks;

use super::content_type;
use super::freshness::Timing;
use super::groups;
pub use super::reason::NotStored;
use super::record::{MAX_HEADERS, Record, Usage};
use super::request::RequestMeta;
use super::stale;
use super::targeted::Directives;
use super::vary::Vary;
use super::{fields, tags, validate};
use crate::http::Headers;
use crate::policy;
use crate::wire::op::MAX_TTL_MS;

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
    /// Freshness lifetime counted from age 0, milliseconds.
    pub lifetime_ms: u64,
    /// How it may be used once it is not fresh.
    pub usage: Usage,
    /// How long it is worth keeping after its freshness, or after now if that is over, to be validated;
    /// milliseconds.
    pub keep_ms: u64,
    /// What it can be purged by.
    pub tags: Vec<Vec<u8>>,
    /// Bytes that the body must have, when the answer says.
    pub content_length: Option<u64>,
    /// Bytes that the body may have.
    pub max_body: usize,
    policy: String,
    status: u16,
    selected: Vec<(String, Option<Vec<u8>>)>,
    extras: Vec<Option<Vec<u8>>>,
    headers: Headers,
}

/// What `CACHE.PUT` carries, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// Age now.
    pub age_ms: u64,
    /// Freshness left; 0 when each use needs a validation.
    pub fresh_ms: u64,
    /// How long it is kept; > 0.
    pub ttl_ms: u64,
}

/// Whether an answer may be stored, decided on its headers.
pub fn storable(
    request: &RequestMeta<'_>,
    response: &ResponseMeta<'_>,
    timing: &Timing,
    cache: &policy::Cache,
) -> Result<Storing, NotStored> {
    checks::request(request)?;
    let ResponseMeta {
        status, headers, ..
    } = *response;
    checks::status(status, cache)?;
    let directives = Directives::of(headers);
    checks::control(&directives.control, status)?;
    checks::sharing(request, &directives.control, headers, cache)?;
    let content_length = checks::framing(response)?;
    if content_length.is_some_and(|n| n > cache.max_body as u64) {
        return Err(NotStored::TooLarge);
    }
    if cache.content_type_check && content_type::contradicts(request.url.path(), headers) {
        return Err(NotStored::ContentType);
    }
    let (age_ms, lifetime_ms) = checks::freshness(&directives, response, timing, cache)?;
    let vary = Vary::of_response(headers).map_err(NotStored::Vary)?;
    let mut tags =
        tags::of_response(headers, cache.tags_header.as_deref()).ok_or(NotStored::Tags)?;
    groups::add_tags(request.url, headers, &mut tags).ok_or(NotStored::Tags)?;
    let kept = fields::kept(headers, &directives.control);
    checks::set_cookie(request, &kept, cache)?;
    if kept.len() > MAX_HEADERS {
        return Err(NotStored::Headers);
    }
    let fill_ms = u32::try_from(timing.response_delay_ms).unwrap_or(u32::MAX);
    let usage = stale::usage(&directives.control, status, fill_ms, cache);
    let validated = (200..300).contains(&status) && validate::has_validator(&kept);
    let selected = vary.select(request.headers).into_iter();
    let storing = Storing {
        url: request.url.as_bytes().to_vec(),
        field: vary.field(request.policy, request.headers, request.extras),
        selected: selected
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        vary,
        age_ms,
        lifetime_ms,
        usage,
        keep_ms: if validated { cache.keep_ms } else { 0 },
        tags,
        content_length,
        max_body: cache.max_body,
        policy: request.policy.to_owned(),
        status,
        extras: request.extras.to_vec(),
        headers: kept,
    };
    match storing.times(0) {
        Err(NotStored::Stale) if usage.validate => Err(NotStored::NoCache),
        Err(why) => Err(why),
        Ok(_) => Ok(storing),
    }
}

impl Storing {
    /// The times after `elapsed_ms` since the headers arrived. [`NotStored::Stale`] when there is nothing
    /// it could be used for.
    pub fn times(&self, elapsed_ms: u64) -> Result<Times, NotStored> {
        let age_ms = self.age_ms.saturating_add(elapsed_ms);
        let left_ms = self.lifetime_ms.saturating_sub(age_ms);
        let past_ms = age_ms.saturating_sub(self.lifetime_ms);
        let stale_ms = self.usage.stale_while_ms.max(self.usage.stale_error_ms);
        let useful_ms = if self.usage.validate {
            self.keep_ms
        } else {
            let after_ms = stale_ms.saturating_sub(past_ms).max(self.keep_ms);
            left_ms.saturating_add(after_ms)
        };
        match useful_ms.min(MAX_TTL_MS) {
            0 => Err(NotStored::Stale),
            ttl_ms => Ok(Times {
                age_ms,
                fresh_ms: if self.usage.validate {
                    0
                } else {
                    left_ms.min(ttl_ms)
                },
                ttl_ms,
            }),
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
        self.record(body).encode().map_err(|_| NotStored::Headers)
    }

    /// What is stored, with this body.
    pub fn record<'a>(&'a self, body: &'a [u8]) -> Record<'a> {
        Record {
            url: &self.url,
            policy: &self.policy,
            vary: self
                .selected
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_deref()))
                .collect(),
            extras: self.extras.iter().map(Option::as_deref).collect(),
            lifetime_ms: self.lifetime_ms,
            usage: self.usage,
            status: self.status,
            headers: self.headers.iter().collect(),
            body,
        }
    }
}

#[cfg(test)]
mod tests;

//! What a refused client gets.

use super::super::super::at::{At, Shown};
use super::super::super::field::Field;
use super::super::super::raw;
use super::super::super::scalar::Whole;
use super::super::value::{header, push};
use crate::policy::OnDenied;

/// Longest body, bytes: it is kept in every worker and written for every refusal.
const MAX_BODY: usize = 8 << 10;
/// Longest value of a header, bytes.
const MAX_VALUE: usize = 1 << 10;
/// Headers, at most.
const MAX_HEADERS: usize = 16;

/// Fields of one connection (RFC 9110 section 7.6.1), and those that frame the message.
const OF_CONNECTION: [&str; 9] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Fields that tidegate computes for each refusal.
const OURS: [&str; 3] = ["ratelimit", "ratelimit-policy", "retry-after"];

pub(super) fn on_denied(raw: &Field<raw::OnDenied>, at: &At<'_>) -> Option<OnDenied> {
    raw.value(OnDenied::default(), |raw| {
        if let (Field::Absent, Field::Absent, Field::Absent) =
            (&raw.status, &raw.body, &raw.headers)
        {
            return at.fail("needs one of status, body, headers");
        }
        let status = raw.status.value(None, |status| {
            self::status(status, &at.key("status")).map(Some)
        });
        let body = raw
            .body
            .value(None, |body| self::body(body, &at.key("body")).map(Some));
        let at_headers = at.key("headers");
        let headers = raw
            .headers
            .value(Vec::new(), |headers| self::headers(headers, &at_headers));
        let (body, headers) = (body?, headers?);
        let typed = headers.iter().any(|(name, _)| name == "content-type");
        match &body {
            None if typed => {
                return at_headers
                    .key("content-type")
                    .fail("only with body: the problem+json has its own");
            }
            Some(body) if !typed && !body.is_empty() => {
                at.key("body").warn("has no content-type among headers");
            }
            _ => {}
        }
        Some(OnDenied {
            status: status?,
            body,
            headers,
        })
    })
}

fn status(status: &Whole, at: &At<'_>) -> Option<u16> {
    match u16::try_from(status.0) {
        Ok(status @ 400..=599) => Some(status),
        _ => at.fail(format!("must be 400 to 599, got {}", status.0)),
    }
}

fn body(body: &str, at: &At<'_>) -> Option<String> {
    if body.len() > MAX_BODY {
        return at.fail(format!("must be at most 8KiB, got {} bytes", body.len()));
    }
    Some(body.to_owned())
}

fn headers(raw: &raw::Named<String>, at: &At<'_>) -> Option<Vec<(String, String)>> {
    if raw.0.len() > MAX_HEADERS {
        return at.fail(format!(
            "must have at most {MAX_HEADERS} items, got {}",
            raw.0.len()
        ));
    }
    let mut headers = Some(Vec::with_capacity(raw.0.len()));
    for (name, value) in &raw.0 {
        let at = at.key(name);
        let name = self::name(name, &at);
        let twice = name.as_ref().is_some_and(|name| {
            let mut names = headers.iter().flatten().map(|(name, _): &(String, _)| name);
            names.any(|other| other == name)
        });
        if twice {
            at.error("given twice: names of headers differ in more than case");
        }
        let value = value.given().and_then(|value| self::value(value, &at));
        push(&mut headers, name.filter(|_| !twice).zip(value));
    }
    headers
}

fn name(name: &str, at: &At<'_>) -> Option<String> {
    let name = header(name, at)?;
    if OF_CONNECTION.contains(&name.as_str()) {
        return at
            .fail("is of the connection or of the message's length, and not for a policy to say");
    }
    if OURS.contains(&name.as_str()) {
        return at.fail("tidegate says it itself for each refusal (retry_jitter, headers)");
    }
    Some(name)
}

/// Printable ASCII, with no space at an end, which no receiver would see (RFC 9110 section 5.5).
fn value(value: &str, at: &At<'_>) -> Option<String> {
    let plain = value.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    if !plain || value.len() > MAX_VALUE || value.trim() != value {
        return at.fail(format!(
            "must be printable ASCII, at most {MAX_VALUE} bytes, no space at either end, got {}",
            Shown(value)
        ));
    }
    Some(value.to_owned())
}

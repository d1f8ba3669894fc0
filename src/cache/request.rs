//! What a request may do with the cache.

use super::control::RequestControl;
use super::key::Url;
use super::list;
use crate::http::Headers;
use crate::policy::{self, Credential, KeyPart};

/// Request fields that make origins answer for another host, path, scheme or method than the URL says.
/// No field here is part of the key, so requests that could be cached lose them on their way to the
/// upstream unless the policy has a list of its own (`strip_headers`), or a key with one (all eight caches measured in November 2026 could be poisoned through one of them).
pub const OVERRIDES: [&str; 14] = [
    "forwarded",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-scheme",
    "x-forwarded-server",
    "x-host",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-url",
    "x-rewrite-url",
    "x-url-scheme",
];

/// The request that an answer belongs to.
#[derive(Debug, Clone, Copy)]
pub struct RequestMeta<'a> {
    /// `:method`.
    pub method: &'a [u8],
    /// Its URL.
    pub url: &'a Url,
    /// Name of the policy that decided.
    pub policy: &'a str,
    /// Its fields as the upstream gets them: identity fields set, our own credential and
    /// [`OVERRIDES`] removed. What the upstream does not see cannot have shaped its answer.
    pub headers: &'a Headers,
    /// It carried a credential of our session realm.
    pub session: bool,
    /// Values of the policy's own `key`, in its order; `None`: the request has none.
    pub extras: &'a [Option<Vec<u8>>],
    /// The realm's credential, if the policy has one: its cookie is never stored.
    pub credential: Option<&'a Credential>,
}

/// What a request may do with the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// Neither looks up nor stores nor invalidates.
    Bypass(Bypass),
    /// Forward it; a non-error answer invalidates ([`super::invalidate::targets`]).
    Unsafe,
    /// Look it up.
    Use {
        /// An answer to it could be stored. When not (HEAD), it should not hold a fill lease.
        fill: bool,
    },
}

/// Why a request does not use the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bypass {
    /// GET or HEAD with a body: the body is not in the key ("fat GET").
    Body,
    /// CONNECT, or a request to leave HTTP.
    Upgrade,
    /// A safe method that is never answered from store.
    Method,
    /// `If-Match` or `If-Unmodified-Since`: for the origin alone (RFC 9111, 4.3.2).
    Precondition,
    /// Scheme, authority and path make no canonical URL.
    Url,
}

impl Bypass {
    /// A token that names it in Cache-Status and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Body => "request-body",
            Self::Upgrade => "upgrade",
            Self::Method => "method",
            Self::Precondition => "precondition",
            Self::Url => "url",
        }
    }
}

/// What a request may do; `end_of_stream` says that its headers are all of it.
///
/// Range is not a reason to bypass: a stored 200 answers it, and a 206 is never stored. Request directives
/// (`no-cache`, `max-age`, ...) are ignored unless the policy honours them, so that no client can force
/// traffic to the origin; `no-store` keeps the answer from being stored.
pub fn lookup(method: &[u8], headers: &Headers, end_of_stream: bool) -> Lookup {
    let fill = match method {
        b"GET" => true,
        b"HEAD" => false,
        b"OPTIONS" | b"TRACE" => return Lookup::Bypass(Bypass::Method),
        b"CONNECT" => return Lookup::Bypass(Bypass::Upgrade),
        _ => return Lookup::Unsafe,
    };
    if headers.contains("upgrade") {
        return Lookup::Bypass(Bypass::Upgrade);
    }
    if !end_of_stream || has_body(headers) {
        return Lookup::Bypass(Bypass::Body);
    }
    if headers.contains("if-match") || headers.contains("if-unmodified-since") {
        return Lookup::Bypass(Bypass::Precondition);
    }
    Lookup::Use { fill }
}

/// Removes the fields that are not in the key and make origins answer for something else; whether there
/// were any. `_` counts as `-`, because many origins read it so.
pub fn strip_overrides(headers: &mut Headers, cache: &policy::Cache) -> bool {
    headers.remove_if(|name, _| is_override(name, cache))
}

/// Whether a field is one of the policy's `strip_headers`, or of [`OVERRIDES`] where it has no such list.
pub fn is_override(name: &str, cache: &policy::Cache) -> bool {
    let same = |a: u8, b: u8| a == b || (a == b'_' && b == b'-');
    let is = |other: &str| {
        name.len() == other.len() && name.bytes().zip(other.bytes()).all(|(a, b)| same(a, b))
    };
    let keyed = || {
        let mut parts = cache.key.iter();
        parts.any(|part| matches!(part, KeyPart::Header(own) if is(own)))
    };
    let listed = match &cache.strip_headers {
        Some(names) => names.iter().any(|other| is(other)),
        None => OVERRIDES.iter().any(|other| is(other)),
    };
    listed && !keyed()
}

/// The request's own directives, where the policy honours them. Pragma says `no-cache` for those that know
/// no Cache-Control (RFC 9111, 5.4).
pub fn directives(headers: &Headers, cache: &policy::Cache) -> Option<RequestControl> {
    if !cache.honor_request_directives {
        return None;
    }
    let mut control = RequestControl::parse(headers.all("cache-control"));
    if !headers.contains("cache-control") {
        let mut pragma = headers.all("pragma").flat_map(list::members);
        control.no_cache |= pragma.any(|word| word.eq_ignore_ascii_case(b"no-cache"));
    }
    Some(control)
}

/// Whether the fields announce a body.
pub(super) fn has_body(headers: &Headers) -> bool {
    headers.contains("transfer-encoding")
        || headers
            .all("content-length")
            .any(|value| value.trim_ascii() != b"0")
}

/// Whether the request forbids storing its answer (RFC 9111, 5.2.1.5).
pub(super) fn forbids_storing(headers: &Headers) -> bool {
    RequestControl::parse(headers.all("cache-control")).no_store
}

#[cfg(test)]
mod tests;

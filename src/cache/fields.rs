//! Which fields of an answer are stored (RFC 9111, 3.1).

use super::control::ResponseControl;
use super::list;
use crate::http::Headers;
use crate::session::is_reserved;

/// The fields to store: everything but
///
/// - what belongs to one connection or one proxy (RFC 9110, 7.6.1; RFC 9111, 3.1), the framing, and
///   `Age`, which is made anew;
/// - fields that `no-cache` or `private` name (RFC 9111, 5.2.2.4 and 5.2.2.7): a shared cache that
///   does not validate must not reuse them;
/// - what describes one exchange with this proxy: `x-envoy-*`, rate limit fields.
///
/// Set-Cookie stays, unless named: the caller decides whether the answer may be stored at all.
pub(super) fn kept(headers: &Headers, control: &ResponseControl) -> Headers {
    let nominated: Vec<Vec<u8>> = headers
        .all("connection")
        .flat_map(list::members)
        .map(<[u8]>::to_ascii_lowercase)
        .collect();
    let mut kept = headers.clone();
    kept.remove_if(|name, _| {
        dropped(name)
            || nominated.iter().any(|other| other == name.as_bytes())
            || control.no_cache.names(name)
            || control.private.names(name)
    });
    kept
}

fn dropped(name: &str) -> bool {
    let exact = matches!(
        name,
        "age"
            | "connection"
            | "content-length"
            | "keep-alive"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    );
    let prefixes = [":", "proxy-", "ratelimit", "x-envoy-", "x-ratelimit-"];
    exact || is_reserved(name) || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests;

//! Finds a realm's token in a request, and takes it out of what the upstream gets.
//!
//! Two credentials of one realm in one request are ambiguous even when they are equal (specs/sessions.md:
//! 400): a cookie planted from a sibling domain stands beside ours, and which one wins must not depend
//! on who parses it. The realm's other kind of credential is not looked at: a bearer token does not
//! open a cookie realm, so a request is subject to CSRF checks exactly when its realm says so.

use crate::http::cookie::{self, Without};
use crate::http::headers::{Headers, Line};
use crate::policy::Credential;

const COOKIE: &str = "cookie";
const AUTHORIZATION: &str = "authorization";

/// What a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<'a> {
    /// Two or more: answer 400.
    Ambiguous,
    /// No credential of this realm.
    None,
    /// One, not yet verified; any bytes.
    One(&'a [u8]),
}

/// The credential of a realm: over all `Cookie` lines (HTTP/2 sends crumbs, RFC 9113, 8.2.3), or the
/// one `Authorization` line. Linear in the size of those lines.
pub fn find<'a>(credential: &'a Credential, headers: &'a Headers) -> Found<'a> {
    match credential {
        Credential::Bearer => {
            let mut lines = headers.all(AUTHORIZATION);
            match (lines.next(), lines.next()) {
                (_, Some(_)) => Found::Ambiguous,
                (Some(line), None) => match bearer(line) {
                    // Envoy joins two lines into one; no token has a comma (RFC 6750, 2.1: b64token).
                    Some(token) if token.contains(&b',') => Found::Ambiguous,
                    token => token.map_or(Found::None, Found::One),
                },
                (None, None) => Found::None,
            }
        }
        Credential::Cookie(name) => {
            let mut values = headers
                .all(COOKIE)
                .flat_map(|line| cookie::values(line, name.as_bytes()));
            match (values.next(), values.next()) {
                (_, Some(_)) => Found::Ambiguous,
                (Some(value), None) => Found::One(value),
                (None, None) => Found::None,
            }
        }
    }
}

/// Removes a realm's credential: every cookie of its name, leaving the other cookies byte for byte, or
/// every bearer line. A field with nothing left is removed. Whether there was anything to remove.
pub fn strip(credential: &Credential, headers: &mut Headers) -> bool {
    match credential {
        Credential::Bearer => {
            headers.remove_if(|name, value| name == AUTHORIZATION && bearer(value).is_some())
        }
        Credential::Cookie(name) => strip_cookie(name.as_bytes(), headers),
    }
}

/// The token of `Authorization: Bearer <token>` (RFC 6750, 2.1); the scheme's case does not matter
/// (RFC 9110, 11.1). `None` for another scheme. A scheme alone is an empty token.
fn bearer(line: &[u8]) -> Option<&[u8]> {
    let line = line.trim_ascii();
    let (scheme, rest) = line.split_at_checked(6)?;
    let separated = rest.first().is_none_or(|b| matches!(b, b' ' | b'\t'));
    (scheme.eq_ignore_ascii_case(b"bearer") && separated).then(|| rest.trim_ascii_start())
}

fn strip_cookie(cookie: &[u8], headers: &mut Headers) -> bool {
    let mut found = false;
    headers.edit(|name, line| {
        if name != COOKIE {
            return Line::Keep;
        }
        match cookie::without(line, cookie) {
            Without::Untouched => Line::Keep,
            Without::Nothing => {
                found = true;
                Line::Drop
            }
            Without::Line(rest) => {
                found = true;
                Line::Set(rest)
            }
        }
    });
    found
}

/// Entry of a fuzz target: lines of `Cookie` and `Authorization`, separated by line feeds, the latter
/// starting with `!`. Panics when a credential outlives its removal or another field is touched.
#[cfg(any(test, fuzzing))]
pub fn fuzz_strip(data: &[u8]) {
    let lines = data
        .split(|b| *b == b'\n')
        .map(|line| match line.split_first() {
            Some((b'!', line)) => (AUTHORIZATION, line),
            _ => (COOKIE, line),
        });
    let headers = Headers::from_pairs(lines);
    for credential in [Credential::Bearer, Credential::Cookie("sid".to_owned())] {
        let mut left = headers.clone();
        let stripped = strip(&credential, &mut left);
        let untouched = match credential {
            Credential::Bearer => COOKIE,
            Credential::Cookie(_) => AUTHORIZATION,
        };
        assert_eq!(stripped, left != headers);
        assert!(stripped || !matches!(find(&credential, &headers), Found::One(_)));
        assert!(!matches!(find(&credential, &left), Found::One(_)));
        assert!(headers.all(untouched).eq(left.all(untouched)));
    }
}

#[cfg(test)]
mod tests;

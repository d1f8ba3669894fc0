//! Resolves a limit's key parts against a request.
//!
//! A part the request does not have makes the limit not apply to it: [`Missing`], counted as `skipped`.
//! The other choices are worse by default. One bucket for everyone without the part lets a single client
//! use it up for all others; refusing turns an optional header into a required one without saying so.
//! Whoever needs every request counted adds a limit by `client.ip` beside it.

use super::client_ip::ClientKey;
use super::subject::Subject;
use crate::http::cookie;
use crate::http::headers::Headers;
use crate::policy::KeyPart;
use core::fmt;
use std::borrow::Cow;

/// What key parts are read from.
#[derive(Debug, Clone, Copy)]
pub struct RequestView<'a> {
    /// `:method`.
    pub method: &'a [u8],
    /// `:authority`, as received.
    pub host: &'a [u8],
    /// `:path`, with its query.
    pub path: &'a [u8],
    /// The request's fields.
    pub headers: &'a Headers,
    /// The client's address; none for a peer without one.
    pub client_ip: Option<ClientKey>,
    /// The matched route; none when no route matched.
    pub route: Option<&'a str>,
    /// The session, when the request carries a token of ours.
    pub session: Option<SessionKey<'a>>,
}

/// The session parts of a key; both are hashes.
#[derive(Debug, Clone, Copy)]
pub struct SessionKey<'a> {
    /// [`crate::session::Token::user`].
    pub user: &'a [u8; 12],
    /// [`crate::session::Token::key_hash`].
    pub id: &'a [u8; 15],
}

/// The request lacks a part of the key, so the limit does not apply to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing<'a>(
    /// The part.
    pub &'a KeyPart,
);

impl fmt::Display for Missing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            KeyPart::Cookie(name) => write!(f, "no cookie {name}"),
            KeyPart::Header(name) => write!(f, "no header {name}"),
            KeyPart::Query(name) => write!(f, "no query parameter {name}"),
            KeyPart::SessionId | KeyPart::SessionUser => f.write_str("no session"),
            KeyPart::ClientIp => f.write_str("no client address"),
            KeyPart::Route => f.write_str("no route"),
            KeyPart::Host | KeyPart::Literal(_) | KeyPart::Method | KeyPart::Path => {
                f.write_str("no request line")
            }
        }
    }
}

impl core::error::Error for Missing<'_> {}

/// The subject a limit with this key counts the request by.
///
/// # Errors
///
/// The first part the request does not have.
pub fn resolve<'p>(
    parts: &'p [KeyPart],
    request: &RequestView<'_>,
) -> Result<[u8; 16], Missing<'p>> {
    let mut subject = Subject::new();
    for part in parts {
        let value = value(part, request).ok_or(Missing(part))?;
        subject = subject.part(&value);
    }
    Ok(subject.finish())
}

/// The value of one part.
fn value<'a>(part: &'a KeyPart, request: &RequestView<'a>) -> Option<Cow<'a, [u8]>> {
    match part {
        KeyPart::ClientIp => request
            .client_ip
            .as_ref()
            .map(|key| Cow::Owned(key.as_bytes().to_vec())),
        KeyPart::Cookie(name) => joined(
            request
                .headers
                .all("cookie")
                .flat_map(|line| cookie::values(line, name.as_bytes())),
            b"; ",
        ),
        KeyPart::Header(name) => joined(request.headers.all(name), b", "),
        KeyPart::Host => Some(Cow::Owned(
            host_without_port(request.host).to_ascii_lowercase(),
        )),
        KeyPart::Literal(text) => Some(Cow::Borrowed(text.as_bytes())),
        KeyPart::Method => Some(Cow::Borrowed(request.method)),
        KeyPart::Path => request.path.split(|b| *b == b'?').next().map(Cow::Borrowed),
        KeyPart::Query(name) => query_value(request.path, name.as_bytes()),
        KeyPart::Route => request.route.map(|name| Cow::Borrowed(name.as_bytes())),
        KeyPart::SessionId => request
            .session
            .map(|session| Cow::Borrowed(session.id.as_slice())),
        KeyPart::SessionUser => request
            .session
            .map(|session| Cow::Borrowed(session.user.as_slice())),
    }
}

/// All values, as one line would carry them (RFC 9110, 5.3): adding a second line does not hide the
/// first. `None` when there is none; one that is empty is a value.
fn joined<'a>(
    mut values: impl Iterator<Item = &'a [u8]>,
    separator: &[u8],
) -> Option<Cow<'a, [u8]>> {
    let mut whole = Cow::Borrowed(values.next()?);
    for value in values {
        let whole = whole.to_mut();
        whole.extend_from_slice(separator);
        whole.extend_from_slice(value);
    }
    Some(whole)
}

/// `example.com:80` -> `example.com`, `[::1]:80` -> `[::1]`.
fn host_without_port(host: &[u8]) -> &[u8] {
    let mut halves = host.rsplitn(2, |b| *b == b':');
    match (halves.next(), halves.next()) {
        (Some(port), Some(name)) if port.iter().all(u8::is_ascii_digit) => {
            // The colons of an IPv6 address separate no port.
            if name.contains(&b':') && name.last() != Some(&b']') {
                host
            } else {
                name
            }
        }
        _ => host,
    }
}

/// The first parameter called `name` in the query of `path`, percent-decoded, as is its name. Split at
/// `&` only; `+` is itself; a malformed escape is left as it is; a parameter without `=` is empty.
fn query_value<'a>(path: &'a [u8], name: &[u8]) -> Option<Cow<'a, [u8]>> {
    let start = path.iter().position(|b| *b == b'?')?.checked_add(1)?;
    let query = path.get(start..)?.split(|b| *b == b'#').next()?;
    query
        .split(|b| *b == b'&')
        .filter(|pair| !pair.is_empty())
        .find_map(|pair| {
            let mut halves = pair.splitn(2, |b| *b == b'=');
            let found = percent_decoded(halves.next()?);
            (*found == *name).then(|| percent_decoded(halves.next().unwrap_or_default()))
        })
}

fn percent_decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'%') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let escape = match after {
            [high, low, after @ ..] if byte == b'%' => {
                hex(*high).zip(hex(*low)).map(|(h, l)| (h << 4 | l, after))
            }
            _ => None,
        };
        let (byte, after) = escape.unwrap_or((byte, after));
        out.push(byte);
        rest = after;
    }
    Cow::Owned(out)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|n| u8::try_from(n).ok())
}

#[cfg(test)]
mod tests;

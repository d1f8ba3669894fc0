//! Parts of a limit's key.

use super::super::at::{At, Shown};
use super::value::{header, token};
use crate::policy::KeyPart;

const KNOWN: &str = "client.ip, session.user, session.id, header:NAME, cookie:NAME, query:NAME, path, \
                     host, method, route, or a text in quotes of its own";
/// Longest literal and longest query parameter, bytes.
const MAX_TEXT: usize = 256;

/// Reads one part.
pub(super) fn part(text: &str, at: &At<'_>) -> Option<KeyPart> {
    match text {
        "client.ip" => return Some(KeyPart::ClientIp),
        "host" => return Some(KeyPart::Host),
        "method" => return Some(KeyPart::Method),
        "path" => return Some(KeyPart::Path),
        "route" => return Some(KeyPart::Route),
        "session.id" => return Some(KeyPart::SessionId),
        "session.user" => return Some(KeyPart::SessionUser),
        _ => {}
    }
    match text.split_once(':') {
        Some(("header", name)) => return header(name, at).map(KeyPart::Header),
        Some(("cookie", name)) => {
            let name = token(name, "the name of a cookie", at)?;
            return Some(KeyPart::Cookie(name.to_owned()));
        }
        Some(("query", name)) => return query(name, at),
        _ => {}
    }
    match text.chars().next() {
        Some(quote @ ('\'' | '"')) => literal(text, quote, at),
        _ => at.fail(format!("unknown key part {}, known: {KNOWN}", Shown(text))),
    }
}

/// Whether a part needs a session.
pub(super) fn is_of_session(part: &str) -> bool {
    part.starts_with("session.")
}

/// One text for each part.
pub(super) fn canonical(part: &KeyPart) -> String {
    match part {
        KeyPart::ClientIp => "client.ip".to_owned(),
        KeyPart::Cookie(name) => format!("cookie:{name}"),
        KeyPart::Header(name) => format!("header:{name}"),
        KeyPart::Host => "host".to_owned(),
        KeyPart::Literal(text) => format!("'{text}'"),
        KeyPart::Method => "method".to_owned(),
        KeyPart::Path => "path".to_owned(),
        KeyPart::Query(name) => format!("query:{name}"),
        KeyPart::Route => "route".to_owned(),
        KeyPart::SessionId => "session.id".to_owned(),
        KeyPart::SessionUser => "session.user".to_owned(),
    }
}

fn query(name: &str, at: &At<'_>) -> Option<KeyPart> {
    let plain = |c: char| c.is_ascii_graphic() && !"&=#?+%".contains(c);
    if name.is_empty() || name.len() > MAX_TEXT || !name.chars().all(plain) {
        return at.fail(format!(
            "must be the name of a query parameter, plain ASCII without & = # ? + %, got {}",
            Shown(name)
        ));
    }
    Some(KeyPart::Query(name.to_owned()))
}

fn literal(text: &str, quote: char, at: &At<'_>) -> Option<KeyPart> {
    let inner = text
        .strip_prefix(quote)
        .and_then(|text| text.strip_suffix(quote));
    match inner {
        Some(inner) if !inner.is_empty() && inner.len() <= MAX_TEXT && !inner.contains(quote) => {
            Some(KeyPart::Literal(inner.to_owned()))
        }
        _ => at.fail(format!(
            "must be 1 to {MAX_TEXT} bytes between two {quote} and without another, got {}",
            Shown(text)
        )),
    }
}

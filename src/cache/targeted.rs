//! Whose word counts: Cache-Control, or a field meant for caches like this one (RFC 9213).

use super::control::{MAX_DELTA_S, ResponseControl, Scope};
use super::list;
use super::sf::{self, Value};
use crate::http::Headers;

/// The fields that target this cache, the most specific first (RFC 9213, 2.2).
const TARGETS: [&str; 1] = ["cdn-cache-control"];

/// What an answer says to this cache.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directives {
    /// The directives.
    pub control: ResponseControl,
    /// They come from a targeted field: Cache-Control and Expires are ignored (RFC 9213, 2.1).
    pub targeted: bool,
}

impl Directives {
    /// Reads the targeted field when there is a valid one, else Cache-Control.
    pub fn of(headers: &Headers) -> Self {
        let targeted = TARGETS.iter().find_map(|name| read(headers, name));
        match targeted {
            Some(control) => Self {
                control,
                targeted: true,
            },
            None => Self {
                control: ResponseControl::parse(headers.all("cache-control")),
                targeted: false,
            },
        }
    }
}

/// `None`: the field is absent, empty or no dictionary of what directives hold, and is to be ignored.
fn read(headers: &Headers, name: &str) -> Option<ResponseControl> {
    let lines: Vec<&[u8]> = headers.all(name).map(<[u8]>::trim_ascii).collect();
    let members = sf::dictionary(&lines.join(&b","[..]))?;
    if members.is_empty() {
        return None;
    }
    let mut out = ResponseControl::default();
    for (key, value) in members {
        match key.as_str() {
            "immutable" => out.immutable = flag(&value)?,
            "max-age" => out.max_age = Some(seconds(&value)?),
            "must-revalidate" => out.must_revalidate = flag(&value)?,
            "must-understand" => out.must_understand = flag(&value)?,
            "no-cache" => out.no_cache = scope(&value)?,
            "no-store" => out.no_store = flag(&value)?,
            "no-transform" => out.no_transform = flag(&value)?,
            "private" => out.private = scope(&value)?,
            "proxy-revalidate" => out.proxy_revalidate = flag(&value)?,
            "public" => out.public = flag(&value)?,
            "s-maxage" => out.s_maxage = Some(seconds(&value)?),
            "stale-if-error" => out.stale_if_error = Some(seconds(&value)?),
            "stale-while-revalidate" => out.stale_while_revalidate = Some(seconds(&value)?),
            _ => {}
        }
    }
    Some(out)
}

fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Boolean(set) => Some(*set),
        _ => None,
    }
}

fn seconds(value: &Value) -> Option<u64> {
    match value {
        Value::Integer(n) => u64::try_from(*n).ok().map(|n| n.min(MAX_DELTA_S)),
        _ => None,
    }
}

/// A string is a list of field names, as in Cache-Control.
fn scope(value: &Value) -> Option<Scope> {
    match value {
        Value::Boolean(true) => Some(Scope::Everything),
        Value::Boolean(false) => Some(Scope::Nothing),
        Value::String(text) => {
            let names = list::members(text).map(|name| {
                let name = list::is_token(name).then_some(name)?;
                Some(String::from_utf8_lossy(name).to_ascii_lowercase())
            });
            let names: Option<Vec<String>> = names.collect();
            Some(match names {
                Some(names) if !names.is_empty() => Scope::Fields(names),
                _ => Scope::Everything,
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;

//! `/session/…`: answers with the session fields the query asks for, good ones and bad ones.
//!
//! | path | field of the answer |
//! |---|---|
//! | `set?uid=&roles=a,b&data=&status=&nonce=` | `x-session-set`; `nonce` as [`set`] says |
//! | `end?scope=` | `x-session-end`, whatever the scope |
//! | `update?v=&data=&roles=a,b&ms=` | `x-session-update` after `ms`; `v` is the request's version unless given |
//! | `rotate` | `x-session-rotate: ?1` |
//! | `seen` | none: the request's own `x-session-*` fields as JSON, as `/echo` lists all of them |

use super::answer::Answer;
use super::request::Request;
use serde_json::{Map, Value, json};

/// Answers what is under `/session/`; `None` for another path.
pub(super) fn answer(request: &Request) -> Option<Answer> {
    let answer = match request.path().strip_prefix("/session/")? {
        "set" => set(request),
        "end" => {
            let scope = request.parameter("scope").unwrap_or_else(|| "this".into());
            // One more head must not be smuggled in by a line break.
            ok(request).field("x-session-end", scope.replace(['\r', '\n'], ""))
        }
        "update" => update(request),
        "rotate" => ok(request).field("x-session-rotate", "?1"),
        "seen" => Answer::json(&json!({ "headers": seen(request) })),
        _ => return None,
    };
    Some(answer.field("cache-control", "no-store"))
}

/// `nonce=own` (the default) is the request's. `none`: without one. `wrong`: the own one with another first
/// character. `twice`: two good fields. `deep`: data within data, 500 times. `huge`: data of `bytes`, else of
/// 100,000. Any other value is taken as the nonce, for example one that another request had.
fn set(request: &Request) -> Answer {
    let kind = request.parameter("nonce").unwrap_or_else(|| "own".into());
    let own = request.field("x-session-nonce").unwrap_or_default();
    let nonce = match kind.as_str() {
        "own" | "twice" | "deep" | "huge" => Some(own),
        "none" => None,
        "wrong" => {
            let first = if own.starts_with('A') { 'B' } else { 'A' };
            Some(own.chars().next().map_or_else(
                || first.to_string(),
                |old| format!("{first}{}", &own[old.len_utf8()..]),
            ))
        }
        other => Some(other.into()),
    };
    let data = match kind.as_str() {
        // Written, not parsed: no parser here needs to follow it down.
        "deep" => "[".repeat(500) + &"]".repeat(500),
        "huge" => {
            let bytes = usize::try_from(request.number("bytes", 100_000)).unwrap_or(0);
            json!("x".repeat(bytes)).to_string()
        }
        _ => match json_of(request, "data") {
            Some(data) => data.unwrap_or_else(|| json!({})).to_string(),
            None => return Answer::new(400, "data: JSON\n"),
        },
    };
    let mut session = Map::new();
    session.extend(nonce.map(|nonce| ("n".into(), nonce.into())));
    let uid = request.parameter("uid").unwrap_or_else(|| "ada".into());
    session.insert("uid".into(), uid.into());
    session.insert("roles".into(), roles(request).unwrap_or_default().into());
    let text = Value::Object(session).to_string();
    let (open, _) = text.split_at(text.len() - 1);
    let text = format!("{open},\"data\":{data}}}");
    let answer = ok(request).field("x-session-set", text.clone());
    if kind == "twice" {
        answer.field("x-session-set", text)
    } else {
        answer
    }
}

fn update(request: &Request) -> Answer {
    let Some(data) = json_of(request, "data") else {
        return Answer::new(400, "data: JSON\n");
    };
    let version = request
        .parameter("v")
        .or_else(|| request.field("x-session-version"))
        .and_then(|text| text.parse::<u64>().ok());
    let fields = [
        ("n", request.field("x-session-nonce").map(Value::from)),
        ("v", version.map(Value::from)),
        ("data", data),
        ("roles", roles(request).map(Value::from)),
    ];
    let given = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let update = Value::Object(given.collect());
    Answer {
        delay_ms: Some(request.number("ms", 0).min(600_000)),
        ..ok(request).field("x-session-update", update.to_string())
    }
}

/// An answer with the status the query asks for.
fn ok(request: &Request) -> Answer {
    let status = u16::try_from(request.number("status", 200)).unwrap_or(200);
    Answer::new(status.clamp(200, 599), "done\n")
}

fn roles(request: &Request) -> Option<Vec<String>> {
    let text = request.parameter("roles")?;
    let names = text.split(',').filter(|role| !role.is_empty());
    Some(names.map(str::to_owned).collect())
}

/// A parameter that holds JSON: `Some(None)` without one, `None` when it is not JSON.
fn json_of(request: &Request, name: &str) -> Option<Option<Value>> {
    match request.parameter(name) {
        Some(text) => serde_json::from_str(&text).ok().map(Some),
        None => Some(None),
    }
}

fn seen(request: &Request) -> Vec<Value> {
    let ours = request
        .fields
        .iter()
        .filter(|(name, _)| name.starts_with("x-session-"));
    ours.map(|(name, value)| json!([name, String::from_utf8_lossy(value)]))
        .collect()
}

#[cfg(test)]
mod tests;

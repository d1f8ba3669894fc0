//! What the sample upstream answers.

use super::answer::{Answer, Then};
use super::request::Request;
use super::state::State;
use super::{fill, session, site};
use serde_json::json;

/// Answers a request whose body has been read.
pub(super) fn answer(request: &Request, body: &[u8], state: &State) -> Answer {
    let path = request.path();
    if path == "/__stats" {
        return stats(request, state);
    }
    state.count(path);
    if let Some(answer) = site::answer(request, body).or_else(|| session::answer(request)) {
        return answer;
    }
    if let Some(answer) = fill::answer(request, state) {
        return answer;
    }
    let under = |prefix: &str| path.strip_prefix(prefix);
    if path == "/api/products" || path.starts_with("/api/products/") {
        return product(request, state);
    }
    if let Some(code) = under("/status/") {
        let status = code
            .parse()
            .ok()
            .filter(|code| (200..600).contains(code))
            .unwrap_or(400);
        return Answer::new(status, format!("status {status}\n"));
    }
    match path {
        "/api/cart" => {
            let cart = json!({ "served": state.serial(), "items": [] });
            Answer::json(&cart).field("cache-control", "no-store")
        }
        "/slow" => Answer {
            delay_ms: Some(request.number("ms", 1_000).min(600_000)),
            ..Answer::new(200, "slow\n")
        },
        "/size" => Answer::new(200, filler(request.number("n", 0))),
        "/headers" => request
            .query()
            .into_iter()
            // One more head must not be smuggled in by a line break.
            .filter(|(name, value)| !format!("{name}{value}").contains(['\r', '\n']))
            .fold(
                Answer::new(200, format!("{}\n", state.serial())),
                |a, (n, v)| a.field(n, v),
            ),
        "/vary" => {
            let on = request
                .parameter("on")
                .unwrap_or_else(|| "accept-language".into());
            let value = request.field(&on.to_ascii_lowercase()).unwrap_or_default();
            let seen = json!({ "on": on, "value": value, "served": state.serial() });
            Answer::json(&seen)
                .field("cache-control", "public, max-age=60")
                .field("vary", on)
        }
        "/set-cookie" => Answer::new(200, format!("{}\n", state.serial()))
            .field("cache-control", "public, max-age=60")
            .field("set-cookie", "theirs=1; Path=/"),
        "/reset" => {
            let after = request.number("after", 0);
            let sent = filler(after);
            Answer {
                then: Then::Reset,
                length: Some(sent.len() + 1_000),
                ..Answer::new(200, sent).field("cache-control", "public, max-age=60")
            }
        }
        "/raw" => raw(request),
        _ => echo(request, body, state),
    }
}

fn product(request: &Request, state: &State) -> Answer {
    let path = request.path();
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        state.change(path);
        return Answer::new(204, "");
    }
    let id = path.strip_prefix("/api/products/");
    let tags = id.map_or("products".to_owned(), |id| format!("products product-{id}"));
    let seen =
        json!({ "resource": path, "version": state.version(path), "served": state.serial() });
    Answer::json(&seen)
        .field("cache-control", "public, max-age=60")
        .field("surrogate-key", tags)
}

fn echo(request: &Request, body: &[u8], state: &State) -> Answer {
    let fields: Vec<_> = request
        .fields
        .iter()
        .map(|(name, value)| json!([name, String::from_utf8_lossy(value)]))
        .collect();
    let seen = json!({
        "method": request.method,
        "target": request.target,
        "headers": fields,
        "body_length": body.len(),
        "served": state.serial(),
    });
    Answer::json(&seen).field("cache-control", "no-store")
}

fn stats(request: &Request, state: &State) -> Answer {
    if request.method == "DELETE" {
        state.reset_counts();
        return Answer::new(204, "");
    }
    Answer::json(&json!(state.counts()))
}

fn raw(request: &Request) -> Answer {
    let hex = request.parameter("hex").unwrap_or_default();
    let digits: Option<Vec<u32>> = hex.chars().map(|c| c.to_digit(16)).collect();
    let Some(digits) = digits.filter(|digits| digits.len() % 2 == 0) else {
        return Answer::new(400, "hex: an even number of hexadecimal digits\n");
    };
    let pair = |pair: &[u32]| pair.iter().fold(0, |n, digit| n * 16 + digit);
    let bytes = digits
        .chunks(2)
        .map(pair)
        .map(|n| u8::try_from(n).unwrap_or(0))
        .collect();
    let then = match request.parameter("then").as_deref() {
        Some("close") => Then::Close,
        Some("reset") => Then::Reset,
        Some("hang") => Then::Hang,
        _ => Then::Keep,
    };
    Answer {
        raw: Some(bytes),
        then,
        ..Answer::new(200, "")
    }
}

/// `n` bytes that show where they were cut; at most 64 MiB.
fn filler(n: u64) -> Vec<u8> {
    let n = usize::try_from(n.min(64 << 20)).unwrap_or(0);
    (0..n)
        .map(|i| {
            if i % 64 == 63 {
                b'\n'
            } else {
                b'a' + u8::try_from(i / 64 % 26).unwrap_or(0)
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;

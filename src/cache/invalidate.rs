//! What an answer to an unsafe request makes invalid (RFC 9111, 4.4).

use super::key::Url;
use crate::http::Headers;

/// The URLs to invalidate once a request of an unsafe (or unknown) method to `url` was answered: its
/// own, `Location` and `Content-Location`, of the same origin only, so that one host cannot evict
/// another's. Empty for an error. Each once, at most three.
pub fn targets(url: &Url, status: u16, headers: &Headers) -> Vec<Url> {
    if !(200..400).contains(&status) {
        return Vec::new();
    }
    let mut out = vec![url.clone()];
    for name in ["location", "content-location"] {
        if let Some(other) = headers
            .only(name)
            .and_then(|reference| url.resolve(reference))
            && !out.contains(&other)
        {
            out.push(other);
        }
    }
    out
}

#[cfg(test)]
mod tests;

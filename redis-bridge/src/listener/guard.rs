//! What both listeners refuse before they look at a request: browsers and callers without a credential.
//!
//! A page in a browser of someone on this network can send requests to loopback and to internal
//! addresses. It cannot hide that: fetches carry `Sec-Fetch-*`, cross-origin ones carry `Origin`, and
//! what a page may send without a preflight has one of a few content types (Fetch standard, 2.2.2).

use super::problem::Problem;
use crate::secrets::Credential;
use http::{HeaderMap, StatusCode, header};

/// Refuses what a browser sent.
///
/// `application/x-www-form-urlencoded`, the third type a page may send, is let through because it is
/// what curl says by default; a form encodes CR and LF, so it can spell neither RESP nor JSON.
///
/// # Errors
///
/// 403 or 415.
pub fn refuse_browsers(headers: &HeaderMap) -> Result<(), Problem> {
    let from_page = headers.contains_key(header::ORIGIN)
        || headers
            .keys()
            .any(|name| name.as_str().starts_with("sec-fetch-"));
    if from_page {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "requests from browsers are not served",
        ));
    }
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let simple = types.any(|value| {
        let value = value.as_bytes().to_ascii_lowercase();
        value.starts_with(b"text/plain") || value.starts_with(b"multipart/")
    });
    if simple {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "text/plain and multipart bodies are not read",
        ));
    }
    Ok(())
}

/// Refuses callers that do not show `credential`, exactly once.
///
/// # Errors
///
/// 401.
pub fn authorize(headers: &HeaderMap, credential: &Credential) -> Result<(), Problem> {
    let mut shown = headers.get_all(header::AUTHORIZATION).iter();
    match (shown.next(), shown.next()) {
        (Some(value), None) if credential.admits(value.as_bytes()) => Ok(()),
        _ => Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "Authorization: Bearer with this listener's credential is required",
        )),
    }
}

#[cfg(test)]
mod tests;

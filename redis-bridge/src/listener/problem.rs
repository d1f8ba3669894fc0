//! Refusals: `application/problem+json` (RFC 9457).

use super::{ReplyBody, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};

/// One refusal: a status and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// HTTP status.
    pub status: StatusCode,
    /// One line: what is wrong, and how to mend it.
    pub detail: String,
    /// An additional field, as RFC 9110 asks for with some statuses.
    pub field: Option<(header::HeaderName, &'static str)>,
}

impl Problem {
    /// A refusal with `status`.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let field = match status {
            // RFC 9110, 15.5.2: a 401 names the scheme.
            StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, "Bearer")),
            _ => None,
        };
        Self {
            status,
            detail: detail.into(),
            field,
        }
    }

    /// 405; `allow` lists the methods there are (RFC 9110, 15.5.6).
    pub fn method(allow: &'static str) -> Self {
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            detail: format!("only {allow} is served here"),
            field: Some((header::ALLOW, allow)),
        }
    }

    /// The response.
    pub fn into_response(self) -> Response {
        let body = serde_json::json!({
            "title": self.status.canonical_reason().unwrap_or("error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let mut response = respond(
            self.status,
            "application/problem+json",
            body.to_string().into(),
        );
        if let Some((name, value)) = self.field {
            let value = HeaderValue::from_static(value);
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// A response with a body that no cache keeps.
pub fn respond(status: StatusCode, content_type: &'static str, body: Bytes) -> Response {
    let mut response = http::Response::new(ReplyBody::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

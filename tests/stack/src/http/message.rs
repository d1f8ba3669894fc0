//! Requests and responses of the client.

use crate::{Error, Result};
use serde_json::Value;

/// A request; its fields are sent in order and as given.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    target: Vec<u8>,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
}

/// An answer, with its body as decoded from its framing.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Field names in lower case, values as they came, in order.
    pub fields: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without body.
    pub fn new(method: &str, target: impl AsRef<[u8]>) -> Self {
        Self {
            method: method.into(),
            target: target.as_ref().into(),
            fields: Vec::new(),
            body: Vec::new(),
        }
    }

    /// `GET target`.
    pub fn get(target: impl AsRef<[u8]>) -> Self {
        Self::new("GET", target)
    }

    /// `POST target` with a JSON body.
    pub fn post_json(target: impl AsRef<[u8]>, body: &Value) -> Self {
        let mut request = Self::new("POST", target).field("content-type", "application/json");
        request.body = body.to_string().into_bytes();
        request
    }

    /// Adds a field; `host` given here replaces the one that is sent otherwise.
    #[must_use]
    pub fn field(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.fields
            .push((name.as_ref().into(), value.as_ref().into()));
        self
    }

    /// Sets the body, sent with its length.
    #[must_use]
    pub fn body(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.body = bytes.as_ref().into();
        self
    }

    /// Method and target, for messages.
    pub(super) fn line(&self) -> String {
        format!("{} {}", self.method, String::from_utf8_lossy(&self.target))
    }

    pub(super) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    pub(super) fn encode(&self, host: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + self.body.len());
        out.extend_from_slice(self.method.as_bytes());
        out.push(b' ');
        out.extend_from_slice(&self.target);
        out.extend_from_slice(b" HTTP/1.1\r\n");
        let mut put = |name: &[u8], value: &[u8]| {
            for part in [name, b": ", value, b"\r\n"] {
                out.extend_from_slice(part);
            }
        };
        if !self.has("host") {
            put(b"host", host.as_bytes());
        }
        for (name, value) in &self.fields {
            put(name, value);
        }
        let framed = self.has("content-length") || self.has("transfer-encoding");
        let expects_body = !matches!(self.method.as_str(), "GET" | "HEAD" | "DELETE" | "OPTIONS");
        if !framed && (expects_body || !self.body.is_empty()) {
            put(b"content-length", self.body.len().to_string().as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
        out
    }

    fn has(&self, name: &str) -> bool {
        self.fields
            .iter()
            .any(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
    }
}

impl Response {
    /// The first value of a field, as text.
    pub fn get(&self, name: &str) -> Option<String> {
        self.all(name).into_iter().next()
    }

    /// All values of a field, as text.
    pub fn all(&self, name: &str) -> Vec<String> {
        let name = name.to_ascii_lowercase();
        self.fields
            .iter()
            .filter(|(n, _)| *n == name)
            .map(|(_, v)| String::from_utf8_lossy(v).into_owned())
            .collect()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// [`Error::Answer`] with the body when it is not.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).map_err(|e| Error::Answer {
            what: format!("read JSON ({e})"),
            got: self.text(),
        })
    }
}

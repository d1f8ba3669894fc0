//! An answer of the sample upstream, and its bytes.

/// What happens after the answer was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Keep,
    Close,
    Reset,
    Hang,
}

/// An answer; `raw` replaces head and body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) delay_ms: Option<u64>,
    pub(super) then: Then,
    pub(super) status: u16,
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// Announced length when it is not the body's.
    pub(super) length: Option<usize>,
    pub(super) raw: Option<Vec<u8>>,
}

impl Answer {
    pub(super) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            delay_ms: None,
            then: Then::Keep,
            status,
            fields: Vec::new(),
            body: body.into(),
            length: None,
            raw: None,
        }
    }

    pub(super) fn json(value: &serde_json::Value) -> Self {
        Self::new(200, value.to_string() + "\n").field("content-type", "application/json")
    }

    pub(super) fn field(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// Its bytes on the wire.
    pub(super) fn encode(&self, head_only: bool) -> Vec<u8> {
        if let Some(raw) = &self.raw {
            return raw.clone();
        }
        let mut out = format!("HTTP/1.1 {} \r\n", self.status).into_bytes();
        for (name, value) in &self.fields {
            out.extend(format!("{name}: {value}\r\n").bytes());
        }
        let bodiless = matches!(self.status, 204 | 304) || self.status < 200;
        if !bodiless {
            let length = self.length.unwrap_or(self.body.len());
            out.extend(format!("content-length: {length}\r\n").bytes());
        }
        out.extend_from_slice(b"\r\n");
        if !bodiless && !head_only {
            out.extend_from_slice(&self.body);
        }
        out
    }
}

//! Refusals as `application/problem+json` (RFC 9457), written without a serializer: it is the hot path
//! of an attack.
//!
//! `type` names the reason and is stable: `https://tidegate.dev/problems/<reason>`, an identifier that
//! need not resolve (RFC 9457, 3.1.1), except where a registered type says the same
//! (draft-ietf-httpapi-ratelimit-headers-11, 5.1).

use core::fmt::Write as _;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// 400: two credentials.
    AmbiguousCredential,
    /// 400: a path that two servers may read differently.
    AmbiguousPath,
    /// 400: a header that says what the request costs says something else.
    CostInvalid,
    /// 429: the cost is above a limit's capacity; waiting does not help.
    CostExceedsLimit,
    /// 403: an unsafe request that another site may have caused.
    CrossSite,
    /// 500: an invariant of ours does not hold.
    Internal,
    /// 503: a limit with `on_error: deny` could not be asked.
    LimitUnavailable,
    /// 429: a limit is used up.
    QuotaExceeded,
    /// 403: the session holds none of the roles.
    RoleRequired,
    /// 401: the token is forged, damaged, expired or revoked.
    SessionInvalid,
    /// 401: no token.
    SessionRequired,
    /// 409: the session was changed by another request meanwhile.
    SessionConflict,
    /// 503: whether the session lives is not known, or a change of it could not be written.
    SessionUnavailable,
    /// 500: the route names a policy that does not exist.
    UnknownPolicy,
}

impl Reason {
    /// Its name: in `reason`, in `type`, in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::AmbiguousCredential => "ambiguous-credential",
            Self::AmbiguousPath => "ambiguous-path",
            Self::CostInvalid => "cost-invalid",
            Self::CostExceedsLimit => "cost-exceeds-limit",
            Self::CrossSite => "cross-site",
            Self::Internal => "internal",
            Self::LimitUnavailable => "limit-unavailable",
            Self::QuotaExceeded => "quota-exceeded",
            Self::RoleRequired => "role-required",
            Self::SessionInvalid => "session-invalid",
            Self::SessionRequired => "session-required",
            Self::SessionConflict => "session-conflict",
            Self::SessionUnavailable => "session-unavailable",
            Self::UnknownPolicy => "unknown-policy",
        }
    }

    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::AmbiguousCredential | Self::AmbiguousPath | Self::CostInvalid => 400,
            Self::SessionInvalid | Self::SessionRequired => 401,
            Self::CrossSite | Self::RoleRequired => 403,
            Self::SessionConflict => 409,
            Self::CostExceedsLimit | Self::QuotaExceeded => 429,
            Self::Internal | Self::UnknownPolicy => 500,
            Self::LimitUnavailable | Self::SessionUnavailable => 503,
        }
    }

    /// A summary that does not change from case to case.
    pub fn title(self) -> &'static str {
        match self {
            Self::AmbiguousCredential => "Request carries more than one credential",
            Self::AmbiguousPath => "Request path is ambiguous",
            Self::CostInvalid => "Request does not say what it costs",
            Self::CostExceedsLimit => "Request costs more than its limit can ever hold",
            Self::CrossSite => "Request may have been caused by another site",
            Self::Internal => "Request could not be handled",
            Self::LimitUnavailable => "Rate limit cannot be checked now",
            Self::QuotaExceeded => {
                "Request cannot be satisfied as assigned quota has been exceeded"
            }
            Self::RoleRequired => "Session does not hold a required role",
            Self::SessionInvalid => "Session is not valid",
            Self::SessionRequired => "Session required",
            Self::SessionConflict => "Session was changed by another request",
            Self::SessionUnavailable => "Session cannot be checked or changed now",
            Self::UnknownPolicy => "Route has no policy of that name",
        }
    }

    fn has_registered_type(self) -> bool {
        matches!(self, Self::CostExceedsLimit | Self::QuotaExceeded)
    }
}

/// A refusal. Everything but the reason is optional.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem<'a> {
    /// Why.
    pub reason: Reason,
    /// What is particular to this case. Must hold nothing secret; it is escaped.
    pub detail: &'a str,
    /// The policy that refused.
    pub policy: Option<&'a str>,
    /// Limits that denied, in order.
    pub violated: Vec<&'a str>,
    /// Instead of the reason's own status.
    pub status: Option<u16>,
    /// `Retry-After`, seconds. A 503 without one gets 1.
    pub retry_after_s: Option<u64>,
    /// What a 401 asks for; ignored otherwise.
    pub challenge: Challenge<'a>,
}

/// `WWW-Authenticate`, which a 401 must have (RFC 9110, 15.5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge<'a> {
    /// `Bearer` (RFC 6750, 3), with `error="invalid_token"` when one was sent.
    Bearer {
        /// The realm's name.
        realm: &'a str,
    },
    /// `Cookie`, the scheme of draft-broyer-http-cookie-auth: none is registered for cookies, browsers
    /// pass over a scheme they do not know, and the field must name one.
    Cookie {
        /// The realm's name.
        realm: &'a str,
    },
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The status.
    pub status: u16,
    /// `content-type`, `cache-control: no-store`, and what the status needs.
    pub headers: Vec<(&'static str, String)>,
    /// The JSON text.
    pub body: Vec<u8>,
}

impl<'a> Problem<'a> {
    /// A refusal with nothing but its reason. Of a 401 the challenge is to be set by the caller; until
    /// then it is `Bearer` of no realm.
    pub fn new(reason: Reason) -> Self {
        Self {
            reason,
            detail: "",
            policy: None,
            violated: Vec::new(),
            status: None,
            retry_after_s: None,
            challenge: Challenge::Bearer { realm: "" },
        }
    }

    /// The answer to send.
    pub fn render(&self) -> Rendered {
        let status = self.status();
        let mut headers = vec![
            ("content-type", "application/problem+json".to_owned()),
            // RFC 6585, 4, forbids to store a 429; no other refusal is worth keeping either.
            ("cache-control", "no-store".to_owned()),
        ];
        let retry_after_s = match status {
            503 => Some(self.retry_after_s.unwrap_or(1)),
            _ => self.retry_after_s,
        };
        if let Some(seconds) = retry_after_s {
            headers.push(("retry-after", seconds.to_string()));
        }
        if self.reason.status() == 401 {
            headers.push(("www-authenticate", self.challenge.render(self.reason)));
        }
        Rendered {
            status,
            headers,
            body: self.body().into_bytes(),
        }
    }

    fn status(&self) -> u16 {
        self.status.unwrap_or(self.reason.status())
    }

    fn body(&self) -> String {
        let mut out = String::with_capacity(256);
        out.push_str("{\"type\":\"");
        out.push_str(if self.reason.has_registered_type() {
            "https://iana.org/assignments/http-problem-types#quota-exceeded"
        } else {
            "https://tidegate.dev/problems/"
        });
        if !self.reason.has_registered_type() {
            out.push_str(self.reason.name());
        }
        out.push_str("\",\"title\":");
        quote(&mut out, self.reason.title());
        out.push_str(",\"status\":");
        out.push_str(&self.status().to_string());
        if !self.detail.is_empty() {
            out.push_str(",\"detail\":");
            quote(&mut out, self.detail);
        }
        if let Some(policy) = self.policy {
            out.push_str(",\"policy\":");
            quote(&mut out, policy);
        }
        out.push_str(",\"reason\":");
        quote(&mut out, self.reason.name());
        if !self.violated.is_empty() {
            out.push_str(",\"violated-policies\":[");
            for (at, name) in self.violated.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                quote(&mut out, name);
            }
            out.push(']');
        }
        out.push('}');
        out
    }
}

impl Challenge<'_> {
    fn render(&self, reason: Reason) -> String {
        match self {
            Self::Bearer { realm } if reason == Reason::SessionInvalid => {
                format!("Bearer realm=\"{realm}\", error=\"invalid_token\"")
            }
            Self::Bearer { realm } => format!("Bearer realm=\"{realm}\""),
            Self::Cookie { realm } => format!("Cookie realm=\"{realm}\""),
        }
    }
}

/// Appends a JSON string (RFC 8259, 7).
fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            // `<` too: a client that takes the body for HTML must not find a tag in it.
            '\0'..='\x1f' | '\x7f' | '<' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests;

//! Why an answer is not stored.

use super::vary::VaryError;

/// Why an answer is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotStored {
    /// The request had `Authorization` and the answer does not allow sharing (RFC 9111, 3.5).
    Authorization,
    /// The path names another type than Content-Type (`content_type_check`).
    ContentType,
    /// No end is marked (a body that ends with the connection may be truncated), it announces trailers,
    /// or its Content-Length is ambiguous.
    Framing,
    /// More header lines than a record holds, or a field no record can carry.
    Headers,
    /// The body is not as long as announced.
    Incomplete,
    /// The method is not GET.
    Method,
    /// `no-cache`, and nothing to validate it with.
    NoCache,
    /// Neither the answer nor the policy names a lifetime (for this status).
    NoFreshness,
    /// `no-store`, or Cache-Control that cannot be read.
    NoStore,
    /// `private`.
    Private,
    /// The request had a body.
    RequestBody,
    /// The request said `no-store`.
    RequestNoStore,
    /// It speaks to the filter about the session, or the request carried one and the answer does not
    /// allow sharing.
    Session,
    /// Set-Cookie that the policy does not let be stored, or the realm's own cookie.
    SetCookie,
    /// No fill lease, or it ended: something was invalidated since the request.
    Lease,
    /// It is not fresh, and may not be used stale or validated.
    Stale,
    /// The status is not stored, unless the policy names it.
    Status,
    /// Too many tags, or one too long: a purge by that tag would miss it.
    Tags,
    /// Larger than the policy's `max_body`.
    TooLarge,
    /// Vary cannot be used.
    Vary(VaryError),
}

impl NotStored {
    /// A token that names it in Cache-Status and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Authorization => "authorization",
            Self::ContentType => "content-type",
            Self::Framing => "framing",
            Self::Headers => "headers",
            Self::Incomplete => "incomplete",
            Self::Method => "method",
            Self::NoCache => "no-cache",
            Self::NoFreshness => "no-freshness",
            Self::NoStore => "no-store",
            Self::Private => "private",
            Self::RequestBody => "request-body",
            Self::RequestNoStore => "request-no-store",
            Self::Session => "session",
            Self::SetCookie => "set-cookie",
            Self::Lease => "lease",
            Self::Stale => "stale",
            Self::Status => "status",
            Self::Tags => "tags",
            Self::TooLarge => "too-large",
            Self::Vary(_) => "vary",
        }
    }
}

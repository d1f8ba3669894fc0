//! Cross-site request forgery: may an unsafe request that a cookie authenticated be trusted?
//!
//! Fetch metadata decides where the browser sends it; older browsers send `Origin` with every unsafe
//! cross-origin request, and `Referer` mostly. When a request shows none of them nothing is known, and it
//! is refused. A bearer token is not sent by a browser on its own, so this does not apply to it.

use crate::http::headers::Headers;
use core::fmt;

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrossSite {
    /// `Sec-Fetch-Site` is not `same-origin` or `none`, or is on several lines.
    FetchSite,
    /// None of the three fields.
    NoEvidence,
    /// `Origin` is another one, `null`, or on several lines.
    Origin,
    /// `Referer` is of another origin, or on several lines.
    Referer,
}

impl fmt::Display for CrossSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FetchSite => "Sec-Fetch-Site is neither same-origin nor none",
            Self::NoEvidence => {
                "neither Sec-Fetch-Site, Origin nor Referer shows where it came from"
            }
            Self::Origin => "Origin is not this site",
            Self::Referer => "Referer is not this site",
        })
    }
}

impl core::error::Error for CrossSite {}

/// Whether the method promises not to change anything (RFC 9110, 9.2.1). Methods are case-sensitive,
/// and one that is not known is not safe.
pub fn is_safe(method: &[u8]) -> bool {
    matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE")
}

/// Checks a request that was authenticated by a cookie. `scheme` and `authority` are the request's own
/// (`:scheme`, `:authority`), never a forwarded header's.
///
/// # Errors
///
/// Answer 403.
pub fn check(
    method: &[u8],
    scheme: &[u8],
    authority: &[u8],
    headers: &Headers,
) -> Result<(), CrossSite> {
    if is_safe(method) {
        return Ok(());
    }
    let own = Origin { scheme, authority };
    if headers.contains("sec-fetch-site") {
        // `same-site` includes siblings nobody vouches for: another team's subdomain, a parked one.
        return match headers.only("sec-fetch-site") {
            Some(b"same-origin" | b"none") => Ok(()),
            _ => Err(CrossSite::FetchSite),
        };
    }
    if headers.contains("origin") {
        let same = headers
            .only("origin")
            .and_then(Origin::exact)
            .is_some_and(|o| o.same(&own));
        return if same { Ok(()) } else { Err(CrossSite::Origin) };
    }
    if headers.contains("referer") {
        let same = headers
            .only("referer")
            .and_then(Origin::of_url)
            .is_some_and(|o| o.same(&own));
        return if same {
            Ok(())
        } else {
            Err(CrossSite::Referer)
        };
    }
    Err(CrossSite::NoEvidence)
}

/// Scheme and authority (RFC 6454, 4).
struct Origin<'a> {
    scheme: &'a [u8],
    authority: &'a [u8],
}

impl<'a> Origin<'a> {
    /// An `Origin` field: nothing after the authority. `null` is none.
    fn exact(value: &'a [u8]) -> Option<Self> {
        Self::of_url(value).filter(|origin| {
            value.len()
                == origin
                    .scheme
                    .len()
                    .saturating_add(3)
                    .saturating_add(origin.authority.len())
        })
    }

    /// The origin a URL starts with.
    fn of_url(url: &'a [u8]) -> Option<Self> {
        let colon = url.iter().position(|b| *b == b':')?;
        let (scheme, rest) = url.split_at_checked(colon)?;
        let rest = rest.strip_prefix(b"://")?;
        let authority = rest
            .split(|b| matches!(b, b'/' | b'?' | b'#' | b'\\'))
            .next()?;
        (!scheme.is_empty() && !authority.is_empty()).then_some(Self { scheme, authority })
    }

    /// Equal, host and scheme without case; a scheme's default port may be written or not.
    fn same(&self, other: &Self) -> bool {
        self.scheme.eq_ignore_ascii_case(other.scheme)
            && self
                .without_port()
                .eq_ignore_ascii_case(other.without_port())
    }

    fn without_port(&self) -> &'a [u8] {
        let default: &[u8] = if self.scheme.eq_ignore_ascii_case(b"https") {
            b":443"
        } else if self.scheme.eq_ignore_ascii_case(b"http") {
            b":80"
        } else {
            return self.authority;
        };
        self.authority
            .strip_suffix(default)
            .unwrap_or(self.authority)
    }
}

#[cfg(test)]
mod tests;

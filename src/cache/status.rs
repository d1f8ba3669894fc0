//! The Cache-Status field (RFC 9211).

use super::request::Bypass;
use super::store::NotStored;
use crate::http::Headers;
use core::fmt;

/// What this cache did with a request. `Display` gives the list member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Forwarded: the request could not use the cache.
    Bypass(Bypass),
    /// Answered from store.
    Hit {
        /// Freshness left, seconds.
        ttl_s: u64,
    },
    /// Forwarded: the method is not answered from store. Its answer may invalidate what is stored.
    Method,
    /// Forwarded: nothing stored matched. Whether the answer is being stored, or why not.
    Miss(Result<(), NotStored>),
    /// Forwarded: what is stored is no longer fresh.
    Stale(Result<(), NotStored>),
    /// Forwarded: Redis or the bridge could not be asked.
    Unavailable,
}

impl Status {
    /// Adds the member to what caches nearer to the origin have said (RFC 9211, 2: a cache appends).
    pub fn append_to(self, headers: &mut Headers) {
        headers.append("cache-status", self.to_string());
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tidegate; ")?;
        match self {
            Self::Bypass(why) => write!(f, "fwd=bypass; detail={}", why.name()),
            Self::Hit { ttl_s } => write!(f, "hit; ttl={ttl_s}"),
            Self::Method => f.write_str("fwd=method"),
            Self::Miss(Ok(())) => f.write_str("fwd=miss; stored"),
            Self::Miss(Err(why)) => write!(f, "fwd=miss; detail={}", why.name()),
            Self::Stale(Ok(())) => f.write_str("fwd=stale; stored"),
            Self::Stale(Err(why)) => write!(f, "fwd=stale; detail={}", why.name()),
            Self::Unavailable => f.write_str("fwd=bypass; detail=unavailable"),
        }
    }
}

#[cfg(test)]
mod tests;

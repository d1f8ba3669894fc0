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
    /// Forwarded, and why.
    Forwarded(Forwarded),
    /// Answered from store.
    Hit {
        /// Freshness left, seconds; below 0 when it is stale.
        ttl_s: i64,
    },
    /// Answered from this worker's copy of what is stored.
    Remembered {
        /// Freshness left, seconds.
        ttl_s: i64,
    },
    /// Forwarded: the method is not answered from store. Its answer may invalidate what is stored.
    Method,
    /// Forwarded: Redis or the bridge could not be asked.
    Unavailable,
}

/// Why a request that could use the cache went to the origin, and what became of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forwarded {
    /// Why.
    pub why: Forward,
    /// The origin's status, where the client gets another one.
    pub status: Option<u16>,
    /// Freshness left of what is answered from store after all, seconds.
    pub ttl_s: Option<i64>,
    /// It is being stored.
    pub stored: bool,
    /// More, in a word.
    pub detail: Option<&'static str>,
}

/// Why a request went to the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forward {
    /// Nothing stored matched.
    Miss,
    /// The request asked for it.
    Request,
    /// What is stored is no longer fresh.
    Stale,
}

impl Forwarded {
    /// Nothing but why.
    pub const fn new(why: Forward) -> Self {
        Self {
            why,
            status: None,
            ttl_s: None,
            stored: false,
            detail: None,
        }
    }

    /// Whether the answer is being stored, or why not.
    #[must_use]
    pub fn storing(self, result: Result<(), NotStored>) -> Self {
        Self {
            stored: result.is_ok(),
            detail: result.err().map(NotStored::name),
            ..self
        }
    }
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
            Self::Forwarded(forwarded) => forwarded.fmt(f),
            Self::Hit { ttl_s } => write!(f, "hit; ttl={ttl_s}"),
            Self::Remembered { ttl_s } => write!(f, "hit; ttl={ttl_s}; detail=l1"),
            Self::Method => f.write_str("fwd=method"),
            Self::Unavailable => f.write_str("fwd=bypass; detail=unavailable"),
        }
    }
}

impl fmt::Display for Forwarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.why {
            Forward::Miss => "fwd=miss",
            Forward::Request => "fwd=request",
            Forward::Stale => "fwd=stale",
        })?;
        if let Some(status) = self.status {
            write!(f, "; fwd-status={status}")?;
        }
        if let Some(ttl_s) = self.ttl_s {
            write!(f, "; ttl={ttl_s}")?;
        }
        if self.stored {
            f.write_str("; stored")?;
        }
        match self.detail {
            Some(detail) => write!(f, "; detail={detail}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;

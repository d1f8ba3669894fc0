//! What the upstream is told about the session, and what nobody else may tell it.
//!
//! Every header whose name [`is_reserved`] is removed from every request and every response, on every
//! route, whatever the state of Redis (invariant S6); then the pairs of [`Told::headers`] are added.

use crate::order::sorted;
use crate::wire::op::{MAX_ROLE, MAX_ROLES, MAX_UID};
use core::fmt;

const PREFIX: &str = "x-session-";

/// Whether a header of this name (any case) is ours alone: lower-cased and with `_` as `-`, as CGI-like
/// upstreams read names, it starts with `x-session-`.
pub fn is_reserved(name: &str) -> bool {
    name.as_bytes().get(..PREFIX.len()).is_some_and(|head| {
        head.iter().zip(PREFIX.bytes()).all(|(have, want)| {
            have.to_ascii_lowercase() == want || (*have == b'_' && want == b'-')
        })
    })
}

/// Whether this may be a user id or a role: 1 to `longest` bytes of `[A-Za-z0-9._:@-]`.
fn is_text(bytes: &[u8], longest: usize) -> bool {
    let allowed =
        |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'@' | b'-');
    (1..=longest).contains(&bytes.len()) && bytes.iter().all(allowed)
}

/// The user of a valid session, checked again on the way out: whoever can write to Redis must not be
/// able to write headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    uid: String,
    roles: Vec<String>,
}

impl Identity {
    /// From what the store answered: the user id, and the roles joined by `,` (none: empty).
    ///
    /// # Errors
    ///
    /// When a part is none that a session may be created with: its alphabet, [`MAX_UID`], [`MAX_ROLE`],
    /// [`MAX_ROLES`]. Such a session is *unknown*, like any answer that cannot be read.
    pub fn parse(uid: &[u8], roles: &[u8]) -> Result<Self, BadIdentity> {
        let uid = text(uid, MAX_UID).ok_or(BadIdentity::Uid)?;
        let mut parsed = Vec::new();
        if !roles.is_empty() {
            for role in roles.split(|b| *b == b',') {
                if parsed.len() >= MAX_ROLES {
                    return Err(BadIdentity::Roles);
                }
                parsed.push(text(role, MAX_ROLE).ok_or(BadIdentity::Roles)?);
            }
        }
        let mut roles = sorted(parsed);
        roles.dedup();
        Ok(Self { uid, roles })
    }

    /// The user id.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// The roles, sorted, each once.
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// Whether the session may pass: it holds one of `wanted`, or nothing is wanted.
    pub fn holds_any(&self, wanted: &[String]) -> bool {
        wanted.is_empty() || wanted.iter().any(|role| self.roles.contains(role))
    }
}

/// Why a stored identity is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadIdentity {
    /// A role, or too many of them.
    Roles,
    /// The user id.
    Uid,
}

impl fmt::Display for BadIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Roles => "stored session: roles outside [A-Za-z0-9._:@-], or too many",
            Self::Uid => "stored session: uid outside [A-Za-z0-9._:@-], empty or too long",
        })
    }
}

impl core::error::Error for BadIdentity {}

/// What the upstream is told: three answers, not two (invariant S4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told<'a> {
    /// No session.
    None,
    /// Nobody knows: Redis could not be asked, or answered what cannot be read.
    Unknown,
    /// A live session.
    Valid {
        /// Whose.
        identity: &'a Identity,
        /// Its public name, [`super::Token::handle`].
        handle: &'a str,
    },
}

impl Told<'_> {
    /// `valid`, `none` or `unknown`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Unknown => "unknown",
            Self::Valid { .. } => "valid",
        }
    }

    /// The header fields to add, once every reserved one is gone. `x-session-state` always;
    /// `x-session-id`, `-user` and, unless the user has none, `-roles` when it is `valid`.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = Vec::with_capacity(4);
        if let Self::Valid { identity, handle } = self {
            headers.push(("x-session-id", (*handle).to_owned()));
            if !identity.roles.is_empty() {
                headers.push(("x-session-roles", identity.roles.join(",")));
            }
            headers.push(("x-session-user", identity.uid.clone()));
        }
        headers.push(("x-session-state", self.name().to_owned()));
        headers
    }
}

fn text(bytes: &[u8], longest: usize) -> Option<String> {
    String::from_utf8(bytes.to_vec())
        .ok()
        .filter(|_| is_text(bytes, longest))
}

#[cfg(test)]
mod tests;

//! Vary: which of a URL's answers a request selects (RFC 9111, 4.1).

use super::list;
use crate::http::Headers;
use crate::order::sorted;
use core::fmt;
use sha2::{Digest, Sha256};

/// Names in one Vary list, at most.
pub const MAX_NAMES: usize = 16;
/// Longest list on the wire, bytes.
const MAX_LIST: usize = 1024;

/// Names of request fields, lower-case, sorted, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Vary(Vec<String>);

/// Why a Vary list cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VaryError {
    /// `*`: never matches.
    Any,
    /// More than [`MAX_NAMES`] names, or more than a kilobyte.
    Long,
    /// A member that is no field name.
    Name,
    /// Not sorted or not lower-case, so not written by [`Vary::to_wire`].
    Order,
}

impl Vary {
    /// Reads an answer's Vary lines; none is the empty list.
    pub fn of_response(headers: &Headers) -> Result<Self, VaryError> {
        let mut names = Vec::new();
        for member in headers.all("vary").flat_map(list::members) {
            if member == b"*" {
                return Err(VaryError::Any);
            }
            if !list::is_token(member) {
                return Err(VaryError::Name);
            }
            names.push(String::from_utf8_lossy(member).to_ascii_lowercase());
        }
        let mut names = sorted(names);
        names.dedup();
        Self(names).bounded()
    }

    /// Reads what [`Vary::to_wire`] wrote.
    pub fn from_wire(list: &[u8]) -> Result<Self, VaryError> {
        if list.is_empty() {
            return Ok(Self::default());
        }
        let mut names: Vec<String> = Vec::new();
        for name in list.split(|b| *b == b',').take(MAX_NAMES.saturating_add(1)) {
            if !list::is_token(name) || name == b"*" {
                return Err(VaryError::Name);
            }
            let name = String::from_utf8_lossy(name).into_owned();
            let sorted = names.last().is_none_or(|last| *last < name);
            if !sorted || name.bytes().any(|b| b.is_ascii_uppercase()) {
                return Err(VaryError::Order);
            }
            names.push(name);
        }
        Self(names).bounded()
    }

    /// The names joined by `,`: what `CACHE.GET` and `CACHE.PUT` carry.
    pub fn to_wire(&self) -> String {
        self.0.join(",")
    }

    /// The names.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The names with the values `request` has for them, [`normalised`].
    pub fn select<'a>(&'a self, request: &Headers) -> Vec<(&'a str, Option<Vec<u8>>)> {
        self.names()
            .map(|name| (name, normalised(name, request)))
            .collect()
    }

    /// Names the variant: 16 bytes of SHA-256 over policy, method class, the policy's own key and the
    /// selected values, each part with its length before it. GET and HEAD are one method class.
    pub fn field(&self, policy: &str, request: &Headers, extras: &[Option<Vec<u8>>]) -> [u8; 16] {
        let mut hash = Sha256::new();
        part(&mut hash, b"tidegate.cache.field.2");
        part(&mut hash, policy.as_bytes());
        part(&mut hash, b"GET");
        hash.update((extras.len() as u64).to_be_bytes());
        for value in extras {
            optional(&mut hash, value.as_deref());
        }
        for (name, value) in self.select(request) {
            part(&mut hash, name.as_bytes());
            optional(&mut hash, value.as_deref());
        }
        let digest = hash.finalize();
        let mut out = [0; 16];
        out.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        out
    }

    fn bounded(self) -> Result<Self, VaryError> {
        let bytes: usize = self.0.iter().map(|name| name.len().saturating_add(1)).sum();
        if self.0.len() > MAX_NAMES || bytes > MAX_LIST {
            Err(VaryError::Long)
        } else {
            Ok(self)
        }
    }
}

/// The value of a request field as it selects a variant; `None` when it is absent, which is not the
/// same as empty.
///
/// Lines are joined and space around list commas is removed, as RFC 9111, 4.1 allows. Fields that are
/// no lists keep every byte but the outer space. `accept-encoding` and `accept-language` are
/// case-insensitive and have no order but their weights, of which 1 is the default (RFC 9110, 12.4.2,
/// 12.5.3 and 12.5.4: that the order of languages is one "cannot be relied upon").
pub fn normalised(name: &str, request: &Headers) -> Option<Vec<u8>> {
    if !request.contains(name) {
        return None;
    }
    let lines = request.all(name).map(<[u8]>::trim_ascii);
    match name {
        "cookie" => return Some(lines.collect::<Vec<_>>().join(&b"; "[..])),
        "authorization" | "referer" | "user-agent" => {
            return Some(lines.collect::<Vec<_>>().join(&b", "[..]));
        }
        _ => {}
    }
    let mut members: Vec<Vec<u8>> = lines.flat_map(list::members).map(<[u8]>::to_vec).collect();
    if matches!(name, "accept-encoding" | "accept-language") {
        for member in &mut members {
            member.make_ascii_lowercase();
            member.retain(|b| !b.is_ascii_whitespace());
            for whole in [&b";q=1"[..], b";q=1.0", b";q=1.00", b";q=1.000"] {
                if member.ends_with(whole) {
                    member.truncate(member.len().saturating_sub(whole.len()));
                }
            }
        }
        members = sorted(members);
        members.dedup();
    }
    Some(members.join(&b", "[..]))
}

impl fmt::Display for VaryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("vary: *"),
            Self::Long => write!(f, "vary: more than {MAX_NAMES} names or {MAX_LIST} bytes"),
            Self::Name => f.write_str("vary: not a field name"),
            Self::Order => f.write_str("vary: not in canonical order"),
        }
    }
}

impl core::error::Error for VaryError {}

fn optional(hash: &mut Sha256, value: Option<&[u8]>) {
    hash.update([u8::from(value.is_some())]);
    if let Some(value) = value {
        part(hash, value);
    }
}

fn part(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}

#[cfg(test)]
mod tests;

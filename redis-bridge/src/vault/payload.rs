//! What a session holds. Checked when it is made and again when it is opened: these values become
//! request headers.

use super::Strict;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::fmt;
use tidegate::wire::op::{MAX_DATA, MAX_ROLE, MAX_ROLES, MAX_UID};

/// A session's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// The user: 1..=128 of `A-Za-z0-9._:@-`.
    pub uid: String,
    /// Roles, sorted, each once: at most 32 of 1..=64 of the same alphabet.
    pub roles: Vec<String>,
    /// What the application keeps.
    pub data: Json,
}

/// What is wrong with a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadPayload {
    /// No JSON, a name twice in one object, or more than 2048 bytes.
    Data,
    /// A role of the wrong length or alphabet, or too many.
    Roles,
    /// A user of the wrong length or alphabet.
    Uid,
}

impl Payload {
    /// A new session's content; sorts the roles.
    ///
    /// # Errors
    ///
    /// The first that is wrong of user, roles, data.
    pub fn new(uid: &str, roles: &[String], data: Json) -> Result<Self, BadPayload> {
        let mut roles = roles.to_vec();
        roles.sort_unstable();
        roles.dedup();
        let payload = Self {
            uid: uid.to_owned(),
            roles,
            data,
        };
        payload.checked()
    }

    /// The same user's content with other roles or data, where they are given.
    ///
    /// # Errors
    ///
    /// As [`Payload::new`].
    pub fn changed(self, roles: Option<&[String]>, data: Option<Json>) -> Result<Self, BadPayload> {
        let roles = roles.map_or(self.roles, <[String]>::to_vec);
        Self::new(&self.uid, &roles, data.unwrap_or(self.data))
    }

    pub(super) fn checked(self) -> Result<Self, BadPayload> {
        if !is_uid(&self.uid) {
            return Err(BadPayload::Uid);
        }
        if self.roles.len() > MAX_ROLES || !self.roles.iter().all(|role| is_role(role)) {
            return Err(BadPayload::Roles);
        }
        if self.data.to_string().len() > MAX_DATA {
            return Err(BadPayload::Data);
        }
        Ok(self)
    }
}

impl BadPayload {
    /// The field that is wrong.
    pub fn what(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Roles => "roles",
            Self::Uid => "uid",
        }
    }
}

impl fmt::Display for BadPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data => write!(f, "data: want JSON of at most {MAX_DATA} bytes"),
            Self::Roles => write!(
                f,
                "roles: at most {MAX_ROLES}, each 1 to {MAX_ROLE} of A-Z a-z 0-9 . _ : @ -"
            ),
            Self::Uid => write!(f, "uid: 1 to {MAX_UID} of A-Z a-z 0-9 . _ : @ -"),
        }
    }
}

impl std::error::Error for BadPayload {}

/// Roles as an operation has them: joined by `,`, or none.
///
/// # Errors
///
/// [`BadPayload::Roles`].
pub fn parse_roles(text: &[u8]) -> Result<Vec<String>, BadPayload> {
    let text = std::str::from_utf8(text).map_err(|_| BadPayload::Roles)?;
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let roles: Vec<String> = text.split(',').map(str::to_owned).collect();
    match roles.iter().all(|role| is_role(role)) {
        true => Ok(roles),
        false => Err(BadPayload::Roles),
    }
}

/// Data as an operation has it.
///
/// # Errors
///
/// [`BadPayload::Data`].
pub fn parse_data(text: &[u8]) -> Result<Json, BadPayload> {
    let strict: Result<Strict, _> = serde_json::from_slice(text);
    strict.map(|strict| strict.0).map_err(|_| BadPayload::Data)
}

/// Whether a text may name a user.
pub fn is_uid(text: &str) -> bool {
    is_name(text, MAX_UID)
}

/// Whether a text may name a role.
pub fn is_role(text: &str) -> bool {
    is_name(text, MAX_ROLE)
}

fn is_name(text: &str, max: usize) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._:@-".contains(&b);
    (1..=max).contains(&text.len()) && text.bytes().all(allowed)
}

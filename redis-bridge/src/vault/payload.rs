//! What a session holds. Checked when it is made and again when it is opened: these values become
//! request headers.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::fmt;

const MAX_UID: usize = 128;
const MAX_ROLE: usize = 64;
const MAX_ROLES: usize = 32;
const MAX_DATA: usize = 2048;

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
    /// Grows by one with each update of the session.
    pub version: u64,
}

/// What is wrong with a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadPayload {
    /// More than 2048 bytes of JSON.
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
            version: 1,
        };
        payload.checked()
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
            Self::Data => write!(f, "data: more than {MAX_DATA} bytes of JSON"),
            Self::Roles => write!(
                f,
                "roles: at most {MAX_ROLES}, each 1 to {MAX_ROLE} of A-Z a-z 0-9 . _ : @ -"
            ),
            Self::Uid => write!(f, "uid: 1 to {MAX_UID} of A-Z a-z 0-9 . _ : @ -"),
        }
    }
}

impl std::error::Error for BadPayload {}

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

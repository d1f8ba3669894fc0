//! What an upstream may ask of a session, in its answer's `x-session-*` fields.
//!
//! ```text
//! x-session-set:    {"n":"<x-session-nonce>","uid":"42","roles":["user"],"data":{...}}
//! x-session-update: {"n":"<x-session-nonce>","v":3,"data":{...},"roles":["user"]}
//! x-session-rotate: ?1
//! x-session-end:    this | others | all
//! ```
//!
//! The nonce was in the request, so an endpoint that reflects header fields of its own choice is no
//! login. A field that is not exactly this is no wish: it is taken away and counted, like one on a route
//! that does not allow it. Where there are several, nothing is guessed.

use super::identity::Identity;
use crate::http::Headers;
use crate::order::sorted;
use crate::wire::op::Scope;
use core::fmt;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Longest field, bytes.
pub const MAX_FIELD: usize = 4096;
/// Longest data, bytes of JSON. Sessions are created with the same bound.
pub const MAX_DATA: usize = crate::wire::op::MAX_DATA;

/// Deepest data. What reads it again at the bridge bears 127.
const MAX_DEPTH: usize = 32;

/// Length of a nonce, characters: 128 bits in base64url.
pub const NONCE_LEN: usize = 22;

const SET: &str = "x-session-set";
const UPDATE: &str = "x-session-update";
const ROTATE: &str = "x-session-rotate";
const END: &str = "x-session-end";

/// What an upstream asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// A login: a new session.
    Create {
        /// Whose.
        uid: String,
        /// Sorted, joined by `,`.
        roles: String,
        /// JSON.
        data: String,
    },
    /// A logout.
    End(Scope),
    /// A new token for the same session.
    Rotate,
    /// Other data, other roles.
    Update {
        /// The version it is based on.
        version: u64,
        /// JSON; `None`: as they were.
        data: Option<String>,
        /// Sorted, joined by `,`; `None`: as they were.
        roles: Option<String>,
    },
}

/// What a route allows.
#[derive(Debug, Clone, Copy)]
pub struct Allowed<'a> {
    /// Sessions may be created.
    pub create: bool,
    /// They may be changed.
    pub update: bool,
    /// The request was a POST: it may log out.
    pub post: bool,
    /// It showed a session that lives.
    pub session: bool,
    /// The client can be handed another token.
    pub replace: bool,
    /// The answer's status.
    pub status: u16,
    /// What the request carried.
    pub nonce: &'a str,
}

/// Why a field was not heeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unheeded {
    /// Data that is too long.
    Data,
    /// A roles list or a user id outside what may be one.
    Identity,
    /// Another request's nonce, or one made up.
    Nonce,
    /// The route does not allow it, or there is no session to do it with.
    Route,
    /// Several of these fields.
    Several,
    /// An answer that is no success (below 400).
    Status,
    /// Not of the form above, or too long.
    Syntax,
}

impl Unheeded {
    /// One word for the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Identity => "identity",
            Self::Nonce => "nonce",
            Self::Route => "route",
            Self::Several => "several",
            Self::Status => "status",
            Self::Syntax => "syntax",
        }
    }
}

impl fmt::Display for Unheeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "x-session field not heeded: {}", self.name())
    }
}

impl core::error::Error for Unheeded {}

/// Both fields that hold JSON: one reader in the module instead of two.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields<'a> {
    n: String,
    #[serde(default)]
    v: Option<u64>,
    #[serde(default)]
    uid: Option<String>,
    #[serde(default)]
    roles: Option<Vec<String>>,
    /// Kept as it is written: to read numbers and print them again would cost the module 20 KiB.
    #[serde(default, borrow)]
    data: Option<&'a RawValue>,
}

/// Reads what an answer asks for; `None`: nothing.
///
/// # Errors
///
/// The first reason not to heed it. The fields themselves are removed by whoever hands the answer on.
pub fn wish(headers: &Headers, allowed: &Allowed<'_>) -> Result<Option<Wish>, Unheeded> {
    let is_wish = |name: &str| matches!(name, SET | UPDATE | ROTATE | END);
    let mut fields = headers.iter().filter(|(name, _)| is_wish(name));
    let Some((name, value)) = fields.next() else {
        return Ok(None);
    };
    if fields.next().is_some() {
        return Err(Unheeded::Several);
    }
    // A second click on "log out".
    if name == END && allowed.post && !allowed.session {
        return Ok(None);
    }
    let may = match name {
        SET => allowed.create,
        UPDATE => allowed.update && allowed.session,
        END => allowed.post && allowed.session,
        _ => allowed.session && allowed.replace,
    };
    if !may {
        return Err(Unheeded::Route);
    }
    if allowed.status >= 400 {
        return Err(Unheeded::Status);
    }
    if value.len() > MAX_FIELD {
        return Err(Unheeded::Syntax);
    }
    let wish = match name {
        SET => set(value, allowed.nonce)?,
        UPDATE => match update(value, allowed.nonce)? {
            Wish::Update { roles: Some(_), .. } if !allowed.replace => return Err(Unheeded::Route),
            wish => wish,
        },
        END => Wish::End(Scope::from_name(value).ok_or(Unheeded::Syntax)?),
        _ if value == b"?1" => Wish::Rotate,
        _ => return Err(Unheeded::Syntax),
    };
    Ok(Some(wish))
}

fn set(value: &[u8], nonce: &str) -> Result<Wish, Unheeded> {
    let (fields, roles, data) = read(value, nonce)?;
    let (Some(uid), None) = (fields.uid, fields.v) else {
        return Err(Unheeded::Syntax);
    };
    let roles = roles.unwrap_or_default();
    Identity::parse(uid.as_bytes(), roles.as_bytes()).map_err(|_| Unheeded::Identity)?;
    Ok(Wish::Create {
        uid,
        roles,
        data: data.unwrap_or_else(|| "null".to_owned()),
    })
}

fn update(value: &[u8], nonce: &str) -> Result<Wish, Unheeded> {
    let (fields, roles, data) = read(value, nonce)?;
    let (None, Some(version)) = (fields.uid, fields.v) else {
        return Err(Unheeded::Syntax);
    };
    match (&roles, &data) {
        (None, None) => Err(Unheeded::Syntax),
        (Some(roles), _) if Identity::parse(b"-", roles.as_bytes()).is_err() => {
            Err(Unheeded::Identity)
        }
        _ => Ok(Wish::Update {
            version,
            data,
            roles,
        }),
    }
}

type Read<'a> = (Fields<'a>, Option<String>, Option<String>);

/// The fields, the nonce checked; roles and data as they travel.
fn read<'a>(value: &'a [u8], nonce: &str) -> Result<Read<'a>, Unheeded> {
    let mut fields: Fields<'a> = serde_json::from_slice(value).map_err(|_| Unheeded::Syntax)?;
    check_nonce(&fields.n, nonce)?;
    let roles = fields.roles.take().map(joined);
    let data = match fields.data {
        Some(data) if data.get().len() > MAX_DATA => return Err(Unheeded::Data),
        Some(data) if depth(data.get()) > MAX_DEPTH => return Err(Unheeded::Syntax),
        data => data.map(|data| data.get().to_owned()),
    };
    Ok((fields, roles, data))
}

/// Lists and mappings inside each other in a text that is JSON.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => depth = depth.saturating_add(1),
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// An empty one is that of a route without nonces: equal to nothing.
fn check_nonce(said: &str, nonce: &str) -> Result<(), Unheeded> {
    if said == nonce && nonce.len() == NONCE_LEN {
        Ok(())
    } else {
        Err(Unheeded::Nonce)
    }
}

/// A role with a comma in it would be two: it is none, so it becomes one that is refused.
fn joined(roles: Vec<String>) -> String {
    if roles
        .iter()
        .any(|role| role.is_empty() || role.contains(','))
    {
        return ",".to_owned();
    }
    let mut roles = sorted(roles);
    roles.dedup();
    roles.join(",")
}

/// Fuzz entry: the first byte says which field, the rest is its value. What is heeded is bounded, and its
/// identity may be told to an upstream.
#[cfg(any(test, fuzzing))]
pub fn fuzz_wish(data: &[u8]) {
    const NONCE: &str = "AAAAAAAAAAAAAAAAAAAAAA";
    let (which, value) = data.split_first().unwrap_or((&0, &[]));
    let names = [SET, UPDATE, ROTATE, END];
    let name = names.get(usize::from(*which % 4)).copied().unwrap_or(SET);
    let allowed = Allowed {
        create: true,
        update: true,
        post: true,
        session: true,
        replace: true,
        status: 200,
        nonce: NONCE,
    };
    let (roles, data) = match wish(&Headers::from_pairs([(name, value)]), &allowed) {
        Ok(Some(Wish::Create { uid, roles, data })) => {
            assert!(Identity::parse(uid.as_bytes(), roles.as_bytes()).is_ok());
            (roles, data)
        }
        Ok(Some(Wish::Update { data, roles, .. })) => {
            (roles.unwrap_or_default(), data.unwrap_or_default())
        }
        _ => return,
    };
    assert!(value.len() <= MAX_FIELD && data.len() <= MAX_DATA);
    assert!(Identity::parse(b"-", roles.as_bytes()).is_ok());
}

#[cfg(test)]
mod tests;

//! Operations of the admin API: what a person or a login service asks for. They travel the same way to
//! Redis as the filter's own, with their own bound of time.

use super::failure::Failure;
use crate::vault::Form;
use serde_json::Value as Json;
use tidegate::wire::reply::LimitReply;

/// One admin operation. Names and values are as the caller gave them; the core checks them.
#[derive(Clone)]
pub enum AdminOp {
    /// Creates a session. Answer: [`AdminReply::Created`].
    CreateSession(NewSession),
    /// Makes all workers forget every object they have in memory. Answer: [`AdminReply::Count`], 0.
    Forget,
    /// Reads a limit without charging it. Answer: [`AdminReply::Limit`].
    LimitPeek(Limit),
    /// Forgets what a limit has counted. Answer: [`AdminReply::Count`].
    LimitReset(Limit),
    /// Reads a key's own limit. Answer: [`AdminReply::Override`].
    OverrideGet(Override),
    /// Removes a key's own limit. Answer: [`AdminReply::Override`].
    OverrideRemove(Override),
    /// Gives a key a limit of its own. Answer: [`AdminReply::Override`].
    OverrideSet(Override, OwnLimit),
    /// Lists a user's live sessions. Answer: [`AdminReply::Sessions`].
    ListSessions {
        /// Name of the realm.
        realm: String,
        /// The user.
        uid: String,
    },
    /// Removes all objects of a tag. Answer: [`AdminReply::Count`], objects removed.
    PurgeTag {
        /// The tag.
        tag: Vec<u8>,
    },
    /// Removes all objects of a URL. Answer: [`AdminReply::Count`], objects removed.
    PurgeUrl {
        /// Canonical URL.
        url: Vec<u8>,
    },
    /// What is stored for these URLs, named by the hex of their hashes, is no longer fresh. Answer:
    /// [`AdminReply::Count`], objects.
    Soften(Vec<Vec<u8>>),
    /// The same of all objects of a tag.
    SoftenTag {
        /// The tag.
        tag: Vec<u8>,
    },
    /// Ends again what was ended before, in case Redis forgot it. Answer: [`AdminReply::Revoked`].
    Repeat(Vec<Revocation>),
    /// Ends one session. Answer: [`AdminReply::Revoked`], 0 or 1.
    RevokeSession {
        /// The session's handle ([`tidegate::session::token::handle`]).
        handle: String,
    },
    /// Ends all sessions of a user, known to the index or not. Answer: [`AdminReply::Revoked`], how
    /// many the index knew.
    RevokeUser {
        /// Name of the realm.
        realm: String,
        /// The user.
        uid: String,
    },
    /// Gives a session another token, and other roles or data. Answer: [`AdminReply::Rotated`], or
    /// [`AdminReply::Absent`].
    RotateSession(Rotation),
}

/// A session to create.
#[derive(Clone)]
pub struct NewSession {
    /// Name of the realm, 1..=64 bytes.
    pub realm: String,
    /// The user: 1..=128 of `A-Za-z0-9._:@-`.
    pub uid: String,
    /// Roles: at most 32 of at most 64 bytes, the same alphabet.
    pub roles: Vec<String>,
    /// What the application keeps with the session; at most 2048 bytes as JSON.
    pub data: Json,
    /// Idle time, milliseconds, > 0.
    pub idle_ms: u64,
    /// Longest life, milliseconds, > 0.
    pub absolute_ms: u64,
    /// 18 random bytes.
    pub secret: [u8; 18],
    /// 12 random bytes.
    pub nonce: [u8; 12],
    /// How its content is kept.
    pub form: Form,
}

/// Another token for a session.
#[derive(Clone)]
pub struct Rotation {
    /// Name of the realm, 1..=64 bytes.
    pub realm: String,
    /// The token's keyed tag of the user.
    pub user: [u8; 12],
    /// The token's random part.
    pub secret: [u8; 18],
    /// 18 random bytes, proposed as the new token's random part.
    pub successor: [u8; 18],
    /// 12 random bytes.
    pub nonce: [u8; 12],
    /// Idle time, milliseconds, > 0.
    pub idle_ms: u64,
    /// How long the old token stays valid, milliseconds.
    pub grace_ms: u64,
    /// The version the change is based on; without one, on whatever it is.
    pub version: Option<u64>,
    /// Its roles from now on.
    pub roles: Option<Vec<String>>,
    /// Its data from now on.
    pub data: Option<Json>,
}

/// Something that was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// One session.
    Session {
        /// Keyed tag of the user.
        user: [u8; 12],
        /// Hash of the secret.
        hash: [u8; 15],
    },
    /// All that a user had.
    User {
        /// Keyed tag of the user.
        user: [u8; 12],
        /// The epoch this made: below it Redis has lost the revocation, at or above it nothing is to do, so
        /// that a repetition does not end what was created since. 0: not made yet.
        least: u64,
    },
}

/// A limit of one subject, as [`tidegate::wire::op::Take`] names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Its algorithm's name.
    pub algorithm: String,
    /// Hash of whom it counts.
    pub subject: [u8; 16],
    /// Hash of the limit and its parameters.
    pub id: [u8; 8],
    /// Units per window.
    pub limit: u64,
    /// Window, microseconds.
    pub window_us: u64,
    /// As in [`tidegate::wire::op::Take`].
    pub burst: u64,
    /// `unit@zone`, when its windows are the calendar's.
    pub calendar: Option<String>,
    /// The limit's name, when a key may have a limit of its own.
    pub overridable: Option<String>,
}

/// Where a key's own limit is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Name of the limit.
    pub name: String,
    /// Hash of whom it counts.
    pub subject: [u8; 16],
}

/// A limit of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnLimit {
    /// Units per window, > 0.
    pub limit: u64,
    /// Capacity of a `token_bucket`, > 0; without one it keeps the configured one.
    pub burst: Option<u64>,
    /// How long it holds, milliseconds, > 0.
    pub ttl_ms: u64,
}

/// The answer to an admin operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminReply {
    /// There is no such session.
    Absent,
    /// How many were removed.
    Count(u64),
    /// The session was created; the token is for the shell to mint.
    Created {
        /// Keyed tag of the user.
        user: [u8; 12],
        /// SHA-256 of the secret, cut to 120 bits.
        hash: [u8; 15],
        /// Absolute deadline, microseconds since the epoch by Redis' clock.
        deadline_us: u64,
    },
    /// It was not done, or it is not known whether it was.
    Failed(Failure),
    /// What a limit says now.
    Limit(LimitReply),
    /// What is stored as a key's own limit, whatever it is, and how long it holds still, milliseconds.
    Override(Option<(Vec<u8>, u64)>),
    /// They ended.
    Revoked {
        /// So many were known to live.
        sessions: u64,
        /// A replica has it too, or there is none.
        replicated: bool,
        /// What to do again when it may have been lost.
        repeat: Vec<Revocation>,
    },
    /// The session has another token; it is for the shell to mint.
    Rotated {
        /// Keyed tag of the user.
        user: [u8; 12],
        /// The new token's random part.
        secret: [u8; 18],
        /// Absolute deadline, microseconds since the epoch by Redis' clock.
        deadline_us: u64,
        /// A replica has it too, or there is none.
        replicated: bool,
        /// What to do again when it may have been lost: the old token must not come back.
        repeat: Vec<Revocation>,
    },
    /// Live sessions, the one that ends first first.
    Sessions(Vec<SessionInfo>),
}

/// One live session. What it holds stays sealed: only its token opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionInfo {
    /// Its public name.
    pub handle: String,
    /// When it was created, microseconds since the epoch by Redis' clock.
    pub created_us: u64,
    /// Absolute deadline, microseconds since the epoch by Redis' clock.
    pub deadline_us: u64,
    /// How long it lives if nobody uses it, milliseconds from now.
    pub idle_left_ms: u64,
}

//! What is asked of sessions.

use super::{Op, OpError, fixed, number, ttl};
use crate::wire::resp;

/// Longest data of a session, bytes of JSON.
pub const MAX_DATA: usize = 2048;
/// Longest user name, bytes.
pub const MAX_UID: usize = 128;
/// Roles of one session, at most.
pub const MAX_ROLES: usize = 32;
/// Longest role, bytes.
pub const MAX_ROLE: usize = 64;
/// Longest list of roles as it travels, bytes: joined by `,`.
const MAX_ROLES_TEXT: usize = MAX_ROLES * (MAX_ROLE + 1) - 1;
const PLAIN: &[u8] = b"PLAIN";
/// Longest time a token stays valid after it was replaced, milliseconds.
pub const MAX_GRACE_MS: u64 = 60_000;

/// `SESSION.CREATE realm secret nonce idle_ms absolute_ms uid roles data [user secret] [PLAIN]`: makes a
/// session, and ends the one that was presented with the login. Reply: [`crate::wire::reply::SessionWritten`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionCreate<'a> {
    /// Name of the realm.
    pub realm: &'a [u8],
    /// 18 random bytes: the token's random part.
    pub secret: &'a [u8; 18],
    /// 12 random bytes: the value is sealed with them.
    pub nonce: &'a [u8; 12],
    /// A session not used for this long ends, milliseconds, > 0.
    pub idle_ms: u64,
    /// A session this old ends, milliseconds, > 0.
    pub absolute_ms: u64,
    /// Whose.
    pub uid: &'a [u8],
    /// Roles, joined by `,`; may be empty.
    pub roles: &'a [u8],
    /// JSON.
    pub data: &'a [u8],
    /// User tag and secret of the session that ends in the same step.
    pub old: Option<(&'a [u8; 12], &'a [u8; 18])>,
    /// `PLAIN`: whoever reads Redis may read what it holds; it is signed instead of sealed.
    pub readable: bool,
}

/// `SESSION.END realm user secret scope`: a logout. Reply: [`crate::wire::reply::SessionWritten`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionEnd<'a> {
    /// Name of the realm.
    pub realm: &'a [u8],
    /// The token's keyed tag of the user.
    pub user: &'a [u8; 12],
    /// The token's random part.
    pub secret: &'a [u8; 18],
    /// Which of the user's sessions.
    pub scope: Scope,
}

/// Which sessions of a user end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// All but the one that asks.
    Others,
    /// The one that asks.
    This,
}

/// `SESSION.GET realm user secret idle_ms touch [DATA]`. Reply: [`crate::wire::reply::SessionReply`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionGet<'a> {
    /// Name of the realm.
    pub realm: &'a [u8],
    /// The token's keyed tag of the user: the Redis Cluster hash tag.
    pub user: &'a [u8; 12],
    /// The token's random part: names the key and opens the value.
    pub secret: &'a [u8; 18],
    /// Idle time the session is slid by, milliseconds, > 0.
    pub idle_ms: u64,
    /// When to slide it.
    pub touch: Touch,
    /// Its data and their version are wanted too.
    pub data: bool,
}

/// `SESSION.ROTATE realm user secret successor nonce idle_ms grace_ms [version roles data]`: the token is
/// replaced by another of the same session; two at once get one successor. With a version it is also a
/// change of roles, which is refused when the session is of another one.
/// Reply: [`crate::wire::reply::SessionWritten`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRotate<'a> {
    /// Name of the realm.
    pub realm: &'a [u8],
    /// The token's keyed tag of the user.
    pub user: &'a [u8; 12],
    /// The token's random part.
    pub secret: &'a [u8; 18],
    /// 18 random bytes, proposed as the new token's random part.
    pub successor: &'a [u8; 18],
    /// 12 random bytes: the value is sealed with them.
    pub nonce: &'a [u8; 12],
    /// As of [`SessionCreate`].
    pub idle_ms: u64,
    /// How long the old token stays valid, milliseconds; 0: it is dead at once.
    pub grace_ms: u64,
    /// What else changes.
    pub change: Option<Change<'a>>,
}

/// What a rotation changes beside the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// The version it is based on.
    pub version: u64,
    /// Roles, joined by `,`; may be empty.
    pub roles: &'a [u8],
    /// JSON; empty: as they were.
    pub data: &'a [u8],
}

/// `SESSION.UPDATE realm user secret nonce version data`: replaces the data of a session that is still of
/// this version. Reply: [`crate::wire::reply::SessionWritten`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionUpdate<'a> {
    /// Name of the realm.
    pub realm: &'a [u8],
    /// The token's keyed tag of the user.
    pub user: &'a [u8; 12],
    /// The token's random part.
    pub secret: &'a [u8; 18],
    /// 12 random bytes: the value is sealed with them.
    pub nonce: &'a [u8; 12],
    /// The version it is based on.
    pub version: u64,
    /// JSON.
    pub data: &'a [u8],
}

/// When a look-up slides a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touch {
    /// On each look-up.
    Always,
    /// Never: polling must not keep a session alive.
    Never,
    /// When less than 3/4 of `idle_ms` is left.
    Threshold,
}

impl Scope {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Others => "others",
            Self::This => "this",
        }
    }

    /// The scope called so.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        let all = [Self::All, Self::Others, Self::This];
        all.into_iter()
            .find(|scope| scope.name().as_bytes() == name)
    }
}

impl Touch {
    /// Its name on the wire.
    pub fn name(self) -> &'static [u8] {
        match self {
            Self::Always => b"always",
            Self::Never => b"never",
            Self::Threshold => b"threshold",
        }
    }
}

impl SessionCreate<'_> {
    pub(super) fn encode(&self, verb: &[u8], out: &mut Vec<u8>) {
        let old = if self.old.is_some() { 2 } else { 0 };
        resp::array(out, 9 + old + usize::from(self.readable));
        resp::bulk(out, verb);
        resp::bulk(out, self.realm);
        resp::bulk(out, self.secret);
        resp::bulk(out, self.nonce);
        resp::bulk_int(out, self.idle_ms);
        resp::bulk_int(out, self.absolute_ms);
        resp::bulk(out, self.uid);
        resp::bulk(out, self.roles);
        resp::bulk(out, self.data);
        if let Some((user, secret)) = self.old {
            resp::bulk(out, user);
            resp::bulk(out, secret);
        }
        if self.readable {
            resp::bulk(out, PLAIN);
        }
    }
}

impl SessionEnd<'_> {
    pub(super) fn encode(&self, verb: &[u8], out: &mut Vec<u8>) {
        resp::array(out, 5);
        resp::bulk(out, verb);
        resp::bulk(out, self.realm);
        resp::bulk(out, self.user);
        resp::bulk(out, self.secret);
        resp::bulk(out, self.scope.name().as_bytes());
    }
}

impl SessionGet<'_> {
    pub(super) fn encode(&self, verb: &[u8], out: &mut Vec<u8>) {
        resp::array(out, if self.data { 7 } else { 6 });
        resp::bulk(out, verb);
        resp::bulk(out, self.realm);
        resp::bulk(out, self.user);
        resp::bulk(out, self.secret);
        resp::bulk_int(out, self.idle_ms);
        resp::bulk(out, self.touch.name());
        if self.data {
            resp::bulk(out, b"DATA");
        }
    }
}

impl SessionRotate<'_> {
    pub(super) fn encode(&self, verb: &[u8], out: &mut Vec<u8>) {
        resp::array(out, if self.change.is_some() { 11 } else { 8 });
        resp::bulk(out, verb);
        resp::bulk(out, self.realm);
        resp::bulk(out, self.user);
        resp::bulk(out, self.secret);
        resp::bulk(out, self.successor);
        resp::bulk(out, self.nonce);
        resp::bulk_int(out, self.idle_ms);
        resp::bulk_int(out, self.grace_ms);
        if let Some(change) = &self.change {
            resp::bulk_int(out, change.version);
            resp::bulk(out, change.roles);
            resp::bulk(out, change.data);
        }
    }
}

impl SessionUpdate<'_> {
    pub(super) fn encode(&self, verb: &[u8], out: &mut Vec<u8>) {
        resp::array(out, 7);
        resp::bulk(out, verb);
        resp::bulk(out, self.realm);
        resp::bulk(out, self.user);
        resp::bulk(out, self.secret);
        resp::bulk(out, self.nonce);
        resp::bulk_int(out, self.version);
        resp::bulk(out, self.data);
    }
}

pub(super) fn create<'a>(args: &[&'a [u8]]) -> Result<Op<'a>, OpError> {
    let (&[realm, secret, nonce, idle_ms, absolute_ms, uid, roles, data], old) =
        args.split_first_chunk().ok_or(OpError::Arity)?;
    let (old, readable) = match old {
        [old @ .., last] if *last == PLAIN && old.len() != 1 => (old, true),
        old => (old, false),
    };
    let old = match *old {
        [] => None,
        [user, secret] => Some((fixed(user, "old user")?, fixed(secret, "old secret")?)),
        _ => return Err(OpError::Arity),
    };
    Ok(Op::SessionCreate(SessionCreate {
        realm: checked_realm(realm)?,
        secret: fixed(secret, "secret")?,
        nonce: fixed(nonce, "nonce")?,
        idle_ms: ttl(idle_ms)?,
        absolute_ms: ttl(absolute_ms)?,
        uid: bounded(uid, 1, MAX_UID, "uid")?,
        roles: bounded(roles, 0, MAX_ROLES_TEXT, "roles")?,
        data: bounded(data, 1, MAX_DATA, "data")?,
        old,
        readable,
    }))
}

pub(super) fn end<'a>(args: &[&'a [u8]]) -> Result<Op<'a>, OpError> {
    let &[realm, user, secret, scope] = args else {
        return Err(OpError::Arity);
    };
    Ok(Op::SessionEnd(SessionEnd {
        realm: checked_realm(realm)?,
        user: fixed(user, "user")?,
        secret: fixed(secret, "secret")?,
        scope: Scope::from_name(scope).ok_or(OpError::Argument("scope"))?,
    }))
}

pub(super) fn get<'a>(args: &[&'a [u8]]) -> Result<Op<'a>, OpError> {
    let (&[realm, user, secret, idle_ms, touch], options) =
        args.split_first_chunk().ok_or(OpError::Arity)?;
    let data = match *options {
        [] => false,
        [b"DATA"] => true,
        [_] => return Err(OpError::Argument("option")),
        _ => return Err(OpError::Arity),
    };
    Ok(Op::SessionGet(SessionGet {
        realm: checked_realm(realm)?,
        user: fixed(user, "user")?,
        secret: fixed(secret, "secret")?,
        idle_ms: ttl(idle_ms)?,
        touch: match touch {
            b"always" => Touch::Always,
            b"never" => Touch::Never,
            b"threshold" => Touch::Threshold,
            _ => return Err(OpError::Argument("touch")),
        },
        data,
    }))
}

pub(super) fn rotate<'a>(args: &[&'a [u8]]) -> Result<Op<'a>, OpError> {
    let (&[realm, user, secret, successor, nonce, idle_ms, grace_ms], change) =
        args.split_first_chunk().ok_or(OpError::Arity)?;
    let change = match *change {
        [] => None,
        [version, roles, data] => Some(Change {
            version: checked_version(version)?,
            roles: bounded(roles, 0, MAX_ROLES_TEXT, "roles")?,
            data: bounded(data, 0, MAX_DATA, "data")?,
        }),
        _ => return Err(OpError::Arity),
    };
    Ok(Op::SessionRotate(SessionRotate {
        realm: checked_realm(realm)?,
        user: fixed(user, "user")?,
        secret: fixed(secret, "secret")?,
        successor: fixed(successor, "successor")?,
        nonce: fixed(nonce, "nonce")?,
        idle_ms: ttl(idle_ms)?,
        grace_ms: number(grace_ms, 0, MAX_GRACE_MS, "grace_ms")?,
        change,
    }))
}

pub(super) fn update<'a>(args: &[&'a [u8]]) -> Result<Op<'a>, OpError> {
    let &[realm, user, secret, nonce, version, data] = args else {
        return Err(OpError::Arity);
    };
    Ok(Op::SessionUpdate(SessionUpdate {
        realm: checked_realm(realm)?,
        user: fixed(user, "user")?,
        secret: fixed(secret, "secret")?,
        nonce: fixed(nonce, "nonce")?,
        version: checked_version(version)?,
        data: bounded(data, 1, MAX_DATA, "data")?,
    }))
}

fn checked_realm(realm: &[u8]) -> Result<&[u8], OpError> {
    bounded(realm, 1, 64, "realm")
}

fn checked_version(text: &[u8]) -> Result<u64, OpError> {
    number(text, 1, super::MAX_EXACT, "version")
}

fn bounded<'a>(
    bytes: &'a [u8],
    min: usize,
    max: usize,
    name: &'static str,
) -> Result<&'a [u8], OpError> {
    if (min..=max).contains(&bytes.len()) {
        Ok(bytes)
    } else {
        Err(OpError::Argument(name))
    }
}

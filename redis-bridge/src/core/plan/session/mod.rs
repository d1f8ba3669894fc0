//! Sessions: the verbs of the data plane and what the admin API does. A secret leaves the bridge only
//! towards the one who holds the token it belongs to.

mod create;
mod end;
mod get;
mod revoke;
mod rotate;
mod update;

pub(super) use create::Create;
pub(super) use end::End;
pub(super) use get::Get;
pub(super) use revoke::{Counted, List, Revoke};
pub(super) use rotate::Rotate;
pub(super) use update::Update;

use super::{Answer, Begun, Context, Next, Plan, Round, number, only};
use crate::core::admin::Revocation;
use crate::core::audit::Audit;
use crate::core::exchanges::Outcome;
use crate::core::failure::Failure;
use crate::core::keys::hex;
use crate::core::types::{Command, Role};
use crate::core::value::Value;
use crate::script::Script;
use crate::vault::{BadPayload, Place};
use tidegate::session::token;
use tidegate::wire::OpError;
use tidegate::wire::reply::SessionWritten;

/// Who asked, and so in which form it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Admin,
    Op,
}

/// A session, by what its token says.
struct Subject {
    realm: Vec<u8>,
    user: [u8; 12],
    secret: [u8; 18],
    key: Vec<u8>,
}

/// What `session_read` answers.
enum Held {
    Absent {
        now_us: u64,
    },
    /// It is valid.
    Here {
        value: Vec<u8>,
        version: u64,
        deadline_us: u64,
        now_us: u64,
    },
    /// It lives on under another token, whose secret is sealed here.
    Replaced(Vec<u8>),
}

impl Subject {
    fn new(realm: &[u8], user: &[u8; 12], secret: &[u8; 18], cx: &Context<'_>) -> Self {
        Self {
            realm: realm.to_vec(),
            user: *user,
            secret: *secret,
            key: cx.keys.session(user, &token::key_hash(secret)),
        }
    }

    /// Goes over to the token that replaced this one.
    fn follow(&mut self, sealed: &[u8], cx: &Context<'_>) -> Result<(), Failure> {
        let next = cx.vault.open_next(&self.place(0), sealed);
        let next = next.map_err(|_| Failure::Seal)?;
        *self = Self::new(&self.realm, &self.user, &next, cx);
        Ok(())
    }

    fn place(&self, version: u64) -> Place<'_> {
        Place {
            realm: &self.realm,
            user: &self.user,
            secret: &self.secret,
            key: &self.key,
            version,
        }
    }

    fn hash(&self) -> [u8; 15] {
        token::key_hash(&self.secret)
    }

    /// The session and its user's epoch.
    fn keys(&self, cx: &Context<'_>) -> Vec<Vec<u8>> {
        vec![self.key.clone(), cx.keys.epoch(&self.user)]
    }

    fn read(&self, cx: &Context<'_>) -> Round {
        let command = Command {
            script: Script::SessionRead,
            keys: self.keys(cx),
            args: Vec::new(),
        };
        Round::new(Role::State, vec![command])
    }

    fn audit(&self, action: &'static str) -> Audit {
        Audit {
            action,
            realm: String::from_utf8_lossy(&self.realm).into_owned(),
            user: self.user,
            hash: Some(self.hash()),
            outcome: "",
        }
    }
}

impl Held {
    fn parse(answers: Vec<Answer>) -> Result<Self, Failure> {
        let answer = only(answers)?;
        match answer.as_array().ok_or(Failure::Shape)? {
            [Value::Simple(word), now] if word == b"absent" => Ok(Self::Absent {
                now_us: unsigned(now)?,
            }),
            [
                Value::Simple(word),
                Value::Bulk(value),
                version,
                deadline,
                now,
            ] if word == b"held" => Ok(Self::Here {
                value: value.clone(),
                version: unsigned(version)?,
                deadline_us: unsigned(deadline)?,
                now_us: unsigned(now)?,
            }),
            [Value::Simple(word), Value::Bulk(sealed), _now] if word == b"replaced" => {
                Ok(Self::Replaced(sealed.clone()))
            }
            _ => Err(Failure::Shape),
        }
    }
}

/// The answer to a verb that changes a session.
fn written(reply: &SessionWritten, now_us: u64) -> Outcome {
    let mut out = Vec::new();
    reply.encode(now_us, &mut out);
    Outcome::Value(out)
}

fn word(reply: &SessionWritten) -> &'static str {
    match reply {
        SessionWritten::Absent => "absent",
        SessionWritten::Conflict { .. } => "conflict",
        SessionWritten::Created { .. } => "created",
        SessionWritten::Ended { .. } => "ended",
        SessionWritten::Rotated { .. } => "rotated",
        SessionWritten::Updated { .. } => "updated",
    }
}

fn unsigned(value: &Value) -> Result<u64, Failure> {
    value.as_u64().ok_or(Failure::Shape)
}

fn argument(name: &'static str) -> Failure {
    Failure::Op(OpError::Argument(name))
}

fn bad(payload: BadPayload) -> Failure {
    argument(payload.what())
}

fn checked_realm(realm: &str) -> Result<(), Failure> {
    match realm.is_empty() || realm.len() > 64 {
        true => Err(argument("realm")),
        false => Ok(()),
    }
}

/// What was done before once more.
fn again(what: &Revocation, cx: &Context<'_>) -> Command {
    match what {
        Revocation::Session { user, hash } => revoke(user, hash, cx),
        Revocation::User { user, least } => revoke_user(user, *least, cx),
    }
}

/// Ends one session; whose index may name it.
fn revoke(user: &[u8; 12], hash: &[u8; 15], cx: &Context<'_>) -> Command {
    Command {
        script: Script::SessionRevoke,
        keys: vec![cx.keys.session(user, hash), cx.keys.index(user)],
        args: vec![hex(hash), cx.keys.session_prefix(user)],
    }
}

/// Ends all sessions under a tag. `least`: the epoch to restore, or 0.
fn revoke_user(user: &[u8; 12], least: u64, cx: &Context<'_>) -> Command {
    Command {
        script: Script::SessionRevokeUser,
        keys: vec![cx.keys.epoch(user), cx.keys.index(user)],
        args: vec![cx.keys.session_prefix(user), number(least)],
    }
}

//! `SESSION.GET`, and what the admin API does with sessions.

use super::{Answer, Begun, Context, Next, Plan, Round, number, only};
use crate::core::admin::{AdminReply, NewSession, SessionInfo};
use crate::core::exchanges::Outcome;
use crate::core::failure::Failure;
use crate::core::keys::{hex, unhex};
use crate::core::types::{Command, Role};
use crate::core::value::Value;
use crate::script::Script;
use crate::vault::{Payload, Place};
use tidegate::session::token;
use tidegate::wire::OpError;
use tidegate::wire::op::{MAX_TTL_MS, SessionGet};
use tidegate::wire::reply::SessionReply;

/// Looks a session up and opens it.
pub(super) struct Get {
    realm: Vec<u8>,
    user: [u8; 12],
    secret: [u8; 18],
    key: Vec<u8>,
}

impl Get {
    pub(super) fn begin(op: &SessionGet<'_>, cx: &Context<'_>) -> Begun {
        let key = cx.keys.session(op.user, &token::key_hash(op.secret));
        let command = Command {
            script: Script::SessionGet,
            keys: vec![key.clone(), cx.keys.epoch(op.user)],
            args: vec![number(op.idle_ms), op.touch.name().to_vec()],
        };
        let plan = Self {
            realm: op.realm.to_vec(),
            user: *op.user,
            secret: *op.secret,
            key,
        };
        (Box::new(plan), Round::new(Role::State, vec![command]))
    }

    fn reply(&self, value: &Value, cx: &Context<'_>) -> Result<Vec<u8>, Failure> {
        let mut out = Vec::new();
        match value.as_array().ok_or(Failure::Shape)? {
            [Value::Simple(word), now] if word == b"absent" => {
                SessionReply::Absent.encode(now.as_u64().ok_or(Failure::Shape)?, &mut out);
            }
            [Value::Simple(word), Value::Bulk(sealed), deadline, now] if word == b"valid" => {
                let deadline_us = deadline.as_u64().ok_or(Failure::Shape)?;
                let now_us = now.as_u64().ok_or(Failure::Shape)?;
                let place = Place {
                    realm: &self.realm,
                    user: &self.user,
                    secret: &self.secret,
                    key: &self.key,
                };
                let payload = cx.vault.open(&place, sealed).map_err(|_| Failure::Seal)?;
                let roles = payload.roles.join(",");
                let reply = SessionReply::Valid {
                    uid: payload.uid.as_bytes(),
                    roles: roles.as_bytes(),
                    deadline_us,
                    data: None,
                };
                reply.encode(now_us, &mut out);
            }
            _ => return Err(Failure::Shape),
        }
        Ok(out)
    }
}

impl Plan for Get {
    fn next(&mut self, answers: Vec<Answer>, cx: &mut Context<'_>) -> Next {
        let reply = only(answers).and_then(|value| self.reply(&value, cx));
        Next::from(reply.map(Outcome::Value))
    }
}

/// Creates a session.
pub(super) struct Create {
    user: [u8; 12],
    hash: [u8; 15],
}

impl Create {
    pub(super) fn begin(new: &NewSession, cx: &Context<'_>) -> Result<Begun, Failure> {
        let argument = |name| Failure::Op(OpError::Argument(name));
        checked_realm(&new.realm)?;
        if new.idle_ms == 0 || new.idle_ms > MAX_TTL_MS {
            return Err(argument("idle_ms"));
        }
        if new.absolute_ms == 0 || new.absolute_ms > MAX_TTL_MS {
            return Err(argument("absolute_ms"));
        }
        let payload =
            Payload::new(&new.uid, &new.roles, new.data.clone()).map_err(|e| argument(e.what()))?;
        let user = cx.vault.user_tag(&new.realm, &new.uid);
        let hash = token::key_hash(&new.secret);
        let key = cx.keys.session(&user, &hash);
        let place = Place {
            realm: new.realm.as_bytes(),
            user: &user,
            secret: &new.secret,
            key: &key,
        };
        let sealed = cx
            .vault
            .seal(&place, &payload, new.nonce)
            .map_err(|e| argument(e.what()))?;
        let command = Command {
            script: Script::SessionCreate,
            keys: vec![key.clone(), cx.keys.epoch(&user), cx.keys.index(&user)],
            args: vec![
                sealed,
                number(new.idle_ms),
                number(new.absolute_ms),
                number(u64::from(cx.config.sessions_per_user)),
                hex(&hash),
                cx.keys.session_prefix(&user),
            ],
        };
        let round = Round::new(Role::State, vec![command]);
        Ok((Box::new(Self { user, hash }), round))
    }
}

impl Plan for Create {
    fn next(&mut self, answers: Vec<Answer>, _cx: &mut Context<'_>) -> Next {
        let created = only(answers).and_then(|value| match value.as_array() {
            Some([Value::Simple(word), deadline, _now]) if word == b"created" => {
                deadline.as_u64().ok_or(Failure::Shape)
            }
            Some([Value::Simple(word), _now]) if word == b"exists" => Err(Failure::Exists),
            _ => Err(Failure::Shape),
        });
        Next::from(created.map(|deadline_us| {
            Outcome::Admin(AdminReply::Created {
                user: self.user,
                hash: self.hash,
                deadline_us,
            })
        }))
    }
}

/// Anything that is answered by how many were removed.
pub(super) struct Counted;

impl Counted {
    pub(super) fn revoke(handle: &str, cx: &Context<'_>) -> Result<Begun, Failure> {
        let (user, hash) = token::parse_handle(handle.as_bytes())
            .ok_or(Failure::Op(OpError::Argument("handle")))?;
        let command = Command {
            script: Script::SessionRevoke,
            keys: vec![cx.keys.session(&user, &hash), cx.keys.index(&user)],
            args: vec![hex(&hash)],
        };
        Ok((Box::new(Self), Round::new(Role::State, vec![command])))
    }

    pub(super) fn revoke_user(realm: &str, uid: &str, cx: &Context<'_>) -> Result<Begun, Failure> {
        let user = user_tag(realm, uid, cx)?;
        let command = Command {
            script: Script::SessionRevokeUser,
            keys: vec![cx.keys.epoch(&user), cx.keys.index(&user)],
            args: vec![cx.keys.session_prefix(&user)],
        };
        Ok((Box::new(Self), Round::new(Role::State, vec![command])))
    }
}

impl Plan for Counted {
    fn next(&mut self, answers: Vec<Answer>, _cx: &mut Context<'_>) -> Next {
        let count = only(answers).and_then(|value| value.as_u64().ok_or(Failure::Shape));
        Next::from(count.map(|count| Outcome::Admin(AdminReply::Count(count))))
    }
}

/// Lists a user's sessions.
pub(super) struct List {
    user: [u8; 12],
}

impl List {
    pub(super) fn begin(realm: &str, uid: &str, cx: &Context<'_>) -> Result<Begun, Failure> {
        let user = user_tag(realm, uid, cx)?;
        let command = Command {
            script: Script::SessionList,
            keys: vec![cx.keys.epoch(&user), cx.keys.index(&user)],
            args: vec![cx.keys.session_prefix(&user)],
        };
        Ok((
            Box::new(Self { user }),
            Round::new(Role::State, vec![command]),
        ))
    }

    fn session(&self, value: &Value) -> Option<SessionInfo> {
        let [member, created, deadline, left] = value.as_array()? else {
            return None;
        };
        let hash = unhex::<15>(member.as_bytes()?)?;
        Some(SessionInfo {
            handle: token::handle(&self.user, &hash),
            created_us: created.as_u64()?,
            deadline_us: deadline.as_u64()?,
            idle_left_ms: left.as_u64()?,
        })
    }
}

impl Plan for List {
    fn next(&mut self, answers: Vec<Answer>, _cx: &mut Context<'_>) -> Next {
        let sessions = only(answers).and_then(|value| {
            let items = value.as_array().ok_or(Failure::Shape)?;
            let sessions: Option<Vec<_>> = items.iter().map(|item| self.session(item)).collect();
            sessions.ok_or(Failure::Shape)
        });
        Next::from(sessions.map(|sessions| Outcome::Admin(AdminReply::Sessions(sessions))))
    }
}

fn checked_realm(realm: &str) -> Result<(), Failure> {
    if realm.is_empty() || realm.len() > 64 {
        return Err(Failure::Op(OpError::Argument("realm")));
    }
    Ok(())
}

fn user_tag(realm: &str, uid: &str, cx: &Context<'_>) -> Result<[u8; 12], Failure> {
    checked_realm(realm)?;
    if !crate::vault::is_uid(uid) {
        return Err(Failure::Op(OpError::Argument("uid")));
    }
    Ok(cx.vault.user_tag(realm, uid))
}

//! Sessions: create, list, revoke, rotate.

use super::query::Query;
use super::{Admin, Answer, Json, StatusCode, json, unexpected};
use crate::core::{AdminOp, AdminReply, NewSession, Revocation, Rotation};
use crate::listener::problem::Problem;
use crate::time::rfc3339;
use crate::vault::{Form, Strict};
use serde::Deserialize;
use tidegate::policy::Realm;
use tidegate::session::RealmTag;
use tidegate::session::token::{self, Rejected, Token};

/// Body of `POST /v1/sessions`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Create {
    realm: Option<String>,
    uid: String,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    data: Strict,
}

/// Body of `POST /v1/sessions/rotate`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotate {
    token: String,
    roles: Option<Vec<String>>,
    data: Option<Strict>,
}

impl Create {
    /// `lives`: idle and at most, milliseconds.
    fn into_op(
        self,
        realm: String,
        lives: (u64, u64),
        form: Form,
        secret: [u8; 18],
        nonce: [u8; 12],
    ) -> AdminOp {
        AdminOp::CreateSession(NewSession {
            realm,
            uid: self.uid,
            roles: self.roles,
            data: self.data.0,
            idle_ms: lives.0,
            absolute_ms: lives.1,
            secret,
            nonce,
            form,
        })
    }
}

impl Admin {
    pub(super) async fn create_session(&self, body: Create) -> Answer {
        let realm = self.realm(body.realm.as_deref())?;
        let (mut secret, mut nonce) = ([0; 18], [0; 12]);
        random(&mut secret)?;
        random(&mut nonce)?;
        let form = match realm.seal {
            true => Form::Sealed,
            false => Form::Readable,
        };
        let lives = (realm.idle_ms, realm.absolute_ms);
        let op = body.into_op(realm.name.clone(), lives, form, secret, nonce);
        let AdminReply::Created {
            user,
            hash,
            deadline_us,
        } = self.ask(op).await?
        else {
            return Err(unexpected());
        };
        let deadline_s = deadline_us / 1_000_000;
        let tag = RealmTag::of(&realm.name);
        let token = token::mint(&self.keys, tag, user, deadline_s, secret);
        let json = json!({
            "token": token,
            "handle": token::handle(&user, &hash),
            "expires_at": rfc3339(deadline_us),
        });
        Ok((StatusCode::CREATED, json))
    }

    pub(super) async fn list_sessions(&self, uid: &str, query: &Query) -> Answer {
        query.only(&["realm"])?;
        let realm = self.realm(query.one("realm")?)?.name;
        let uid = uid.to_owned();
        match self.ask(AdminOp::ListSessions { realm, uid }).await? {
            AdminReply::Sessions(sessions) => {
                let sessions = sessions.into_iter().map(|session| {
                    json!({
                        "handle": session.handle,
                        "created_at": rfc3339(session.created_us),
                        "expires_at": rfc3339(session.deadline_us),
                        "idle_left_ms": session.idle_left_ms,
                    })
                });
                let sessions: Vec<Json> = sessions.collect();
                Ok((StatusCode::OK, json!({ "sessions": sessions })))
            }
            _ => Err(unexpected()),
        }
    }

    /// A session's new token. The old one is dead at once: this is how roles change.
    pub(super) async fn rotate_session(&self, body: Rotate) -> Answer {
        let (realm, token) = self.verified(&body.token)?;
        let (mut successor, mut nonce) = ([0; 18], [0; 12]);
        random(&mut successor)?;
        random(&mut nonce)?;
        let tag = RealmTag::of(&realm.name);
        let op = AdminOp::RotateSession(Rotation {
            realm: realm.name,
            user: token.user,
            secret: token.secret,
            successor,
            nonce,
            idle_ms: realm.idle_ms,
            grace_ms: 0,
            version: None,
            roles: body.roles,
            data: body.data.map(|data| data.0),
        });
        match self.ask(op).await? {
            AdminReply::Rotated {
                user,
                secret,
                deadline_us,
                replicated,
                repeat,
            } => {
                let deadline_s = deadline_us / 1_000_000;
                let json = json!({
                    "token": token::mint(&self.keys, tag, user, deadline_s, secret),
                    "handle": token::handle(&user, &token::key_hash(&secret)),
                    "expires_at": rfc3339(deadline_us),
                });
                Ok(self.durable(json, replicated, repeat))
            }
            AdminReply::Absent => Err(Problem::new(StatusCode::NOT_FOUND, "no such session")),
            _ => Err(unexpected()),
        }
    }

    pub(super) async fn revoke(&self, handle: &str) -> Answer {
        let handle = handle.to_owned();
        match self.ask(AdminOp::RevokeSession { handle }).await? {
            AdminReply::Revoked { sessions: 0, .. } => {
                Err(Problem::new(StatusCode::NOT_FOUND, "no such session"))
            }
            AdminReply::Revoked {
                replicated, repeat, ..
            } => Ok(self.durable(json!({ "revoked": true }), replicated, repeat)),
            _ => Err(unexpected()),
        }
    }

    /// True also when the user had none: their epoch moves, so no session made before is valid.
    pub(super) async fn revoke_user(&self, uid: &str, query: &Query) -> Answer {
        query.only(&["realm"])?;
        let realm = self.realm(query.one("realm")?)?.name;
        let uid = uid.to_owned();
        match self.ask(AdminOp::RevokeUser { realm, uid }).await? {
            AdminReply::Revoked {
                sessions,
                replicated,
                repeat,
            } => {
                let json = json!({ "revoked": true, "sessions": sessions });
                Ok(self.durable(json, replicated, repeat))
            }
            _ => Err(unexpected()),
        }
    }

    /// 200 when a replica has it too. Else 202, and it is repeated until one has.
    fn durable(
        &self,
        mut json: Json,
        replicated: bool,
        again: Vec<Revocation>,
    ) -> (StatusCode, Json) {
        if replicated {
            return (StatusCode::OK, json);
        }
        self.repeater.repeat(again);
        if let Some(fields) = json.as_object_mut() {
            fields.insert("replicated".to_owned(), false.into());
        }
        (StatusCode::ACCEPTED, json)
    }

    /// What a token says, and of which of the policy's realms it is.
    fn verified(&self, text: &str) -> Result<(Realm, Token), Problem> {
        let mut reason = "no realm of the policy has such tokens";
        for name in self.policy.realm_names() {
            match token::verify(&self.keys, RealmTag::of(&name), text.as_bytes()) {
                Ok(token) => return Ok((self.realm(Some(&name))?, token)),
                Err(Rejected::Realm) => {}
                Err(rejected) => reason = rejected.name(),
            }
        }
        let detail = format!("token: {reason}");
        Err(Problem::new(StatusCode::BAD_REQUEST, detail))
    }

    /// The realm called `name`; without a name the only one there is.
    pub(super) fn realm(&self, name: Option<&str>) -> Result<Realm, Problem> {
        let bad = |detail: String| Problem::new(StatusCode::BAD_REQUEST, detail);
        let names = self.policy.realm_names();
        let name = match (name, names.as_slice()) {
            (Some(name), _) => name,
            (None, [only]) => only,
            (None, []) => return Err(bad("no policy with sessions is loaded".to_owned())),
            (None, _) => return Err(bad(format!("realm is one of {}", names.join(", ")))),
        };
        self.policy
            .realm(name)
            .ok_or_else(|| bad("the policy has no such realm".to_owned()))
    }
}

fn random(bytes: &mut [u8]) -> Result<(), Problem> {
    getrandom::fill(bytes).map_err(|_| {
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the system has no randomness",
        )
    })
}

/// For [`crate::fuzz`]: the session that a body asks for.
#[cfg(any(test, fuzzing))]
pub(super) fn fuzz_body(body: &[u8]) -> Option<AdminOp> {
    drop(super::parse::<Rotate>(body));
    let create: Create = super::parse(body).ok()?;
    let realm = create.realm.clone().unwrap_or_else(|| "web".to_owned());
    Some(create.into_op(realm, (60_000, 600_000), Form::Sealed, [1; 18], [2; 12]))
}

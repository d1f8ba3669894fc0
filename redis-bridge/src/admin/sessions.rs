//! Sessions: create, list, revoke.

use super::query::Query;
use super::{Admin, Answer, Json, StatusCode, json, unexpected};
use crate::core::{AdminOp, AdminReply, NewSession};
use crate::listener::problem::Problem;
use crate::time::rfc3339;
use serde::Deserialize;
use tidegate::policy::Realm;
use tidegate::session::{RealmTag, token};

/// Body of `POST /v1/sessions`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Create {
    realm: Option<String>,
    uid: String,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    data: Json,
}

impl Admin {
    pub(super) async fn create_session(&self, body: Create) -> Answer {
        let realm = self.realm(body.realm.as_deref())?;
        let (mut secret, mut nonce) = ([0; 18], [0; 12]);
        random(&mut secret)?;
        random(&mut nonce)?;
        let op = AdminOp::CreateSession(NewSession {
            realm: realm.name.clone(),
            uid: body.uid,
            roles: body.roles,
            data: body.data,
            idle_ms: realm.idle_ms,
            absolute_ms: realm.absolute_ms,
            secret,
            nonce,
        });
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

    pub(super) async fn revoke(&self, handle: &str) -> Answer {
        let handle = handle.to_owned();
        match self.count(AdminOp::RevokeSession { handle }).await? {
            0 => Err(Problem::new(StatusCode::NOT_FOUND, "no such session")),
            _ => Ok((StatusCode::OK, json!({ "revoked": true }))),
        }
    }

    /// True also when the user had none: their epoch moves, so no session made before is valid.
    pub(super) async fn revoke_user(&self, uid: &str, query: &Query) -> Answer {
        query.only(&["realm"])?;
        let realm = self.realm(query.one("realm")?)?.name;
        let uid = uid.to_owned();
        let sessions = self.count(AdminOp::RevokeUser { realm, uid }).await?;
        Ok((
            StatusCode::OK,
            json!({ "revoked": true, "sessions": sessions }),
        ))
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

//! What the admin API ends and lists.

use super::Revocation;
use super::{
    Answer, Audit, Begun, Command, Context, Failure, Next, Outcome, Plan, Role, Round, Script,
    Value, again, argument, checked_realm, only, token, unsigned,
};
use crate::core::admin::{AdminReply, SessionInfo};
use crate::core::keys::unhex;

/// Ends sessions, and stays until it is known who has it in writing.
pub(in super::super) struct Revoke {
    action: &'static str,
    realm: String,
    what: Vec<Revocation>,
}

impl Revoke {
    /// One session.
    pub(in super::super) fn session(handle: &str, cx: &Context<'_>) -> Result<Begun, Failure> {
        let (user, hash) = token::parse_handle(handle.as_bytes()).ok_or(argument("handle"))?;
        let what = vec![Revocation::Session { user, hash }];
        Ok(Self::begin("revoke", String::new(), what, cx))
    }

    /// All of a user, under whatever tag they live.
    pub(in super::super) fn user(
        realm: &str,
        uid: &str,
        cx: &Context<'_>,
    ) -> Result<Begun, Failure> {
        let tags = user_tags(realm, uid, cx)?.into_iter();
        let what = tags.map(|user| Revocation::User { user, least: 0 });
        Ok(Self::begin(
            "revoke_user",
            realm.to_owned(),
            what.collect(),
            cx,
        ))
    }

    /// What was done before once more.
    pub(in super::super) fn repeat(
        what: &[Revocation],
        cx: &Context<'_>,
    ) -> Result<Begun, Failure> {
        match what {
            [] => Err(argument("revocations")),
            what => Ok(Self::begin(
                "revoke_again",
                String::new(),
                what.to_vec(),
                cx,
            )),
        }
    }

    fn begin(
        action: &'static str,
        realm: String,
        what: Vec<Revocation>,
        cx: &Context<'_>,
    ) -> Begun {
        let commands = what.iter().map(|what| again(what, cx)).collect();
        let plan = Self {
            action,
            realm,
            what,
        };
        let round = Round {
            must_run: true,
            ..Round::new(Role::Durable, commands)
        };
        (Box::new(plan), round)
    }

    /// Adds up, and notes the epochs that a repetition must restore.
    fn count(&mut self, answers: Vec<Answer>) -> Result<u64, Failure> {
        let mut sessions = 0;
        for (what, answer) in self.what.iter_mut().zip(answers) {
            let answer = answer?;
            match (what, answer.as_array().ok_or(Failure::Shape)?) {
                (Revocation::Session { .. }, [removed, _now]) => sessions += unsigned(removed)?,
                (Revocation::User { least, .. }, [removed, epoch, _now]) => {
                    sessions += unsigned(removed)?;
                    *least = unsigned(epoch)?;
                }
                _ => return Err(Failure::Shape),
            }
        }
        Ok(sessions)
    }
}

impl Plan for Revoke {
    fn next(&mut self, answers: Vec<Answer>, cx: &mut Context<'_>) -> Next {
        let sessions = self.count(answers);
        let outcome = match &sessions {
            Ok(0) => Ok("none"),
            Ok(_) => Ok("revoked"),
            Err(failure) => Err(failure),
        };
        for what in &self.what {
            let (user, hash) = match *what {
                Revocation::Session { user, hash } => (user, Some(hash)),
                Revocation::User { user, .. } => (user, None),
            };
            let audit = Audit {
                action: self.action,
                realm: self.realm.clone(),
                user,
                hash,
                outcome: "",
            };
            cx.audit.push(audit, outcome);
        }
        let replicated = cx.replicated;
        let repeat = std::mem::take(&mut self.what);
        Next::from(sessions.map(|sessions| {
            Outcome::Admin(AdminReply::Revoked {
                sessions,
                replicated,
                repeat,
            })
        }))
    }
}

/// Anything that is answered by how many were removed.
pub(in super::super) struct Counted;

impl Plan for Counted {
    fn next(&mut self, answers: Vec<Answer>, _cx: &mut Context<'_>) -> Next {
        let count = only(answers).and_then(|value| unsigned(&value));
        Next::from(count.map(|count| Outcome::Admin(AdminReply::Count(count))))
    }
}

/// Lists a user's sessions.
pub(in super::super) struct List {
    tags: Vec<[u8; 12]>,
}

impl List {
    pub(in super::super) fn begin(
        realm: &str,
        uid: &str,
        cx: &Context<'_>,
    ) -> Result<Begun, Failure> {
        let tags = user_tags(realm, uid, cx)?;
        let commands = tags.iter().map(|user| Command {
            script: Script::SessionList,
            keys: vec![cx.keys.epoch(user), cx.keys.index(user)],
            args: vec![cx.keys.session_prefix(user)],
        });
        let round = Round::new(Role::State, commands.collect());
        Ok((Box::new(Self { tags }), round))
    }

    fn sessions(&self, answers: Vec<Answer>) -> Result<Vec<SessionInfo>, Failure> {
        let mut sessions = Vec::new();
        for (user, answer) in self.tags.iter().zip(answers) {
            let answer = answer?;
            for item in answer.as_array().ok_or(Failure::Shape)? {
                sessions.push(session(user, item).ok_or(Failure::Shape)?);
            }
        }
        sessions.sort_by_key(|session| session.deadline_us);
        Ok(sessions)
    }
}

impl Plan for List {
    fn next(&mut self, answers: Vec<Answer>, _cx: &mut Context<'_>) -> Next {
        let sessions = self.sessions(answers);
        Next::from(sessions.map(|sessions| Outcome::Admin(AdminReply::Sessions(sessions))))
    }
}

fn session(user: &[u8; 12], value: &Value) -> Option<SessionInfo> {
    let [member, created, deadline, left] = value.as_array()? else {
        return None;
    };
    let hash = unhex::<15>(member.as_bytes()?)?;
    Some(SessionInfo {
        handle: token::handle(user, &hash),
        created_us: created.as_u64()?,
        deadline_us: deadline.as_u64()?,
        idle_left_ms: left.as_u64()?,
    })
}

fn user_tags(realm: &str, uid: &str, cx: &Context<'_>) -> Result<Vec<[u8; 12]>, Failure> {
    checked_realm(realm)?;
    match crate::vault::is_uid(uid) {
        true => Ok(cx.vault.user_tags(realm.as_bytes(), uid)),
        false => Err(argument("uid")),
    }
}

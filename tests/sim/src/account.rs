//! Requests whose answers log in, log out, rotate and change sessions: what the upstream says, and what the
//! client knows once it has the answer.

use crate::check::session::Session;
use crate::origin::USERS;
use crate::policy::{self, COOKIE};
use crate::request::{Credential, SessionTold};
use crate::world::World;
use redis_bridge::core::{Keys, RequestId};
use redis_bridge::model::Data;
use tidegate::http::Headers;
use tidegate::session::token::{self, verify};
use tidegate::wire::op::Scope;
use tidegate::wire::reply::SessionWritten;

/// What an upstream asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// A logout.
    End(Scope),
    /// A login of this user.
    LogIn(usize),
    /// Other roles.
    Roles,
    /// Another token.
    Rotate,
    /// Other data.
    Update,
}

/// A change of a session, as one request sees it.
#[derive(Debug, Default)]
pub struct Change {
    /// The version it is based on.
    pub version: Option<u64>,
    /// What Redis said.
    pub written: Option<SessionWritten>,
    /// Sessions that have ended once it is acknowledged.
    ends: Vec<usize>,
}

/// The name of a user.
pub fn uid(user: usize) -> String {
    format!("user-{user}")
}

impl World {
    /// One of them, by chance.
    pub fn any_act(&mut self) -> Act {
        match self.rng.between(0, 19) {
            0..5 => Act::LogIn(self.rng.index(USERS)),
            5..11 => Act::Update,
            11..16 => Act::Rotate,
            16 => Act::Roles,
            17 => Act::End(Scope::This),
            18 => Act::End(Scope::Others),
            _ => Act::End(Scope::All),
        }
    }

    /// The upstream's fields for what it was told. Without a session it asks for nothing but a login.
    pub fn wish(&mut self, no: usize, act: Act) -> Option<(&'static str, String)> {
        let headers = &self.requests[no].headers;
        let text = |name| headers.only(name).map(String::from_utf8_lossy);
        let nonce = text("x-session-nonce")?.into_owned();
        let version = text("x-session-version").and_then(|text| text.parse::<u64>().ok());
        let data = self.rng.word() % 1000;
        self.requests[no].change.version = version;
        let changed = |more: String| {
            let version = version?;
            Some((
                "x-session-update",
                format!(r#"{{"n":"{nonce}","v":{version},{more}}}"#),
            ))
        };
        match act {
            Act::LogIn(user) => {
                let uid = uid(user);
                let set =
                    format!(r#"{{"n":"{nonce}","uid":"{uid}","roles":["member"],"data":{data}}}"#);
                Some(("x-session-set", set))
            }
            Act::Update => changed(format!(r#""data":{data}"#)),
            Act::Roles => changed(format!(r#""roles":["member","r{data}"]"#)),
            Act::Rotate => version.map(|_| ("x-session-rotate", "?1".to_owned())),
            Act::End(scope) => version.map(|_| ("x-session-end", scope.name().to_owned())),
        }
    }

    /// Its answer reaches the filter, which asks Redis now: what may end from here on.
    pub fn change_asked(&mut self, no: usize, act: Act, token: Credential) {
        let Credential::Token(own) = token else {
            return;
        };
        let uid = match (act, &self.requests[no].session) {
            (_, SessionTold::Valid(uid)) => uid.clone(),
            // A login ends what was shown with it, whatever is known of that.
            (Act::LogIn(_), _) => self.sessions.all[own].uid.clone(),
            _ => return,
        };
        let family = self.sessions.all[own].family;
        let (now, all) = (self.now, &mut self.sessions.all);
        let mut ends = Vec::new();
        for (at, session) in all.iter_mut().enumerate() {
            let related = session.family == family;
            // Whoever ends one of two tokens ends both; a third one is not kept beside them.
            let (may, must) = match act {
                Act::LogIn(_) | Act::End(Scope::This) | Act::Roles => (related, at == own),
                Act::End(Scope::All) => (session.uid == uid, session.uid == uid),
                Act::End(Scope::Others) => {
                    let others = session.uid == uid && !related;
                    (session.uid == uid, others)
                }
                Act::Rotate => (related && at != own, false),
                Act::Update => (false, false),
            };
            if may && related && act != Act::Rotate {
                self.sessions.families_ended.insert(family);
            }
            if may {
                session.revoke_asked = session.revoke_asked.or(Some(now));
            }
            if must {
                ends.push(at);
            }
        }
        if matches!(act, Act::End(Scope::All | Scope::Others)) {
            // One that is being created meanwhile may end too.
            let ended = self.sessions.users_ended.entry(asked_by(no));
            ended.or_insert((uid, None));
        }
        self.requests[no].change.ends = ends;
    }

    /// The client has the answer: it is acknowledged.
    pub fn change_acked(&mut self, no: usize, act: Act, token: Credential) {
        let now = self.now;
        let Some(written) = self.requests[no].change.written else {
            return;
        };
        let cookie = self.cookie(no);
        match written {
            SessionWritten::Created { .. } => {
                self.marks.hit("logged_in");
                if let Act::LogIn(user) = act {
                    self.adopt(no, cookie, uid(user), None);
                }
                self.ended(no);
            }
            SessionWritten::Ended { .. } => {
                self.marks.hit("logged_out");
                if let Some((_, done)) = self.sessions.users_ended.get_mut(&asked_by(no)) {
                    *done = Some(now);
                }
                self.ended(no);
            }
            SessionWritten::Rotated { .. } => {
                self.rotated(no, act, token, cookie);
            }
            SessionWritten::Updated { .. } => self.updated(no, token),
            SessionWritten::Absent => self.marks.hit("change_lost"),
            SessionWritten::Conflict { .. } => self.marks.hit("change_conflict"),
        }
    }

    fn rotated(&mut self, no: usize, act: Act, token: Credential, cookie: Option<String>) {
        self.marks.hit("rotated");
        let Credential::Token(own) = token else {
            return self.violated(format!("S3: request {no} has no session and rotates one"));
        };
        let (uid, family) = (
            self.sessions.all[own].uid.clone(),
            self.sessions.all[own].family,
        );
        if act == Act::Rotate {
            self.check_successor(own, cookie.as_deref());
        } else {
            self.updated(no, token);
        }
        self.adopt(no, cookie, uid, Some(family));
        self.ended(no);
    }

    fn ended(&mut self, no: usize) {
        let now = self.now;
        for at in std::mem::take(&mut self.requests[no].change.ends) {
            let session = &mut self.sessions.all[at];
            session.revoked = session.revoked.or(Some(now));
        }
    }

    /// A token somebody was given.
    fn adopt(&mut self, no: usize, cookie: Option<String>, uid: String, family: Option<usize>) {
        let (Some(text), Some(keys)) = (cookie, policy::keys()) else {
            return self.violated(format!(
                "request {no} is told of a session and has no cookie"
            ));
        };
        if self
            .sessions
            .all
            .iter()
            .any(|session| session.token == text)
        {
            return;
        }
        let Ok(token) = verify(&keys, policy::realm(), text.as_bytes()) else {
            return self.violated(format!("request {no} is given a token that is none"));
        };
        let hash = token::key_hash(&token.secret);
        let key = Keys::new("tg").session(&token.user, &hash);
        let family = family.unwrap_or(self.sessions.all.len());
        // Whoever ended a token of it meanwhile ended this one too.
        let ended = self.sessions.families_ended.contains(&family);
        let entry = self.redis.model.store.entries.get(&key);
        let exact = entry.and_then(|entry| match &entry.data {
            Data::Hash(fields) => fields.get(&b"d"[..]),
            _ => None,
        });
        let exact = exact.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
        self.sessions.all.push(Session {
            token: text,
            handle: token::handle(&token.user, &hash),
            key,
            created: self.requests[no].invoked,
            deadline_us: exact.unwrap_or(token.deadline_s * 1_000_000 + 999_999),
            revoke_asked: ended.then_some(self.now),
            revoked: None,
            uid,
            family,
            successor: None,
        });
    }

    /// The token the answer gives to its client.
    fn cookie(&self, no: usize) -> Option<String> {
        let headers: &Headers = &self.requests[no].headers;
        let ours = format!("{COOKIE}=");
        let mut values = headers.all("set-cookie").filter_map(|line| {
            let line = std::str::from_utf8(line).ok()?;
            let value = line.strip_prefix(&ours)?.split(';').next()?;
            Some(value.to_owned()).filter(|value| !value.is_empty())
        });
        values.next()
    }
}

/// Stands for the request among what ends users' sessions.
fn asked_by(no: usize) -> RequestId {
    RequestId(u64::MAX - no as u64)
}

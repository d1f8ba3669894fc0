//! What a request came to, against what its answers said: S1, S2, S4, S12, C1, C3 to C6, C8, C9.

use crate::options::Mutant;
use crate::origin::MAX_AGE_S;
use crate::policy::STALE_MS;
use crate::request::{Credential, Kind, LimitTold, SessionTold};
use crate::rng::MS;
use crate::world::World;
use tidegate::stream::LocalReply;
use tidegate::wire::reply::SessionWritten;

impl World {
    /// A request goes upstream.
    pub fn check_upstream(&mut self, no: usize) {
        let request = &self.requests[no];
        let user = request.headers.only("x-session-user");
        let user = user.map(|user| String::from_utf8_lossy(user).into_owned());
        let expected = match &request.session {
            SessionTold::Valid(uid) => Some(uid.clone()),
            _ => None,
        };
        if user != expected {
            return self.violated(format!(
                "S12: request {no} goes as {user:?}, is {expected:?}"
            ));
        }
        match request.kind {
            Kind::User { token } => {
                if expected.is_none() {
                    return self.violated(format!("S4: request {no} passes without a session"));
                }
                self.check_valid(no, token);
                self.check_passed(no);
            }
            Kind::Limited { .. } => self.check_passed(no),
            Kind::Account { token, .. } => {
                if expected.is_some() {
                    self.check_valid(no, token);
                }
            }
            Kind::Get { token, .. } => {
                if expected.is_some() {
                    self.check_valid(no, token);
                }
            }
            Kind::Put { .. } => {}
        }
    }

    /// A request is answered by the filter.
    pub fn check_reply(&mut self, no: usize, reply: &LocalReply) {
        let request = &self.requests[no];
        let told = (request.session.clone(), request.limits);
        let clears = reply.headers.iter().any(|(name, _)| name == "set-cookie");
        let local = self.options.on_error == "local";
        let right = match (&request.kind, reply.status) {
            (Kind::Get { .. }, 200) => return self.check_hit(no, reply),
            (Kind::Limited { .. }, 429) => match told.1 {
                LimitTold::Denied | LimitTold::Remembered => true,
                LimitTold::Nothing => {
                    self.marks.hit("local_denied");
                    local
                }
                LimitTold::Admitted | LimitTold::Leased => false,
            },
            (Kind::Limited { .. }, 503) => {
                told.1 == LimitTold::Nothing && self.options.on_error == "deny"
            }
            (Kind::Account { .. }, 409) => {
                let conflict = matches!(
                    request.change.written,
                    Some(SessionWritten::Conflict { .. })
                );
                self.marks.hit("change_conflict");
                conflict && !clears
            }
            (Kind::Account { .. }, 503) => {
                self.marks.hit("change_failed");
                request.change.written.is_none() && !clears
            }
            (Kind::User { .. }, 429) => {
                matches!(told.0, SessionTold::Valid(_))
                    && (told.1 == LimitTold::Denied || local && told.1 == LimitTold::Nothing)
            }
            (Kind::User { token }, 401) => {
                let absent = match *token {
                    Credential::Forged | Credential::None => true,
                    Credential::Token(at) => self.may_be_absent(&self.sessions.all[at]),
                };
                if !absent {
                    let why = format!("S4: request {no} is told 401 and its session lives");
                    return self.violated(why);
                }
                match *token {
                    Credential::Token(at) if self.sessions.all[at].revoke_asked.is_none() => {
                        self.marks.hit("session_expired");
                    }
                    Credential::Token(_) => {
                        self.marks.hit("session_revoked");
                    }
                    _ => self.marks.hit("forged_token"),
                }
                true
            }
            (Kind::User { .. }, 503) => {
                let unknown = told.0 == SessionTold::Nothing;
                let no_limit = told.1 == LimitTold::Nothing && self.options.on_error == "deny";
                if unknown {
                    self.marks.hit("session_unknown_503");
                }
                (unknown || no_limit) && !clears
            }
            _ => false,
        };
        if reply.status == 429 || reply.status == 503 {
            self.settled(no, reply.status);
        }
        if !right {
            let request = &self.requests[no];
            let (kind, status) = (&request.kind, reply.status);
            let text = format!("verdict: request {no} {kind:?} told {told:?} answers {status}");
            self.violated(text);
        }
    }

    /// It passed its limits.
    fn check_passed(&mut self, no: usize) {
        let passed = match self.requests[no].limits {
            LimitTold::Admitted | LimitTold::Leased => true,
            LimitTold::Denied | LimitTold::Remembered => false,
            LimitTold::Nothing => self.options.on_error != "deny",
        };
        if !passed {
            self.violated(format!("R1: request {no} passes and was not admitted"));
        }
    }

    /// It is valid.
    fn check_valid(&mut self, no: usize, token: Credential) {
        let invoked = self.requests[no].invoked;
        let told = self.requests[no].session.clone();
        let Credential::Token(at) = token else {
            return self.violated(format!("S1: request {no} has no token and is valid"));
        };
        let session = self.sessions.all[at].clone();
        self.marks.hit("session_valid");
        if session.revoke_asked.is_some() && session.revoked.is_none_or(|at| at > invoked) {
            self.marks.hit("revoke_during_lookup");
        }
        if session.revoked.is_some_and(|revoked| revoked <= invoked) {
            return self.violated(format!(
                "S2: request {no} is valid, its session was revoked {} us before it came",
                (invoked - session.revoked.unwrap_or(0)) / 1000
            ));
        }
        if told != SessionTold::Valid(session.uid.clone()) {
            self.violated(format!(
                "S12: request {no} of {} is told {told:?}",
                session.uid
            ));
        }
    }

    /// It is answered from store.
    fn check_hit(&mut self, no: usize, reply: &LocalReply) {
        self.marks.hit("cache_hit");
        let mut text = String::from_utf8_lossy(&reply.body).into_owned();
        if self.options.mutant == Some(Mutant::SwapBodies) {
            std::mem::swap(&mut self.last_body, &mut text);
        }
        let request = &self.requests[no];
        let Kind::Get { resource, lang, .. } = request.kind else {
            return;
        };
        let number = text
            .strip_prefix("fill=")
            .and_then(|rest| rest.split(';').next())
            .and_then(|number| number.parse::<usize>().ok());
        let Some(fill) = number.and_then(|number| self.origin.fills.get(number)) else {
            if self.options.mutant != Some(Mutant::SwapBodies) {
                self.violated(format!("C4: request {no} is answered with {text:?}"));
            }
            return;
        };
        let lang = if crate::origin::varies(resource) {
            lang
        } else {
            0
        };
        let user = match &request.session {
            SessionTold::Valid(uid) => Some(uid.clone()),
            _ => None,
        };
        let age = self.now.saturating_sub(fill.answered);
        let waited = self.now - request.invoked;
        let why = if (fill.resource, fill.lang) != (resource, lang) {
            "C4: made for another request"
        } else if fill.private || fill.principal.is_some() && fill.principal != user {
            "C5: made for another user"
        } else if fill.aborted || !text.ends_with(";end") {
            "C6: not complete"
        } else if fill.sent <= request.fresh_after {
            "C1: older than an acknowledged invalidation"
        } else if age > (MAX_AGE_S * 1000 + STALE_MS + 1000) * MS + waited {
            "C8: too old"
        } else {
            return;
        };
        self.violated(format!(
            "{why}: request {no}, {fill:?}, after {}",
            request.fresh_after
        ));
    }
}

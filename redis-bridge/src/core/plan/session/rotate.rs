//! `SESSION.ROTATE`, and the change of roles of the admin API.

use super::{
    Answer, Asked, Begun, Command, Context, Failure, Held, Next, Outcome, Plan, Role, Round,
    Script, Subject, Value, argument, bad, checked_realm, hex, number, only, unsigned, word,
    written,
};
use crate::core::admin::{AdminReply, Revocation, Rotation};
use crate::vault::{Form, Payload, parse_data, parse_roles};
use tidegate::wire::op::{MAX_TTL_MS, SessionRotate};
use tidegate::wire::reply::SessionWritten;

/// Gives a session another token.
///
/// A token that was replaced already stands for its successor. While the grace lasts that one is the
/// answer (invariant S7); where there shall be no grace, or something else is to change, the successor
/// is replaced in its turn, and its predecessor ends with it.
pub(in super::super) struct Rotate {
    asked: Asked,
    at: Subject,
    wanted: Rotation,
    stage: Stage,
    followed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// What the new value is based on.
    Read,
    /// Compare and set.
    Write,
    /// The token is dead: was it this very operation, whose answer was lost on the way?
    Own,
}

impl Rotate {
    pub(in super::super) fn begin(
        wanted: Rotation,
        asked: Asked,
        cx: &Context<'_>,
    ) -> Result<Begun, Failure> {
        checked_realm(&wanted.realm)?;
        if wanted.idle_ms == 0 || wanted.idle_ms > MAX_TTL_MS {
            return Err(argument("idle_ms"));
        }
        // Refused before anything is read.
        let (roles, data) = (wanted.roles.as_deref(), wanted.data.clone());
        Payload::new("-", roles.unwrap_or_default(), data.unwrap_or_default()).map_err(bad)?;
        let at = Subject::new(wanted.realm.as_bytes(), &wanted.user, &wanted.secret, cx);
        let read = at.read(cx);
        let plan = Self {
            asked,
            at,
            wanted,
            stage: Stage::Read,
            followed: false,
        };
        Ok((Box::new(plan), read))
    }

    pub(in super::super) fn begin_op(
        op: &SessionRotate<'_>,
        cx: &Context<'_>,
    ) -> Result<Begun, Failure> {
        let realm = std::str::from_utf8(op.realm).map_err(|_| argument("realm"))?;
        let (version, roles, data) = match &op.change {
            None => (None, None, None),
            Some(change) => {
                let roles = parse_roles(change.roles).map_err(bad)?;
                let data = match change.data {
                    b"" => None,
                    data => Some(parse_data(data).map_err(bad)?),
                };
                (Some(change.version), Some(roles), data)
            }
        };
        let wanted = Rotation {
            realm: realm.to_owned(),
            user: *op.user,
            secret: *op.secret,
            successor: *op.successor,
            nonce: *op.nonce,
            idle_ms: op.idle_ms,
            grace_ms: op.grace_ms,
            version,
            roles,
            data,
        };
        Self::begin(wanted, Asked::Op, cx)
    }

    fn changes(&self) -> bool {
        self.wanted.roles.is_some() || self.wanted.data.is_some()
    }

    fn read(&mut self, answers: Vec<Answer>, cx: &mut Context<'_>) -> Result<Next, Failure> {
        match Held::parse(answers)? {
            Held::Absent { .. } if !self.followed => {
                let (user, next) = (self.at.user, self.wanted.successor);
                self.stage = Stage::Own;
                let own = Subject::new(&self.at.realm, &user, &next, cx);
                Ok(Next::Run(own.read(cx)))
            }
            Held::Absent { now_us } => Ok(self.done(&SessionWritten::Absent, now_us, cx)),
            Held::Replaced(sealed) => self.follow(&sealed, cx),
            Held::Here {
                deadline_us,
                now_us,
                ..
            } if self.followed && self.wanted.grace_ms > 0 && !self.changes() => {
                let secret = self.at.secret;
                let reply = SessionWritten::Rotated {
                    secret,
                    deadline_us,
                };
                Ok(self.done(&reply, now_us, cx))
            }
            Held::Here {
                version, now_us, ..
            } if self.wanted.version.is_some_and(|based| based != version) => {
                Ok(self.done(&SessionWritten::Conflict { version }, now_us, cx))
            }
            Held::Here { value, version, .. } => self.write(&value, version, cx),
        }
    }

    fn write(&mut self, value: &[u8], version: u64, cx: &Context<'_>) -> Result<Next, Failure> {
        let wanted = &self.wanted;
        let payload = cx.vault.open(&self.at.place(version), value);
        let payload = payload.map_err(|_| Failure::Seal)?;
        let payload = payload.changed(wanted.roles.as_deref(), wanted.data.clone());
        let next_version = version + u64::from(self.changes());
        let next = Subject::new(&self.at.realm, &self.at.user, &wanted.successor, cx);
        let place = next.place(next_version);
        // It stays as readable as it was: which form a login makes is the policy's to say.
        let (form, payload) = (Form::of(value), payload.map_err(bad)?);
        let sealed = cx.vault.seal(form, &place, &payload, wanted.nonce);
        // Under a key of its own, so the nonce is fresh there too.
        let secret = (cx.vault).seal_next(&self.at.place(0), &wanted.successor, wanted.nonce);
        let user = &self.at.user;
        let command = Command {
            script: Script::SessionRotate,
            keys: [
                self.at.keys(cx),
                vec![cx.keys.index(user), next.key.clone()],
            ]
            .concat(),
            args: vec![
                number(version),
                number(next_version),
                sealed.map_err(bad)?,
                secret.ok_or(Failure::Shape)?,
                number(wanted.idle_ms),
                number(wanted.grace_ms),
                hex(&self.at.hash()),
                hex(&next.hash()),
                cx.keys.session_prefix(user),
            ],
        };
        self.stage = Stage::Write;
        let role = match self.asked {
            Asked::Admin => Role::Durable,
            Asked::Op => Role::State,
        };
        Ok(Next::Run(Round::new(role, vec![command])))
    }

    fn wrote(&mut self, answers: Vec<Answer>, cx: &mut Context<'_>) -> Result<Next, Failure> {
        let answer = only(answers)?;
        match answer.as_array().ok_or(Failure::Shape)? {
            [Value::Simple(word), now] if word == b"absent" => {
                Ok(self.done(&SessionWritten::Absent, unsigned(now)?, cx))
            }
            [Value::Simple(word), _now] if word == b"exists" => Err(Failure::Exists),
            [Value::Simple(word), version, now] if word == b"conflict" => {
                let (version, now_us) = (unsigned(version)?, unsigned(now)?);
                match self.wanted.version {
                    Some(_) => Ok(self.done(&SessionWritten::Conflict { version }, now_us, cx)),
                    // Based on whatever it is: somebody was faster, so once more.
                    None => Ok(self.again(cx)),
                }
            }
            [Value::Simple(word), Value::Bulk(sealed), _now] if word == b"replaced" => {
                self.follow(sealed, cx)
            }
            [Value::Simple(word), deadline, now] if word == b"rotated" => {
                let reply = SessionWritten::Rotated {
                    secret: self.wanted.successor,
                    deadline_us: unsigned(deadline)?,
                };
                Ok(self.done(&reply, unsigned(now)?, cx))
            }
            _ => Err(Failure::Shape),
        }
    }

    fn own(&self, answers: Vec<Answer>, cx: &mut Context<'_>) -> Result<Next, Failure> {
        let (reply, now_us) = match Held::parse(answers)? {
            Held::Absent { now_us } => (SessionWritten::Absent, now_us),
            Held::Here {
                deadline_us,
                now_us,
                ..
            } => {
                let secret = self.wanted.successor;
                let reply = SessionWritten::Rotated {
                    secret,
                    deadline_us,
                };
                (reply, now_us)
            }
            Held::Replaced(_) => return Err(Failure::Exists),
        };
        Ok(self.done(&reply, now_us, cx))
    }

    fn follow(&mut self, sealed: &[u8], cx: &Context<'_>) -> Result<Next, Failure> {
        self.at.follow(sealed, cx)?;
        self.followed = true;
        Ok(self.again(cx))
    }

    fn again(&mut self, cx: &Context<'_>) -> Next {
        self.stage = Stage::Read;
        Next::Run(self.at.read(cx))
    }

    fn done(&self, reply: &SessionWritten, now_us: u64, cx: &mut Context<'_>) -> Next {
        cx.audit.push(self.at.audit("rotate"), Ok(word(reply)));
        Next::Done(match (self.asked, reply) {
            (Asked::Op, reply) => written(reply, now_us),
            (
                Asked::Admin,
                SessionWritten::Rotated {
                    secret,
                    deadline_us,
                },
            ) => Outcome::Admin(AdminReply::Rotated {
                user: self.at.user,
                secret: *secret,
                deadline_us: *deadline_us,
                replicated: cx.replicated,
                repeat: vec![Revocation::Session {
                    user: self.at.user,
                    hash: self.at.hash(),
                }],
            }),
            (Asked::Admin, _) => Outcome::Admin(AdminReply::Absent),
        })
    }
}

impl Plan for Rotate {
    fn next(&mut self, answers: Vec<Answer>, cx: &mut Context<'_>) -> Next {
        let next = match self.stage {
            Stage::Read => self.read(answers, cx),
            Stage::Write => self.wrote(answers, cx),
            Stage::Own => self.own(answers, cx),
        };
        next.unwrap_or_else(|failure| {
            cx.audit.push(self.at.audit("rotate"), Err(&failure));
            Next::failed(failure)
        })
    }
}

//! `SESSION.CREATE`, and the same for the admin API.

use super::{
    Answer, Asked, Begun, Command, Context, Failure, Next, Outcome, Plan, Role, Round, Script,
    Subject, Value, argument, bad, checked_realm, hex, number, only, revoke, token, unsigned,
    written,
};
use crate::core::admin::{AdminReply, NewSession};
use crate::vault::{Form, Payload, parse_data, parse_roles};
use tidegate::wire::op::{MAX_TTL_MS, SessionCreate};
use tidegate::wire::reply::SessionWritten;

/// Creates a session. One that was presented with the login ends before: if that cannot be done there is
/// no new one, and if the new one fails the old one is dead, which harms nobody.
pub(in super::super) struct Create {
    asked: Asked,
    at: Subject,
    create: Option<Round>,
}

impl Create {
    pub(in super::super) fn begin(
        new: &NewSession,
        old: Option<(&[u8; 12], &[u8; 18])>,
        asked: Asked,
        cx: &Context<'_>,
    ) -> Result<Begun, Failure> {
        checked_realm(&new.realm)?;
        for (ms, name) in [(new.idle_ms, "idle_ms"), (new.absolute_ms, "absolute_ms")] {
            if ms == 0 || ms > MAX_TTL_MS {
                return Err(argument(name));
            }
        }
        let payload = Payload::new(&new.uid, &new.roles, new.data.clone()).map_err(bad)?;
        let user = cx.vault.user_tag(&new.realm, &new.uid);
        let at = Subject::new(new.realm.as_bytes(), &user, &new.secret, cx);
        let sealed = (cx.vault).seal(new.form, &at.place(1), &payload, new.nonce);
        let command = Command {
            script: Script::SessionCreate,
            keys: [at.keys(cx), vec![cx.keys.index(&user)]].concat(),
            args: vec![
                sealed.map_err(bad)?,
                number(new.idle_ms),
                number(new.absolute_ms),
                number(u64::from(cx.config.sessions_per_user)),
                hex(&at.hash()),
                cx.keys.session_prefix(&user),
            ],
        };
        let create = Round::new(Role::State, vec![command]);
        let (first, create) = match old {
            None => (create, None),
            Some((user, secret)) => {
                let end = revoke(user, &token::key_hash(secret), cx);
                (Round::new(Role::State, vec![end]), Some(create))
            }
        };
        Ok((Box::new(Self { asked, at, create }), first))
    }

    pub(in super::super) fn begin_op(
        op: &SessionCreate<'_>,
        cx: &Context<'_>,
    ) -> Result<Begun, Failure> {
        let text = |bytes: &[u8], name| {
            let text = std::str::from_utf8(bytes).map(str::to_owned);
            text.map_err(|_| argument(name))
        };
        let new = NewSession {
            realm: text(op.realm, "realm")?,
            uid: text(op.uid, "uid")?,
            roles: parse_roles(op.roles).map_err(bad)?,
            data: parse_data(op.data).map_err(bad)?,
            idle_ms: op.idle_ms,
            absolute_ms: op.absolute_ms,
            secret: *op.secret,
            nonce: *op.nonce,
            form: match op.readable {
                true => Form::Readable,
                false => Form::Sealed,
            },
        };
        Self::begin(&new, op.old, Asked::Op, cx)
    }

    fn outcome(&self, answer: Answer) -> Result<Outcome, Failure> {
        let answer = answer?;
        let (deadline_us, now_us) = match answer.as_array() {
            Some([Value::Simple(word), deadline, now]) if word == b"created" => {
                (unsigned(deadline)?, unsigned(now)?)
            }
            Some([Value::Simple(word), _now]) if word == b"exists" => return Err(Failure::Exists),
            _ => return Err(Failure::Shape),
        };
        let user = self.at.user;
        Ok(match self.asked {
            Asked::Admin => Outcome::Admin(AdminReply::Created {
                user,
                hash: self.at.hash(),
                deadline_us,
            }),
            Asked::Op => written(&SessionWritten::Created { user, deadline_us }, now_us),
        })
    }
}

impl Plan for Create {
    fn next(&mut self, answers: Vec<Answer>, cx: &mut Context<'_>) -> Next {
        let answer = only(answers);
        let outcome = match (self.create.take(), answer) {
            (Some(create), Ok(_ended)) => return Next::Run(create),
            (Some(_), Err(failure)) => Err(failure),
            (None, answer) => self.outcome(answer),
        };
        let audit = self.at.audit("create");
        cx.audit.push(audit, outcome.as_ref().map(|_| "created"));
        Next::from(outcome)
    }
}

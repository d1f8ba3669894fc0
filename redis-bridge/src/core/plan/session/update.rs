//! `SESSION.UPDATE`: read, seal, compare and set.

use super::{
    Answer, Begun, Command, Context, Failure, Held, Next, Plan, Role, Round, Script, Subject,
    Value, bad, number, only, unsigned, written,
};
use crate::vault::{Form, Payload, parse_data};
use serde_json::Value as Json;
use tidegate::wire::op::SessionUpdate;
use tidegate::wire::reply::SessionWritten;

/// Replaces the data of a session that is still of the version the change is based on. A token that was
/// replaced meanwhile stands for the same session: the change goes where it lives now.
pub(in super::super) struct Update {
    at: Subject,
    nonce: [u8; 12],
    version: u64,
    data: Json,
    written: bool,
}

impl Update {
    pub(in super::super) fn begin(
        op: &SessionUpdate<'_>,
        cx: &Context<'_>,
    ) -> Result<Begun, Failure> {
        let data = parse_data(op.data).map_err(bad)?;
        // Refused before anything is read: its length.
        Payload::new("-", &[], data.clone()).map_err(bad)?;
        let at = Subject::new(op.realm, op.user, op.secret, cx);
        let read = at.read(cx);
        let plan = Self {
            at,
            nonce: *op.nonce,
            version: op.version,
            data,
            written: false,
        };
        Ok((Box::new(plan), read))
    }

    fn read(&mut self, answers: Vec<Answer>, cx: &Context<'_>) -> Result<Next, Failure> {
        match Held::parse(answers)? {
            Held::Absent { now_us } => Ok(done(&SessionWritten::Absent, now_us)),
            Held::Replaced(sealed) => self.follow(&sealed, cx),
            Held::Here {
                version, now_us, ..
            } if version != self.version => Ok(done(&SessionWritten::Conflict { version }, now_us)),
            Held::Here { value, version, .. } => {
                let payload = cx.vault.open(&self.at.place(version), &value);
                let payload = payload.map_err(|_| Failure::Seal)?;
                let payload = payload.changed(None, Some(self.data.clone()));
                let place = self.at.place(version + 1);
                let (form, payload) = (Form::of(&value), payload.map_err(bad)?);
                let sealed = cx.vault.seal(form, &place, &payload, self.nonce);
                let command = Command {
                    script: Script::SessionUpdate,
                    keys: self.at.keys(cx),
                    args: vec![number(version), sealed.map_err(bad)?],
                };
                self.written = true;
                Ok(Next::Run(Round::new(Role::State, vec![command])))
            }
        }
    }

    fn follow(&mut self, sealed: &[u8], cx: &Context<'_>) -> Result<Next, Failure> {
        self.at.follow(sealed, cx)?;
        self.written = false;
        Ok(Next::Run(self.at.read(cx)))
    }

    fn wrote(&mut self, answers: Vec<Answer>, cx: &Context<'_>) -> Result<Next, Failure> {
        let answer = only(answers)?;
        match answer.as_array().ok_or(Failure::Shape)? {
            [Value::Simple(word), now] if word == b"absent" => {
                Ok(done(&SessionWritten::Absent, unsigned(now)?))
            }
            [Value::Simple(word), version, now] if word == b"conflict" => {
                let version = unsigned(version)?;
                Ok(done(&SessionWritten::Conflict { version }, unsigned(now)?))
            }
            [Value::Simple(word), Value::Bulk(sealed), _now] if word == b"replaced" => {
                self.follow(sealed, cx)
            }
            [Value::Simple(word), version, now] if word == b"updated" => {
                let version = unsigned(version)?;
                Ok(done(&SessionWritten::Updated { version }, unsigned(now)?))
            }
            _ => Err(Failure::Shape),
        }
    }
}

impl Plan for Update {
    fn next(&mut self, answers: Vec<Answer>, cx: &mut Context<'_>) -> Next {
        let next = match self.written {
            false => self.read(answers, cx),
            true => self.wrote(answers, cx),
        };
        next.unwrap_or_else(Next::failed)
    }
}

fn done(reply: &SessionWritten, now_us: u64) -> Next {
    Next::Done(written(reply, now_us))
}

//! `SESSION.GET`.

use super::{
    Answer, Begun, Command, Context, Failure, Next, Outcome, Plan, Role, Round, Script, Subject,
    Value, number, only, unsigned,
};
use tidegate::wire::op::SessionGet;
use tidegate::wire::reply::{SessionData, SessionReply};

/// Looks a session up and opens it.
pub(in super::super) struct Get {
    at: Subject,
    data: bool,
}

impl Get {
    pub(in super::super) fn begin(op: &SessionGet<'_>, cx: &Context<'_>) -> Begun {
        let at = Subject::new(op.realm, op.user, op.secret, cx);
        let command = Command {
            script: Script::SessionGet,
            keys: at.keys(cx),
            args: vec![number(op.idle_ms), op.touch.name().to_vec()],
        };
        let plan = Self { at, data: op.data };
        (Box::new(plan), Round::new(Role::State, vec![command]))
    }

    fn reply(&self, value: &Value, cx: &Context<'_>) -> Result<Vec<u8>, Failure> {
        let mut out = Vec::new();
        match value.as_array().ok_or(Failure::Shape)? {
            [Value::Simple(word), now] if word == b"absent" => {
                SessionReply::Absent.encode(unsigned(now)?, &mut out);
            }
            [
                Value::Simple(word),
                Value::Bulk(sealed),
                version,
                deadline,
                now,
            ] if word == b"valid" => {
                let version = unsigned(version)?;
                let payload = cx.vault.open(&self.at.place(version), sealed);
                let payload = payload.map_err(|_| Failure::Seal)?;
                let roles = payload.roles.join(",");
                let json = self.data.then(|| payload.data.to_string());
                let reply = SessionReply::Valid {
                    uid: payload.uid.as_bytes(),
                    roles: roles.as_bytes(),
                    deadline_us: unsigned(deadline)?,
                    data: json.as_ref().map(|json| SessionData {
                        version,
                        json: json.as_bytes(),
                    }),
                };
                reply.encode(unsigned(now)?, &mut out);
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

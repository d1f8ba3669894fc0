//! `SESSION.END`.

use super::{
    Answer, Audit, Begun, Command, Context, Failure, Held, Next, Plan, Role, Round, Script,
    Subject, Value, hex, only, revoke, revoke_user, unsigned, word, written,
};
use tidegate::wire::op::{Scope, SessionEnd};
use tidegate::wire::reply::SessionWritten;

/// Ends sessions of whoever holds a token.
///
/// While several master keys are active a user's sessions may live under several tags. The token carries
/// one; the others follow from the user's name, which the session itself tells.
pub(in super::super) struct End {
    at: Subject,
    scope: Scope,
    stage: Stage,
    ended: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// `all`: whose it is.
    Read,
    /// `this`, `others`: under the token's own tag.
    Own,
    /// Everything under these tags. What could not be told before is said then.
    Tags { whole: bool },
}

impl End {
    pub(in super::super) fn begin(op: &SessionEnd<'_>, cx: &Context<'_>) -> Begun {
        let at = Subject::new(op.realm, op.user, op.secret, cx);
        let (stage, round) = match op.scope {
            Scope::All if cx.vault.has_several() => (Stage::Read, at.read(cx)),
            Scope::All => (Stage::Tags { whole: true }, everything(&[at.user], cx)),
            Scope::Others => (Stage::Own, state(others(&at, cx))),
            Scope::This => (Stage::Own, state(revoke(&at.user, &at.hash(), cx))),
        };
        let plan = Self {
            at,
            scope: op.scope,
            stage,
            ended: 0,
        };
        (Box::new(plan), round)
    }

    fn step(&mut self, answers: Vec<Answer>, cx: &mut Context<'_>) -> Result<Next, Failure> {
        match self.stage {
            Stage::Read => self.read(answers, cx),
            Stage::Own => self.own(answers, cx),
            Stage::Tags { whole } => {
                let mut now_us = 0;
                for answer in answers {
                    let answer = answer?;
                    let [sessions, _epoch, now] = answer.as_array().ok_or(Failure::Shape)? else {
                        return Err(Failure::Shape);
                    };
                    self.ended += unsigned(sessions)?;
                    now_us = unsigned(now)?;
                }
                match whole {
                    true => Ok(self.done(now_us, cx)),
                    false => Err(Failure::Seal),
                }
            }
        }
    }

    fn read(&mut self, answers: Vec<Answer>, cx: &Context<'_>) -> Result<Next, Failure> {
        let own = self.at.user;
        let (tags, whole) = match Held::parse(answers) {
            Ok(Held::Here { value, version, .. }) => match self.tags(&value, version, cx) {
                Ok(tags) => (tags, true),
                Err(_) => (vec![own], false),
            },
            // Whoever held the token wants them all to end, whatever became of the one that asks.
            Ok(Held::Replaced(sealed)) => match self.at.follow(&sealed, cx) {
                Ok(()) => return Ok(Next::Run(self.at.read(cx))),
                Err(_) => (vec![own], false),
            },
            Ok(Held::Absent { .. }) => (vec![own], true),
            Err(Failure::Shape) => (vec![own], false),
            Err(failure) => return Err(failure),
        };
        self.stage = Stage::Tags { whole };
        Ok(Next::Run(everything(&tags, cx)))
    }

    fn own(&mut self, answers: Vec<Answer>, cx: &mut Context<'_>) -> Result<Next, Failure> {
        let answer = only(answers)?;
        match answer.as_array().ok_or(Failure::Shape)? {
            [Value::Simple(word), now] if word == b"absent" => Ok(self.absent(unsigned(now)?, cx)),
            [Value::Integer(0), now] => Ok(self.absent(unsigned(now)?, cx)),
            [ended @ Value::Integer(_), now] => {
                self.ended = unsigned(ended)?;
                Ok(self.done(unsigned(now)?, cx))
            }
            [Value::Simple(word), ended, Value::Bulk(value), version, now] if word == b"ended" => {
                self.ended = unsigned(ended)?;
                if !cx.vault.has_several() {
                    return Ok(self.done(unsigned(now)?, cx));
                }
                let mut tags = self.tags(value, unsigned(version)?, cx)?;
                tags.retain(|tag| *tag != self.at.user);
                self.stage = Stage::Tags { whole: true };
                Ok(Next::Run(everything(&tags, cx)))
            }
            _ => Err(Failure::Shape),
        }
    }

    fn tags(&self, value: &[u8], version: u64, cx: &Context<'_>) -> Result<Vec<[u8; 12]>, Failure> {
        let payload = cx.vault.open(&self.at.place(version), value);
        let payload = payload.map_err(|_| Failure::Seal)?;
        Ok(cx.vault.user_tags(&self.at.realm, &payload.uid))
    }

    fn absent(&self, now_us: u64, cx: &mut Context<'_>) -> Next {
        self.answer(&SessionWritten::Absent, now_us, cx)
    }

    fn done(&self, now_us: u64, cx: &mut Context<'_>) -> Next {
        let sessions = self.ended;
        self.answer(&SessionWritten::Ended { sessions }, now_us, cx)
    }

    fn answer(&self, reply: &SessionWritten, now_us: u64, cx: &mut Context<'_>) -> Next {
        cx.audit.push(self.audit(), Ok(word(reply)));
        Next::Done(written(reply, now_us))
    }

    fn audit(&self) -> Audit {
        self.at.audit(match self.scope {
            Scope::All => "end_all",
            Scope::Others => "end_others",
            Scope::This => "end",
        })
    }
}

impl Plan for End {
    fn next(&mut self, answers: Vec<Answer>, cx: &mut Context<'_>) -> Next {
        self.step(answers, cx).unwrap_or_else(|failure| {
            cx.audit.push(self.audit(), Err(&failure));
            Next::failed(failure)
        })
    }
}

/// Ends all sessions under these tags. It must run: the first of several steps has been taken.
fn everything(tags: &[[u8; 12]], cx: &Context<'_>) -> Round {
    let commands = tags.iter().map(|tag| revoke_user(tag, 0, cx)).collect();
    Round {
        must_run: true,
        ..Round::new(Role::State, commands)
    }
}

fn others(at: &Subject, cx: &Context<'_>) -> Command {
    Command {
        script: Script::SessionEndOthers,
        keys: [at.keys(cx), vec![cx.keys.index(&at.user)]].concat(),
        args: vec![hex(&at.hash()), cx.keys.session_prefix(&at.user)],
    }
}

fn state(command: Command) -> Round {
    Round::new(Role::State, vec![command])
}

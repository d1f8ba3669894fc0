//! `SESSION.END`.
//!
//! Once the primary has it, the same is asked for again where replicas are waited for (`Role::Durable`), for
//! half of the time that is left: usually a replica has it before the upstream's answer goes out. Where none
//! has by then the answer goes out all the same, since the status is the upstream's, and it is repeated.

use super::{
    Answer, Audit, Begun, Command, Context, Failure, Held, Next, Plan, Revocation, Role, Round,
    Script, Subject, Value, again, hex, only, revoke, revoke_user, unsigned, word, written,
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
    /// The tags of [`Stage::Tags`].
    tags: Vec<[u8; 12]>,
    /// What was ended, as a repetition names it.
    repeat: Vec<Revocation>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// `all`: whose it is.
    Read,
    /// `this`, `others`: under the token's own tag.
    Own,
    /// Everything under these tags. What could not be told before is said then.
    Tags { whole: bool },
    /// Once more, until it is known whether a replica has it.
    Again { now_us: u64 },
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
            tags: vec![at.user],
            at,
            scope: op.scope,
            stage,
            ended: 0,
            repeat: Vec::new(),
        };
        (Box::new(plan), round)
    }

    fn step(&mut self, answers: Vec<Answer>, cx: &mut Context<'_>) -> Result<Next, Failure> {
        match self.stage {
            Stage::Read => self.read(answers, cx),
            Stage::Own => self.own(answers, cx),
            Stage::Tags { whole } => {
                let mut now_us = 0;
                for (user, answer) in self.tags.iter().zip(answers) {
                    let answer = answer?;
                    let [sessions, epoch, now] = answer.as_array().ok_or(Failure::Shape)? else {
                        return Err(Failure::Shape);
                    };
                    self.ended += unsigned(sessions)?;
                    now_us = unsigned(now)?;
                    self.repeat.push(user_again(*user, unsigned(epoch)?));
                }
                match whole {
                    true => Ok(self.done(now_us, cx)),
                    false => Err(Failure::Seal),
                }
            }
            Stage::Again { now_us } => {
                if !cx.replicated || answers.iter().any(Answer::is_err) {
                    cx.repeats.push(std::mem::take(&mut self.repeat));
                }
                Ok(self.answer(&self.said(), now_us, cx))
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
        Ok(self.everything(tags, whole, cx))
    }

    fn everything(&mut self, tags: Vec<[u8; 12]>, whole: bool, cx: &Context<'_>) -> Next {
        self.stage = Stage::Tags { whole };
        self.tags = tags;
        Next::Run(everything(&self.tags, cx))
    }

    fn own(&mut self, answers: Vec<Answer>, cx: &mut Context<'_>) -> Result<Next, Failure> {
        let answer = only(answers)?;
        match answer.as_array().ok_or(Failure::Shape)? {
            [Value::Simple(word), now] if word == b"absent" => Ok(self.absent(unsigned(now)?, cx)),
            [Value::Integer(0), now] => Ok(self.absent(unsigned(now)?, cx)),
            [ended @ Value::Integer(_), now] => {
                self.ended = unsigned(ended)?;
                let (user, hash) = (self.at.user, self.at.hash());
                self.repeat = vec![Revocation::Session { user, hash }];
                Ok(self.done(unsigned(now)?, cx))
            }
            [
                Value::Simple(word),
                ended,
                epoch,
                Value::Bulk(value),
                version,
                now,
            ] if word == b"ended" => {
                self.ended = unsigned(ended)?;
                // Should it be lost, the one that asked ends with the others: better than that they return.
                self.repeat = vec![user_again(self.at.user, unsigned(epoch)?)];
                if !cx.vault.has_several() {
                    return Ok(self.done(unsigned(now)?, cx));
                }
                let mut tags = self.tags(value, unsigned(version)?, cx)?;
                tags.retain(|tag| *tag != self.at.user);
                Ok(self.everything(tags, true, cx))
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

    fn said(&self) -> SessionWritten {
        let sessions = self.ended;
        SessionWritten::Ended { sessions }
    }

    /// The primary has it.
    fn done(&mut self, now_us: u64, cx: &Context<'_>) -> Next {
        self.stage = Stage::Again { now_us };
        let commands = self.repeat.iter().map(|what| again(what, cx)).collect();
        let round = Round {
            must_run: true,
            ..Round::new(Role::Durable, commands)
        };
        Next::RunWithin(round, written(&self.said(), now_us))
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

    fn late(&mut self, repeats: &mut Vec<Vec<Revocation>>) {
        repeats.push(std::mem::take(&mut self.repeat));
    }
}

/// An epoch this made is not made again.
fn user_again(user: [u8; 12], least: u64) -> Revocation {
    Revocation::User { user, least }
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

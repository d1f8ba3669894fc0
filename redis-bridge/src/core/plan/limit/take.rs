//! `LIMIT.TAKE`: all limits or none.
//!
//! One script call wherever one call can see all keys. On a Cluster the limits of each subject take a
//! call of their own; when one of them denies, what the others took is given back before the answer:
//! over-counted for a moment, never over-admitted (invariant R10). What may be given back is marked so
//! in Redis, and a denial because of it says "busy", which no worker remembers (R12).

use super::give_back::{Charge, give_back};
use super::{Limit, groups, own_keys};
use crate::core::admin::AdminReply;
use crate::core::exchanges::Outcome;
use crate::core::failure::Failure;
use crate::core::plan::{Answer as Reply, Begun, Context, Next, Plan, Round, number};
use crate::core::types::{Command, Role};
use crate::core::value::Value;
use crate::script::Script;
use std::time::Duration;
use tidegate::policy::Algorithm;
use tidegate::wire::OpError;
use tidegate::wire::op::Take;
use tidegate::wire::reply::{LimitReply, TakeState, Taken};

/// Who is answered, hence how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::core::plan) enum Answer {
    /// The admin API: nothing is held.
    Admin,
    Value,
}

/// The limits of one operation.
pub(in crate::core::plan) struct Takes {
    answer: Answer,
    groups: Vec<Group>,
    count: usize,
    /// The outcome, while what was taken is given back.
    settled: Option<Outcome>,
    /// The groups that this round asks.
    asked: Vec<usize>,
    /// Calendar windows were named anew: once.
    again: bool,
}

/// Limits that one script call takes.
struct Group {
    limits: Vec<Limit>,
    verdict: Result<Verdict, Failure>,
}

/// What one call answered.
#[derive(Debug, Clone)]
struct Verdict {
    admitted: bool,
    now_us: u64,
    limits: Vec<Taken>,
}

/// What one call said, before anything is made of it.
enum Said {
    Verdict(Verdict),
    /// No calendar window that was named contains this time of Redis'.
    NoWindow(u64),
}

impl Takes {
    pub(in crate::core::plan) fn begin(
        takes: &[Take<'_>],
        cx: &mut Context<'_>,
        answer: Answer,
    ) -> Result<Begun, Failure> {
        let mut limits = Vec::with_capacity(takes.len());
        for (at, take) in takes.iter().enumerate() {
            let twice = |other: &Take<'_>| other.subject == take.subject && other.id == take.id;
            if takes.iter().take(at).any(twice) {
                return Err(Failure::Op(OpError::Argument("id")));
            }
            limits.push(Limit::new(at, take, cx.keys)?);
        }
        let groups = groups(limits, cx).into_iter().map(|limits| Group {
            limits,
            verdict: Err(Failure::Shape),
        });
        let mut plan = Self {
            answer,
            groups: groups.collect(),
            count: takes.len(),
            settled: None,
            asked: Vec::new(),
            again: false,
        };
        let all = (0..plan.groups.len()).collect();
        let round = plan.ask(all, cx.redis_us, cx)?;
        Ok((Box::new(plan), round))
    }

    /// A round of these groups; calendar windows are named around `at_us`.
    fn ask(
        &mut self,
        asked: Vec<usize>,
        at_us: u64,
        cx: &mut Context<'_>,
    ) -> Result<Round, Failure> {
        let several = self.groups.len() > 1;
        let of = |at: &usize| self.groups.get(*at);
        let commands = asked.iter().filter_map(of);
        let commands = commands.map(|group| group.take(several, at_us, cx));
        let commands = commands.collect::<Result<_, _>>()?;
        self.asked = asked;
        Ok(Round::new(Role::State, commands))
    }

    /// Files the answers; when a calendar window was not among the named ones, the groups to ask again
    /// and the time around which to name them.
    fn file(&mut self, answers: Vec<Reply>) -> Option<(Vec<usize>, u64)> {
        let mut missed = None;
        for (at, answer) in std::mem::take(&mut self.asked).into_iter().zip(answers) {
            let Some(group) = self.groups.get_mut(at) else {
                continue;
            };
            let said = answer.and_then(|value| Verdict::parse(&value, group.limits.len()));
            group.verdict = match said {
                Ok(Said::Verdict(verdict)) => Ok(verdict),
                Ok(Said::NoWindow(now_us)) => {
                    let (groups, latest) = missed.get_or_insert((Vec::new(), now_us));
                    groups.push(at);
                    *latest = now_us.max(*latest);
                    Err(Failure::Shape)
                }
                Err(failure) => Err(failure),
            };
        }
        missed
    }

    /// One reply out of all verdicts. When one denied, what the others took counts as available again.
    fn merge(&self) -> Result<LimitReply, Failure> {
        let verdicts = self.groups.iter().map(|group| group.verdict.as_ref());
        let verdicts: Vec<&Verdict> = verdicts.collect::<Result<_, _>>().map_err(Failure::clone)?;
        let admitted = verdicts.iter().all(|verdict| verdict.admitted);
        let mut limits = vec![None; self.count];
        for (group, verdict) in self.groups.iter().zip(&verdicts) {
            for (limit, taken) in group.limits.iter().zip(&verdict.limits) {
                let mut taken = *taken;
                if verdict.admitted && !admitted {
                    let charged = limit.cost + taken.leased;
                    let capacity = limit.capacity().max(taken.limit);
                    taken.available = (taken.available + charged).min(capacity);
                    (taken.leased, taken.retry_us) = (0, 0);
                }
                if let Some(slot) = limits.get_mut(limit.at) {
                    *slot = Some(taken);
                }
            }
        }
        Ok(LimitReply {
            admitted,
            now_us: verdicts.iter().map(|v| v.now_us).max().unwrap_or(0),
            limits: limits
                .into_iter()
                .collect::<Option<Vec<_>>>()
                .ok_or(Failure::Shape)?,
        })
    }

    /// How long the request has to wait for its turn.
    fn wait(&self, reply: &LimitReply) -> Duration {
        if self.answer == Answer::Admin || !reply.admitted {
            return Duration::ZERO;
        }
        let limits = self.groups.iter().flat_map(|group| &group.limits);
        let paced = limits.filter(|limit| limit.algorithm == Algorithm::LeakyBucket);
        let wait = paced.filter_map(|limit| Some(reply.limits.get(limit.at)?.retry_us));
        Duration::from_micros(wait.max().unwrap_or(0))
    }

    fn outcome(&self, reply: LimitReply) -> Outcome {
        match self.answer {
            Answer::Admin => Outcome::Admin(AdminReply::Limit(reply)),
            Answer::Value => {
                let mut out = Vec::new();
                reply.encode(&mut out);
                Outcome::Value(out)
            }
        }
    }

    /// What undoes all that was charged, when not all was.
    fn undo(&self, cx: &mut Context<'_>) -> Vec<Command> {
        let charged = |group: &&Group| group.verdict.as_ref().is_ok_and(|v| v.admitted);
        let charged: Vec<&Group> = self.groups.iter().filter(charged).collect();
        // What could not be read may have been charged: it stays so, never the other way round.
        if charged.len() == self.groups.len() {
            return Vec::new();
        }
        let undo = |group: &Group| {
            let verdict = group.verdict.as_ref().ok()?;
            let charges = group.limits.iter().zip(&verdict.limits);
            let charges = charges.map(|(limit, taken)| Charge {
                limit,
                units: limit.cost + taken.leased,
                mark: taken.mark,
            });
            let charges: Vec<Charge<'_>> = charges.filter(|charge| charge.units > 0).collect();
            let subject = &charges.first()?.limit.subject;
            *cx.returns += 1;
            let mark = format!("{}:{}", cx.config.bridge_id, cx.returns);
            let marker = cx.keys.limit_return(subject, mark.as_bytes());
            Some(give_back(&charges, marker))
        };
        charged.into_iter().filter_map(undo).collect()
    }
}

impl Plan for Takes {
    fn next(&mut self, answers: Vec<Reply>, cx: &mut Context<'_>) -> Next {
        if let Some(outcome) = self.settled.take() {
            for answer in &answers {
                match answer {
                    Ok(_) => cx.counters.returned += 1,
                    Err(_) => cx.counters.return_failed += 1,
                }
            }
            return Next::Done(outcome);
        }
        if let Some((groups, at_us)) = self.file(answers)
            && !std::mem::replace(&mut self.again, true)
        {
            cx.counters.calendar_again += 1;
            if let Ok(mut round) = self.ask(groups, at_us, cx) {
                // The other groups' charges must be settled whoever waits.
                round.must_run = self.groups.len() > 1;
                return Next::Run(round);
            }
        }
        let commands = self.undo(cx);
        let (outcome, wait) = match self.merge() {
            Ok(mut reply) => {
                for taken in &mut reply.limits {
                    if taken.limit == MALFORMED {
                        cx.counters.override_malformed += 1;
                        taken.limit = 0;
                    }
                }
                let wait = self.wait(&reply);
                (self.outcome(reply), wait)
            }
            Err(failure) => (Outcome::Failed(failure), Duration::ZERO),
        };
        if !commands.is_empty() {
            self.settled = Some(outcome);
            return Next::Run(Round {
                role: Role::State,
                commands,
                must_run: true,
            });
        }
        match wait {
            Duration::ZERO => Next::Done(outcome),
            wait => Next::Hold(outcome, wait),
        }
    }
}

impl Group {
    /// `several`: other calls belong to the same take, so what this one charges may be given back.
    fn take(&self, several: bool, at_us: u64, cx: &mut Context<'_>) -> Result<Command, Failure> {
        let mut keys: Vec<_> = self.limits.iter().map(|limit| limit.key.clone()).collect();
        let mut args = Vec::new();
        if !several && self.limits.iter().all(Limit::is_plain) {
            for limit in &self.limits {
                args.extend([
                    limit.script_name().into(),
                    number(limit.limit),
                    number(limit.window_us),
                    number(limit.burst),
                    number(limit.cost),
                ]);
            }
            return Ok(Command {
                script: Script::LimitTakePlain,
                keys,
                args,
            });
        }
        let limits: Vec<&Limit> = self.limits.iter().collect();
        let own = own_keys(&limits, &mut keys);
        args.push(number(u64::from(several)));
        for (limit, own) in limits.into_iter().zip(own) {
            let bounds = match &limit.calendar {
                Some(name) => cx.calendars.bounds(name, at_us),
                None => Ok(&[][..]),
            };
            let bounds = bounds.map_err(|_| Failure::Op(OpError::Argument("calendar")))?;
            args.extend([
                limit.script_name().into(),
                number(limit.limit),
                number(limit.window_us),
                limit.script_burst(bounds),
                number(limit.cost),
                number(limit.need),
                number(limit.lease),
                number(u64::from(limit.force)),
                number(own),
            ]);
        }
        Ok(Command {
            script: Script::LimitTake,
            keys,
            args,
        })
    }
}

/// In place of a key's own limit: there is one, and it means nothing.
const MALFORMED: u64 = u64::MAX;

impl Verdict {
    fn parse(value: &Value, count: usize) -> Result<Said, Failure> {
        let shape = || Failure::Shape;
        let items = value.as_array().ok_or_else(shape)?;
        let [admitted, now, limits @ ..] = items else {
            return Err(shape());
        };
        let now_us = now.as_u64().ok_or_else(shape)?;
        if *admitted == Value::Integer(-1) {
            return Ok(Said::NoWindow(now_us));
        }
        if limits.len() != count {
            return Err(shape());
        }
        Ok(Said::Verdict(Self {
            admitted: match admitted {
                Value::Integer(0) => false,
                Value::Integer(1) => true,
                _ => return Err(shape()),
            },
            now_us,
            limits: limits
                .iter()
                .map(|limit| taken(limit).ok_or_else(shape))
                .collect::<Result<_, _>>()?,
        }))
    }
}

fn taken(value: &Value) -> Option<Taken> {
    let (base, leased, limit) = match value.as_array()? {
        [base @ .., leased, limit] if base.len() == 5 => (base, leased.as_u64()?, limit),
        base => (base, 0, &Value::Integer(0)),
    };
    let [state, available, reset, retry, mark] = base else {
        return None;
    };
    Some(Taken {
        state: match state {
            Value::Integer(-2) => TakeState::Busy,
            Value::Integer(-1) => TakeState::Never,
            Value::Integer(0) => TakeState::Denied,
            Value::Integer(1) => TakeState::Ok,
            _ => return None,
        },
        available: available.as_u64()?,
        reset_us: reset.as_u64()?,
        retry_us: retry.as_u64()?,
        mark: mark.as_u64()?,
        leased,
        limit: match limit {
            Value::Integer(-1) => MALFORMED,
            limit => limit.as_u64()?,
        },
    })
}

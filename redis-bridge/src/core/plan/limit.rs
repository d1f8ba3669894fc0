//! `LIMIT.TAKE`: all limits or none.
//!
//! One script call wherever one call can see all keys. On a Cluster the limits of each subject take a
//! call of their own; when one of them denies, what the others took is given back before the answer:
//! over-counted for a moment, never over-admitted (invariant R10).

use super::{Answer as Reply, Begun, Context, Next, Plan, Round, number};
use crate::core::admin::AdminReply;
use crate::core::exchanges::Outcome;
use crate::core::failure::Failure;
use crate::core::types::{Command, Role};
use crate::core::value::Value;
use crate::script::Script;
use tidegate::wire::OpError;
use tidegate::wire::op::Take;
use tidegate::wire::reply::{LimitReply, TakeState, Taken};

/// Longest time to full refill of a bucket, microseconds (71 years): with Redis' clock added it stays
/// below 2^53.
const MAX_REFILL_US: u64 = 1 << 51;

/// Who is answered, hence how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Admin,
    Value,
}

/// The limits of one operation.
pub(super) struct Takes {
    answer: Answer,
    groups: Vec<Group>,
    count: usize,
    /// The outcome, while what was taken is given back.
    settled: Option<Outcome>,
}

/// Limits that one script call takes.
struct Group {
    subject: [u8; 16],
    limits: Vec<Limit>,
}

struct Limit {
    /// Position in the operation.
    at: usize,
    key: Vec<u8>,
    algorithm: Vec<u8>,
    limit: u64,
    window_us: u64,
    burst: u64,
    cost: u64,
}

/// What one call answered.
struct Verdict {
    admitted: bool,
    now_us: u64,
    /// Per limit: the reply, and what [`Script::LimitReturn`] must know to undo this charge only.
    limits: Vec<(Taken, u64)>,
}

impl Takes {
    pub(super) fn begin(
        takes: &[Take<'_>],
        cx: &Context<'_>,
        answer: Answer,
    ) -> Result<Begun, Failure> {
        let mut groups: Vec<Group> = Vec::new();
        for (at, take) in takes.iter().enumerate() {
            check(take)?;
            let twice = |other: &Take<'_>| other.subject == take.subject && other.id == take.id;
            if takes.iter().take(at).any(twice) {
                return Err(Failure::Op(OpError::Argument("id")));
            }
            let limit = Limit {
                at,
                key: cx.keys.take(take),
                algorithm: take.algorithm.to_vec(),
                limit: take.limit,
                window_us: take.window_us,
                burst: take.burst,
                cost: take.cost,
            };
            let same = |group: &&mut Group| !cx.config.cluster || group.subject == *take.subject;
            match groups.iter_mut().find(same) {
                Some(group) => group.limits.push(limit),
                None => groups.push(Group {
                    subject: *take.subject,
                    limits: vec![limit],
                }),
            }
        }
        let commands = groups.iter().map(Group::take).collect();
        let plan = Self {
            answer,
            groups,
            count: takes.len(),
            settled: None,
        };
        Ok((Box::new(plan), Round::new(Role::State, commands)))
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

    /// One reply out of all verdicts. When one denied, what the others took counts as available again.
    fn merge(&self, verdicts: &[Verdict]) -> Result<LimitReply, Failure> {
        let admitted = verdicts.iter().all(|verdict| verdict.admitted);
        let mut limits = vec![None; self.count];
        for (group, verdict) in self.groups.iter().zip(verdicts) {
            for (limit, (taken, _)) in group.limits.iter().zip(&verdict.limits) {
                let mut taken = *taken;
                if verdict.admitted && !admitted {
                    taken.available = (taken.available + limit.cost).min(limit.capacity());
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
        let verdicts: Vec<Result<Verdict, Failure>> = answers
            .into_iter()
            .zip(&self.groups)
            .map(|(answer, group)| Verdict::parse(&answer?, group.limits.len()))
            .collect();
        // What could not be read may have been charged: it stays so, never the other way round.
        let charged: Vec<(&Group, &Verdict)> = self
            .groups
            .iter()
            .zip(&verdicts)
            .filter_map(|(group, verdict)| Some((group, verdict.as_ref().ok()?)))
            .filter(|(_, verdict)| verdict.admitted)
            .collect();
        let mut commands = Vec::new();
        if charged.len() < self.groups.len() {
            for (group, verdict) in charged {
                *cx.returns += 1;
                let mark = format!("{}:{}", cx.config.bridge_id, cx.returns);
                let marker = cx.keys.limit_return(&group.subject, mark.as_bytes());
                commands.extend(group.give_back(verdict, marker));
            }
        }
        let verdicts: Result<Vec<Verdict>, Failure> = verdicts.into_iter().collect();
        let reply = verdicts.and_then(|verdicts| self.merge(&verdicts));
        let outcome = match reply {
            Ok(reply) => self.outcome(reply),
            Err(failure) => Outcome::Failed(failure),
        };
        if commands.is_empty() {
            return Next::Done(outcome);
        }
        self.settled = Some(outcome);
        Next::Run(Round {
            role: Role::State,
            commands,
            must_run: true,
        })
    }
}

impl Group {
    fn take(&self) -> Command {
        let keys = self.limits.iter().map(|limit| limit.key.clone()).collect();
        let args = |limit: &Limit| {
            [
                limit.algorithm.clone(),
                number(limit.limit),
                number(limit.window_us),
                number(limit.burst),
                number(limit.cost),
            ]
        };
        Command {
            script: Script::LimitTake,
            keys,
            args: self.limits.iter().flat_map(args).collect(),
        }
    }

    /// The call that undoes `verdict`; `None` when it charged nothing.
    fn give_back(&self, verdict: &Verdict, marker: Vec<u8>) -> Option<Command> {
        let mut keys = Vec::new();
        let mut args = Vec::new();
        for (limit, (_, mark)) in self.limits.iter().zip(&verdict.limits) {
            if limit.cost > 0 {
                keys.push(limit.key.clone());
                args.extend([
                    limit.algorithm.clone(),
                    number(limit.limit),
                    number(limit.window_us),
                    number(limit.cost),
                    number(*mark),
                ]);
            }
        }
        if keys.is_empty() {
            return None;
        }
        keys.push(marker);
        Some(Command {
            script: Script::LimitReturn,
            keys,
            args,
        })
    }
}

impl Limit {
    fn capacity(&self) -> u64 {
        match self.algorithm.as_slice() {
            b"token_bucket" => self.burst,
            _ => self.limit,
        }
    }
}

impl Verdict {
    fn parse(value: &Value, count: usize) -> Result<Self, Failure> {
        let shape = || Failure::Shape;
        let items = value.as_array().ok_or_else(shape)?;
        let [admitted, now, limits @ ..] = items else {
            return Err(shape());
        };
        if limits.len() != count {
            return Err(shape());
        }
        Ok(Self {
            admitted: match admitted {
                Value::Integer(0) => false,
                Value::Integer(1) => true,
                _ => return Err(shape()),
            },
            now_us: now.as_u64().ok_or_else(shape)?,
            limits: limits
                .iter()
                .map(|limit| taken(limit).ok_or_else(shape))
                .collect::<Result<_, _>>()?,
        })
    }
}

fn taken(value: &Value) -> Option<(Taken, u64)> {
    let [state, available, reset, retry, mark] = value.as_array()? else {
        return None;
    };
    let taken = Taken {
        state: match state {
            Value::Integer(-1) => TakeState::Never,
            Value::Integer(0) => TakeState::Denied,
            Value::Integer(1) => TakeState::Ok,
            _ => return None,
        },
        available: available.as_u64()?,
        reset_us: reset.as_u64()?,
        retry_us: retry.as_u64()?,
        mark: mark.as_u64()?,
        leased: 0,
        limit: 0,
    };
    Some((taken, taken.mark))
}

/// What the scripts rely on, beyond what the wire checks.
fn check(take: &Take<'_>) -> Result<(), Failure> {
    let argument = |name| Err(Failure::Op(OpError::Argument(name)));
    match take.algorithm {
        b"fixed_window" => Ok(()),
        b"token_bucket" => {
            // A unit takes whole microseconds, rounded up: never faster than the limit.
            if take.limit > take.window_us {
                return argument("limit");
            }
            let emission = take.window_us.div_ceil(take.limit.max(1));
            match emission.checked_mul(take.burst) {
                Some(refill) if refill <= MAX_REFILL_US => Ok(()),
                _ => argument("burst"),
            }
        }
        _ => argument("algorithm"),
    }
}

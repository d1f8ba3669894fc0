//! Invalidation by URL and by tag.

use super::{Answer as Reply, Begun, Context, Next, Plan, Round, number, only};
use crate::core::admin::AdminReply;
use crate::core::exchanges::Outcome;
use crate::core::failure::Failure;
use crate::core::fleet::Names;
use crate::core::keys::{Keys, hash16};
use crate::core::types::{Command, Role};
use crate::core::value::Value;
use crate::script::Script;
use tidegate::wire::OpError;
use tidegate::wire::frame::MAX_NAMED;
use tidegate::wire::op::{MAX_TAG, MAX_URL};
use tidegate::wire::resp;

/// Members of a tag taken in one step, as many as can be named in one message.
pub(super) const STEP: u64 = MAX_NAMED as u64;
/// Members of a tag that workers are told one by one; beyond, they forget everything.
const MANY: usize = 4 * MAX_NAMED;
/// How long a purge refuses stores under older leases: the longest lease and then some, milliseconds.
pub(super) const PURGED_MS: u64 = 600_000;

/// Who is answered, hence how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Admin,
    Value,
}

impl Answer {
    pub(super) fn count(self, n: u64) -> Outcome {
        match self {
            Self::Admin => Outcome::Admin(AdminReply::Count(n)),
            Self::Value => {
                let mut out = Vec::new();
                resp::integer(&mut out, i64::try_from(n).unwrap_or(i64::MAX));
                Outcome::Value(out)
            }
        }
    }
}

/// How an invalidation ends: all bridges are told, and whoever asked waits until no worker can use what was
/// removed. First removed, then told: a worker that looks after it was told finds nothing older.
struct Last {
    drop: u64,
    outcome: Outcome,
}

impl Last {
    /// Tells all bridges.
    fn begin(names: Names, outcome: Outcome, cx: &mut Context<'_>) -> (Self, Round) {
        let (drop, round) = cx.fleet.drop(names, cx.keys, cx.now);
        (Self { drop, outcome }, round)
    }

    /// They were told, or could not be: then workers may use what was removed.
    fn told(self, answers: Vec<Reply>) -> Next {
        match only(answers) {
            Ok(_) => Next::Final(self.outcome, self.drop),
            Err(failure) => Next::failed(failure),
        }
    }
}

/// What all bridges were told of a tag, step by step.
#[derive(Default)]
pub(super) struct Told {
    members: usize,
    /// The last thing that was told: when that is final, so is everything before it.
    last: Option<u64>,
}

impl Told {
    /// Tells them of the URLs of a step; after many of them it is quicker to forget everything.
    pub(super) fn step<'a>(
        &mut self,
        hashes: impl ExactSizeIterator<Item = &'a [u8]>,
        cx: &mut Context<'_>,
    ) -> Round {
        self.members += hashes.len();
        let names = match self.members > MANY {
            true => Names::All,
            false => Names::of(Vec::new()).and(hashes),
        };
        let (drop, round) = cx.fleet.drop(names, cx.keys, cx.now);
        self.last = Some(drop);
        round
    }

    /// How the plan ends.
    pub(super) fn end(&self, outcome: Outcome) -> Next {
        match self.last {
            Some(drop) => Next::Final(outcome, drop),
            None => Next::Done(outcome),
        }
    }
}

/// Makes all workers forget everything.
pub(super) struct Forget(Option<Last>);

impl Forget {
    pub(super) fn begin(cx: &mut Context<'_>) -> Begun {
        let (last, round) = Last::begin(Names::All, Answer::Admin.count(0), cx);
        (Box::new(Self(Some(last))), round)
    }
}

impl Plan for Forget {
    fn next(&mut self, answers: Vec<Reply>, _cx: &mut Context<'_>) -> Next {
        match self.0.take() {
            Some(last) => last.told(answers),
            None => Next::failed(Failure::Shape),
        }
    }
}

/// What becomes of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Remove,
    /// They are no longer fresh.
    Soften,
}

impl How {
    /// For the objects of a URL, named by the hex of its hash.
    pub(super) fn command(self, keys: &Keys, hash: &[u8]) -> Command {
        Command {
            script: match self {
                Self::Remove => Script::CacheInvalidate,
                Self::Soften => Script::CacheSoften,
            },
            keys: vec![keys.cached_hash(hash)],
            args: vec![keys.filled_hash(hash)],
        }
    }
}

/// Invalidates what is stored for some URLs.
pub(super) struct Urls {
    answer: Answer,
    hashes: Vec<Vec<u8>>,
    last: Option<Last>,
}

impl Urls {
    pub(super) fn begin(urls: &[&[u8]], cx: &Context<'_>, answer: Answer) -> Begun {
        let hashes = urls.iter().map(|url| hash16(url)).collect();
        Self::of(hashes, How::Remove, cx, answer)
    }

    /// Objects of URLs, named by the hex of their hashes, are no longer fresh.
    pub(super) fn soften(hashes: &[Vec<u8>], cx: &Context<'_>) -> Begun {
        Self::of(hashes.to_vec(), How::Soften, cx, Answer::Admin)
    }

    fn of(hashes: Vec<Vec<u8>>, how: How, cx: &Context<'_>, answer: Answer) -> Begun {
        let commands = hashes.iter().map(|hash| how.command(cx.keys, hash));
        let round = Round::new(Role::Cache, commands.collect());
        let plan = Self {
            answer,
            hashes,
            last: None,
        };
        (Box::new(plan), round)
    }

    /// One URL, as the admin API gives it.
    pub(super) fn begin_admin(url: &[u8], cx: &Context<'_>) -> Result<Begun, Failure> {
        if url.is_empty() || url.len() > MAX_URL {
            return Err(Failure::Op(OpError::Argument("url")));
        }
        Ok(Self::begin(&[url], cx, Answer::Admin))
    }
}

impl Plan for Urls {
    fn next(&mut self, answers: Vec<Reply>, cx: &mut Context<'_>) -> Next {
        if let Some(last) = self.last.take() {
            return last.told(answers);
        }
        let removed = match removed(answers) {
            Ok(removed) => removed,
            Err(failure) => return Next::failed(failure),
        };
        let names = Names::of(Vec::new()).and(self.hashes.iter().map(Vec::as_slice));
        if names.is_none() {
            return Next::Done(self.answer.count(removed));
        }
        let (last, round) = Last::begin(names, self.answer.count(removed), cx);
        self.last = Some(last);
        Next::Run(round)
    }
}

/// Removes all objects of a tag: first the time of the purge, then its members in bounded steps. A
/// member leaves the index only after its object is gone and all bridges were told so, and only if it was not
/// added again since: a purge that failed on the way is done by the next one.
pub(super) struct Tag {
    tag: Vec<u8>,
    step: Step,
    removed: u64,
    told: Told,
    answer: Answer,
}

enum Step {
    /// Waiting for members.
    Take,
    /// Waiting for the removal of these members; each with its score.
    Remove(Vec<Vec<u8>>),
    /// Waiting for all bridges to be told.
    Tell(Vec<Vec<u8>>),
}

impl Tag {
    pub(super) fn begin(tag: &[u8], cx: &Context<'_>, answer: Answer) -> Result<Begun, Failure> {
        if tag.is_empty() || tag.len() > MAX_TAG {
            return Err(Failure::Op(OpError::Argument("tag")));
        }
        let round = take(cx.keys, tag, true, Vec::new());
        let plan = Self {
            tag: tag.to_vec(),
            step: Step::Take,
            removed: 0,
            told: Told::default(),
            answer,
        };
        Ok((Box::new(plan), round))
    }

    fn members(&mut self, value: &Value, keys: &Keys) -> Result<Next, Failure> {
        let items = value.as_array().ok_or(Failure::Shape)?;
        let members: Option<Vec<Vec<u8>>> = items
            .iter()
            .map(|item| item.as_bytes().map(<[u8]>::to_vec))
            .collect();
        let members = members.ok_or(Failure::Shape)?;
        if members.is_empty() {
            return Ok(self.told.end(self.answer.count(self.removed)));
        }
        let (pairs, rest) = members.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(Failure::Shape);
        }
        let remove = |[hash, _]: &[Vec<u8>; 2]| How::Remove.command(keys, hash);
        let round = Round::new(Role::Cache, pairs.iter().map(remove).collect());
        self.step = Step::Remove(members);
        Ok(Next::Run(round))
    }
}

impl Plan for Tag {
    fn next(&mut self, answers: Vec<Reply>, cx: &mut Context<'_>) -> Next {
        match std::mem::replace(&mut self.step, Step::Take) {
            Step::Take => only(answers)
                .and_then(|value| self.members(&value, cx.keys))
                .unwrap_or_else(Next::failed),
            Step::Remove(members) => match removed(answers) {
                Err(failure) => Next::failed(failure),
                Ok(n) => {
                    self.removed += n;
                    let (pairs, _) = members.as_chunks::<2>();
                    let hashes = pairs.iter().map(|[hash, _]| hash.as_slice());
                    let round = self.told.step(hashes, cx);
                    self.step = Step::Tell(members);
                    Next::Run(round)
                }
            },
            Step::Tell(members) => match only(answers) {
                Err(failure) => Next::failed(failure),
                Ok(_) => Next::Run(take(cx.keys, &self.tag, false, members)),
            },
        }
    }
}

fn take(keys: &Keys, tag: &[u8], first: bool, done: Vec<Vec<u8>>) -> Round {
    let purged_ms = if first { PURGED_MS } else { 0 };
    let mut args = vec![number(STEP), number(purged_ms)];
    args.extend(done);
    let command = Command {
        script: Script::TagTake,
        keys: vec![keys.tag(tag), keys.tag_purged(tag)],
        args,
    };
    Round::new(Role::Cache, vec![command])
}

pub(super) fn removed(answers: Vec<Reply>) -> Result<u64, Failure> {
    let count = |answer: Reply| answer.and_then(|value| value.as_u64().ok_or(Failure::Shape));
    answers.into_iter().map(count).sum()
}

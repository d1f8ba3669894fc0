//! Invalidation by URL and by tag.

use super::{Answer as Reply, Begun, Context, Next, Plan, Round, number, only};
use crate::core::admin::AdminReply;
use crate::core::exchanges::Outcome;
use crate::core::failure::Failure;
use crate::core::keys::{Keys, hash16};
use crate::core::types::{Command, Role};
use crate::core::value::Value;
use crate::script::Script;
use tidegate::wire::OpError;
use tidegate::wire::op::{MAX_TAG, MAX_URL};
use tidegate::wire::resp;

/// Members of a tag taken in one step.
const STEP: u64 = 128;
/// How long a purge refuses stores under older leases: the longest lease and then some, milliseconds.
const PURGED_MS: u64 = 600_000;

/// Who is answered, hence how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Admin,
    Value,
}

impl Answer {
    fn count(self, n: u64) -> Outcome {
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

/// Removes what is stored for some URLs.
pub(super) struct Urls {
    answer: Answer,
}

impl Urls {
    pub(super) fn begin(urls: &[&[u8]], cx: &Context<'_>, answer: Answer) -> Begun {
        let commands = urls.iter().map(|url| invalidate(cx.keys, &hash16(url)));
        let round = Round::new(Role::Cache, commands.collect());
        (Box::new(Self { answer }), round)
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
    fn next(&mut self, answers: Vec<Reply>, _cx: &mut Context<'_>) -> Next {
        Next::from(removed(answers).map(|n| self.answer.count(n)))
    }
}

/// Removes all objects of a tag: first the time of the purge, then its members in bounded steps. A
/// member leaves the index only after its object is gone, and only if it was not added again since.
pub(super) struct Tag {
    tag: Vec<u8>,
    step: Step,
    removed: u64,
    answer: Answer,
}

enum Step {
    /// Waiting for members.
    Take,
    /// Waiting for the removal of these members; each with its score.
    Remove(Vec<Vec<u8>>),
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
            return Ok(Next::Done(self.answer.count(self.removed)));
        }
        let (pairs, rest) = members.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(Failure::Shape);
        }
        let remove = |[hash, _]: &[Vec<u8>; 2]| invalidate(keys, hash);
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
                    Next::Run(take(cx.keys, &self.tag, false, members))
                }
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

/// Removes the objects of a URL, named by the hex of its hash.
fn invalidate(keys: &Keys, hash: &[u8]) -> Command {
    Command {
        script: Script::CacheInvalidate,
        keys: vec![keys.cached_hash(hash)],
        args: vec![keys.filled_hash(hash)],
    }
}

fn removed(answers: Vec<Reply>) -> Result<u64, Failure> {
    let count = |answer: Reply| answer.and_then(|value| value.as_u64().ok_or(Failure::Shape));
    answers.into_iter().map(count).sum()
}

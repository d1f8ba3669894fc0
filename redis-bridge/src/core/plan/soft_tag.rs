//! Objects of a tag that are no longer fresh, and stay.

use super::purge::{self, How, PURGED_MS, STEP, Told};
use super::{Answer as Reply, Begun, Context, Next, Plan, Round, number, only};
use crate::core::failure::Failure;
use crate::core::keys::Keys;
use crate::core::types::{Command, Role};
use crate::core::value::Value;
use crate::script::Script;
use tidegate::wire::OpError;
use tidegate::wire::op::MAX_TAG;

/// Marks all objects of a tag: first the time of the purge, then its members in bounded steps. They stay in the
/// index.
pub(super) struct SoftTag {
    tag: Vec<u8>,
    cursor: Vec<u8>,
    step: Step,
    softened: u64,
    told: Told,
}

enum Step {
    /// Waiting for members.
    Scan,
    /// Waiting for these to be marked.
    Soften(Vec<Vec<u8>>),
    /// Waiting for all bridges to be told.
    Tell,
}

impl SoftTag {
    pub(super) fn begin(tag: &[u8], cx: &Context<'_>) -> Result<Begun, Failure> {
        if tag.is_empty() || tag.len() > MAX_TAG {
            return Err(Failure::Op(OpError::Argument("tag")));
        }
        let plan = Self {
            tag: tag.to_vec(),
            cursor: b"0".to_vec(),
            step: Step::Scan,
            softened: 0,
            told: Told::default(),
        };
        let round = plan.scan(cx.keys, PURGED_MS);
        Ok((Box::new(plan), round))
    }

    fn scan(&self, keys: &Keys, purged_ms: u64) -> Round {
        let command = Command {
            script: Script::TagScan,
            keys: vec![keys.tag(&self.tag), keys.tag_purged(&self.tag)],
            args: vec![self.cursor.clone(), number(STEP), number(purged_ms)],
        };
        Round::new(Role::Cache, vec![command])
    }

    /// After a step: the next one, or the end.
    fn onwards(&mut self, keys: &Keys) -> Next {
        if self.cursor != b"0" {
            self.step = Step::Scan;
            return Next::Run(self.scan(keys, 0));
        }
        self.told.end(purge::Answer::Admin.count(self.softened))
    }

    fn members(&mut self, value: &Value, keys: &Keys) -> Result<Next, Failure> {
        let Some([cursor, Value::Array(members)]) = value.as_array() else {
            return Err(Failure::Shape);
        };
        self.cursor = cursor.as_bytes().ok_or(Failure::Shape)?.to_vec();
        let members = members.iter().map(|m| m.as_bytes().map(<[u8]>::to_vec));
        let members: Vec<Vec<u8>> = members.collect::<Option<_>>().ok_or(Failure::Shape)?;
        if members.is_empty() {
            return Ok(self.onwards(keys));
        }
        let soften = |hash: &Vec<u8>| How::Soften.command(keys, hash);
        let round = Round::new(Role::Cache, members.iter().map(soften).collect());
        self.step = Step::Soften(members);
        Ok(Next::Run(round))
    }
}

impl Plan for SoftTag {
    fn next(&mut self, answers: Vec<Reply>, cx: &mut Context<'_>) -> Next {
        match std::mem::replace(&mut self.step, Step::Tell) {
            Step::Scan => only(answers)
                .and_then(|value| self.members(&value, cx.keys))
                .unwrap_or_else(Next::failed),
            Step::Soften(members) => match purge::removed(answers) {
                Err(failure) => Next::failed(failure),
                Ok(n) => {
                    self.softened += n;
                    Next::Run(self.told.step(members.iter().map(Vec::as_slice), cx))
                }
            },
            Step::Tell => match only(answers) {
                Err(failure) => Next::failed(failure),
                Ok(_) => self.onwards(cx.keys),
            },
        }
    }
}

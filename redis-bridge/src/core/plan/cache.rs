//! `CACHE.GET` and `CACHE.PUT`.

use super::{Answer, Begun, Context, Next, Plan, Round, number, only};
use crate::core::exchanges::Outcome;
use crate::core::failure::Failure;
use crate::core::keys::{hash16, hex, unhex};
use crate::core::types::{Command, Role};
use crate::core::value::Value;
use crate::script::Script;
use tidegate::wire::op::{CacheGet, CachePut};
use tidegate::wire::reply::CacheReply;
use tidegate::wire::resp;

/// Variants of one URL, at most.
const MAX_VARIANTS: u64 = 64;
/// On a Cluster a tag and a URL live by two shards' clocks; a purge this much older than a lease still
/// refuses the store, microseconds.
const CLOCK_SLACK_US: u64 = 1_000_000;

/// Looks an object up.
pub(super) struct Get;

impl Get {
    pub(super) fn begin(op: &CacheGet<'_>, cx: &Context<'_>) -> Begun {
        let command = Command {
            script: Script::CacheGet,
            keys: vec![cx.keys.cached(op.url)],
            args: vec![
                op.url.to_vec(),
                hex(op.field),
                op.vary.to_vec(),
                hex(op.lease),
                number(op.lease_ms),
                op.want.name().as_bytes().to_vec(),
            ],
        };
        (Box::new(Self), Round::new(Role::Cache, vec![command]))
    }
}

impl Plan for Get {
    fn next(&mut self, answers: Vec<Answer>, _cx: &mut Context<'_>) -> Next {
        let reply = only(answers).and_then(|value| reply(&value).ok_or(Failure::Shape));
        Next::from(reply.map(Outcome::Value))
    }
}

/// Stores an object while its lease lives; its tags first, so that no purge can miss it.
pub(super) struct Put {
    key: Vec<u8>,
    /// Arguments of the store but for the purge time.
    args: Vec<Vec<u8>>,
    record: Vec<u8>,
    tags_written: bool,
}

impl Put {
    pub(super) fn begin(op: &CachePut<'_>, cx: &Context<'_>) -> Begun {
        let mut plan = Self {
            key: cx.keys.cached(op.url),
            args: vec![
                op.url.to_vec(),
                hex(op.field),
                op.vary.to_vec(),
                hex(op.lease),
                number(op.age_ms),
                number(op.fresh_ms),
                number(op.ttl_ms),
                number(MAX_VARIANTS),
            ],
            record: op.record.to_vec(),
            tags_written: op.tags.is_empty(),
        };
        let round = if plan.tags_written {
            plan.store(0)
        } else {
            let member = hash16(op.url);
            let add = |tag: &&[u8]| Command {
                script: Script::TagAdd,
                keys: vec![cx.keys.tag(tag), cx.keys.tag_purged(tag)],
                args: vec![member.clone(), number(op.ttl_ms)],
            };
            Round::new(Role::Cache, op.tags.iter().map(add).collect())
        };
        (Box::new(plan), round)
    }

    /// The store itself, refused when the lease was granted at or before `purged_us`.
    fn store(&mut self, purged_us: u64) -> Round {
        let mut args = std::mem::take(&mut self.args);
        args.push(number(purged_us));
        args.push(std::mem::take(&mut self.record));
        let command = Command {
            script: Script::CachePut,
            keys: vec![self.key.clone()],
            args,
        };
        Round::new(Role::Cache, vec![command])
    }
}

impl Plan for Put {
    fn next(&mut self, answers: Vec<Answer>, cx: &mut Context<'_>) -> Next {
        if !self.tags_written {
            self.tags_written = true;
            let mut latest = 0;
            for answer in answers {
                match answer.and_then(|value| value.as_u64().ok_or(Failure::Shape)) {
                    Ok(purged_us) => latest = latest.max(purged_us),
                    Err(failure) => return Next::failed(failure),
                }
            }
            let slack = if cx.config.cluster && latest > 0 {
                CLOCK_SLACK_US
            } else {
                0
            };
            return Next::Run(self.store(latest + slack));
        }
        let stored = only(answers).and_then(|value| match value {
            Value::Simple(word) if word == b"stored" || word == b"refused" => {
                let mut out = Vec::new();
                resp::simple(&mut out, &word);
                Ok(Outcome::Value(out))
            }
            _ => Err(Failure::Shape),
        });
        Next::from(stored)
    }
}

fn reply(value: &Value) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match value.as_array()? {
        [Value::Simple(word), born, now, Value::Bulk(record)] if word == b"hit" => {
            let (born_us, now_us) = (born.as_u64()?, now.as_u64()?);
            let hit = CacheReply::Hit {
                born_us,
                now_us,
                record,
            };
            hit.encode(now_us, &mut out);
        }
        [
            Value::Simple(word),
            born,
            now,
            Value::Bulk(record),
            lease,
            claimed,
        ] if word == b"stale" => {
            let (born_us, now_us) = (born.as_u64()?, now.as_u64()?);
            let stale = CacheReply::Stale {
                born_us,
                now_us,
                record,
                lease: unhex::<16>(lease.as_bytes()?)?,
                claimed: claimed.as_u64()? == 1,
            };
            stale.encode(now_us, &mut out);
        }
        [Value::Simple(word), now, lease] if word == b"miss" => {
            let lease = match lease {
                Value::Null => None,
                lease => Some(unhex::<16>(lease.as_bytes()?)?),
            };
            CacheReply::Miss { lease }.encode(now.as_u64()?, &mut out);
        }
        [Value::Simple(word), Value::Bulk(list)] if word == b"vary" => {
            CacheReply::Vary(list).encode(0, &mut out);
        }
        _ => return None,
    }
    Some(out)
}

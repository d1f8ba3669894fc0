//! `CACHE.GET`, `CACHE.PASS` and `CACHE.PUT`.

use super::{Answer, Begun, Context, Next, Plan, Round, number, only};
use crate::core::exchanges::Outcome;
use crate::core::failure::Failure;
use crate::core::keys::{hash16, hex, unhex};
use crate::core::redis_time::RedisTime;
use crate::core::types::{Command, Role};
use crate::core::value::Value;
use crate::script::Script;
use std::time::Duration;
use tidegate::wire::op::{CacheGet, CachePass, CachePut};
use tidegate::wire::reply::CacheReply;
use tidegate::wire::resp;

/// Variants of one URL, at most.
const MAX_VARIANTS: u64 = 64;
/// On a Cluster a tag and a URL live by two shards' clocks; a purge this much older than a lease still
/// refuses the store, microseconds.
const CLOCK_SLACK_US: u64 = 1_000_000;

/// Of the time a look-up may be held, the part after which another one fills the object too: whoever has
/// the turn has stalled, and there is time left for the second.
const TURN: (u64, u64) = (3, 4);

/// Looks an object up.
pub(in crate::core) struct Get {
    command: Command,
    fill: Fill,
    wait: Duration,
    begun: Duration,
    channel: Vec<u8>,
    /// The lease of whoever fills it, as last heard, and the clock by which it was granted.
    lease: Option<[u8; 16]>,
    clock: RedisTime,
    held: bool,
}

/// What look-ups have to have in common to be answered alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::core) struct Fill {
    /// The key in Redis.
    pub(in crate::core) key: Vec<u8>,
    /// The URL.
    pub(in crate::core) url: Vec<u8>,
    field: [u8; 16],
    vary: Vec<u8>,
}

impl Fill {
    /// Before all of one key.
    pub(in crate::core) fn first_of(key: &[u8]) -> Self {
        Self {
            key: key.to_vec(),
            url: Vec::new(),
            field: [0; 16],
            vary: Vec::new(),
        }
    }
}

impl Get {
    pub(super) fn begin(op: &CacheGet<'_>, cx: &Context<'_>) -> Begun {
        let key = cx.keys.cached(op.url);
        let command = Command {
            script: Script::CacheGet,
            keys: vec![key.clone()],
            args: vec![
                op.url.to_vec(),
                hex(op.field),
                op.vary.to_vec(),
                hex(op.lease),
                number(op.lease_ms),
                number(op.wait_ms * TURN.0 / TURN.1),
                op.want.name().as_bytes().to_vec(),
            ],
        };
        let plan = Self {
            command: command.clone(),
            fill: Fill {
                key,
                url: op.url.to_vec(),
                field: *op.field,
                vary: op.vary.to_vec(),
            },
            wait: Duration::from_millis(op.wait_ms),
            begun: cx.now,
            channel: cx.keys.filled(op.url),
            lease: None,
            clock: RedisTime::default(),
            held: false,
        };
        (Box::new(plan), Round::new(Role::Cache, vec![command]))
    }

    /// What it is about.
    pub(in crate::core) fn fill(&self) -> &Fill {
        &self.fill
    }

    /// Until when it may be held.
    pub(in crate::core) fn until(&self) -> Duration {
        self.begun + self.wait
    }

    /// Until when it keeps others waiting, when it has the turn since `now`.
    pub(in crate::core) fn turn(&self, now: Duration) -> Duration {
        now + self.wait * 3 / 4
    }

    /// It is held: what it is answered with later is not what it would have found.
    pub(in crate::core) fn hold(&mut self) {
        self.held = true;
    }

    /// Looks once more.
    pub(in crate::core) fn again(&self) -> Round {
        Round::new(Role::Cache, vec![self.command.clone()])
    }

    /// It has waited long enough: goes upstream like anybody else.
    pub(in crate::core) fn over(&self, now: Duration) -> Outcome {
        let mut out = Vec::new();
        let now_us = self.clock.at(now);
        let lease = self.lease;
        CacheReply::Miss { now_us, lease }.encode(&mut out);
        Outcome::Value(out)
    }

    /// Gives the turn up that it was told it has: nobody is there to use it.
    pub(in crate::core) fn forgo(&self) -> Round {
        let mut args = self.command.args.get(..2).unwrap_or_default().to_vec();
        args.push(hex(&self.lease.unwrap_or_default()));
        args.push(number(0));
        args.push(self.channel.clone());
        let command = Command {
            script: Script::CachePass,
            keys: self.command.keys.clone(),
            args,
        };
        Round {
            must_run: true,
            ..Round::new(Role::Cache, vec![command])
        }
    }

    fn read(&mut self, value: &Value, cx: &mut Context<'_>) -> Option<Next> {
        let mut out = Vec::new();
        let items = value.as_array()?;
        match items {
            [Value::Simple(word), born, now, Value::Bulk(record)] if word == b"hit" => {
                let (born_us, now_us) = (born.as_u64()?, now.as_u64()?);
                let reply = match self.held {
                    false => CacheReply::Hit {
                        born_us,
                        now_us,
                        record,
                    },
                    true => CacheReply::Filled {
                        born_us,
                        now_us,
                        record,
                    },
                };
                reply.encode(&mut out);
            }
            [
                Value::Simple(word),
                born,
                now,
                Value::Bulk(record),
                lease,
                claimed,
            ] if word == b"stale" => {
                let lease = unhex(lease.as_bytes()?)?;
                let claimed = claimed.as_u64()? == 1;
                let (born_us, now_us) = (born.as_u64()?, now.as_u64()?);
                let stale = CacheReply::Stale {
                    born_us,
                    now_us,
                    record,
                    lease,
                    claimed,
                };
                stale.encode(&mut out);
                if claimed {
                    self.lease = Some(lease);
                    return Some(Next::Turn(Outcome::Value(out)));
                }
            }
            [Value::Simple(word), now, lease] if word == b"fill" => {
                let lease = unhex(lease.as_bytes()?)?;
                self.lease = Some(lease);
                let now_us = now.as_u64()?;
                CacheReply::Fill { now_us, lease }.encode(&mut out);
                return Some(Next::Turn(Outcome::Value(out)));
            }
            [Value::Simple(word), now, lease, left] if word == b"held" => {
                self.clock.set(now.as_u64()?, cx.now);
                self.lease = Some(unhex(lease.as_bytes()?)?);
                return Some(Next::Wait(Duration::from_micros(left.as_u64()?)));
            }
            [Value::Simple(word), now, lease, known @ ..] if word == b"miss" => {
                if let [known] = known {
                    let known = Duration::from_micros(known.as_u64()?);
                    cx.unshared.heard(&self.fill.url, known, cx.now);
                }
                let lease = match lease {
                    Value::Null => None,
                    lease => Some(unhex::<16>(lease.as_bytes()?)?),
                };
                let now_us = now.as_u64()?;
                CacheReply::Miss { now_us, lease }.encode(&mut out);
            }
            [Value::Simple(word), Value::Bulk(list)] if word == b"vary" => {
                CacheReply::Vary(list).encode(&mut out);
            }
            _ => return None,
        }
        Some(Next::Done(Outcome::Value(out)))
    }
}

impl Plan for Get {
    fn next(&mut self, answers: Vec<Answer>, cx: &mut Context<'_>) -> Next {
        only(answers)
            .and_then(|value| self.read(&value, cx).ok_or(Failure::Shape))
            .unwrap_or_else(Next::failed)
    }

    fn look_up(&mut self) -> Option<&mut Get> {
        Some(self)
    }
}

/// Says that nobody may have an answer, or that there will be none.
pub(super) struct Pass {
    key: Vec<u8>,
}

impl Pass {
    pub(super) fn begin(op: &CachePass<'_>, cx: &mut Context<'_>) -> Begun {
        cx.unshared
            .passed(op.url, Duration::from_millis(op.ttl_ms), cx.now);
        let key = cx.keys.cached(op.url);
        let command = Command {
            script: Script::CachePass,
            keys: vec![key.clone()],
            args: vec![
                op.url.to_vec(),
                hex(op.field),
                hex(op.lease),
                number(op.ttl_ms),
                cx.keys.filled(op.url),
            ],
        };
        let round = Round {
            must_run: true,
            ..Round::new(Role::Cache, vec![command])
        };
        (Box::new(Self { key }), round)
    }
}

impl Plan for Pass {
    fn next(&mut self, answers: Vec<Answer>, cx: &mut Context<'_>) -> Next {
        cx.filled.push(std::mem::take(&mut self.key));
        word(answers, &[b"passed", b"ignored"])
    }
}

/// Stores an object while its lease lives; its tags first, so that no purge can miss it.
pub(super) struct Put {
    key: Vec<u8>,
    url: Vec<u8>,
    /// The field that was looked up, and where those who are held are told.
    last: [Vec<u8>; 2],
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
                number(op.at_us.unwrap_or(0)),
                number(op.age_ms),
                number(op.fresh_ms),
                number(op.ttl_ms),
                number(MAX_VARIANTS),
            ],
            record: op.record.to_vec(),
            url: op.url.to_vec(),
            last: [hex(op.asked), cx.keys.filled(op.url)],
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
        args.extend(std::mem::take(&mut self.last));
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
        cx.filled.push(self.key.clone());
        let next = word(answers, &[b"stored", b"refused"]);
        if let Next::Done(Outcome::Value(_)) = &next {
            cx.unshared.stored(&self.url, cx.now);
        }
        next
    }
}

/// An answer that is one of these words.
fn word(answers: Vec<Answer>, words: &[&[u8]]) -> Next {
    let said = only(answers).and_then(|value| match value {
        Value::Simple(word) if words.contains(&&word[..]) => {
            let mut out = Vec::new();
            resp::simple(&mut out, &word);
            Ok(Outcome::Value(out))
        }
        _ => Err(Failure::Shape),
    });
    Next::from(said)
}

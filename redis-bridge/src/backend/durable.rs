//! Whether a replica has what was just written.
//!
//! Redis acknowledges before it replicates, so a failover can undo an acknowledged revocation. `WAIT` makes
//! a primary ask its replicas for their offsets at once; its own answer counts from the last write of
//! *this connection*, which a repetition that finds nothing to do has not made. So the offsets themselves
//! are compared: what a replica has confirmed, with where the primary stood after the write.

use super::info::field;
use redis::aio::MultiplexedConnection;
use redis::{RedisResult, cmd};
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// How long replicas are waited for, milliseconds.
const PATIENCE_MS: u64 = 200;
/// Lag of a replica that lives, seconds, at most: it confirms once a second, and Redis counts in whole ones.
const PROMPT_S: u64 = 1;
/// Histories remembered, at most.
const HISTORIES: usize = 64;

/// Histories (`master_replid`) that replicas were seen to follow. One that has none any more has lost sight
/// of them, and one of them may be promoted: that is not a server without replicas.
#[derive(Debug, Default)]
pub struct Followed(Mutex<HashSet<String>>);

/// What `INFO replication` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replication {
    /// A primary, not a replica.
    pub primary: bool,
    /// Names the history of writes.
    pub history: String,
    /// Where the primary stands.
    pub offset: u64,
    /// What each replica has confirmed.
    pub replicas: Vec<u64>,
    /// Of these, how many did so just now.
    pub prompt: usize,
}

impl Replication {
    /// From the text; what it does not say is 0 or empty.
    pub fn parse(text: &str) -> Self {
        let mut replication = Self::default();
        for line in text.lines() {
            let Some((name, value)) = line.trim_end().split_once(':') else {
                continue;
            };
            match name {
                "role" => replication.primary = value == "master",
                "master_replid" => value.clone_into(&mut replication.history),
                "master_repl_offset" => replication.offset = value.parse().unwrap_or(0),
                name if is_replica(name) => {
                    replication.replicas.push(confirmed(value));
                    replication.prompt += usize::from(is_prompt(value));
                }
                _ => {}
            }
        }
        replication
    }

    /// Whether a replica has all that was written up to `before`, in the same history.
    pub fn confirms(&self, before: &Self) -> bool {
        self.primary
            && self.history == before.history
            && self.replicas.iter().any(|offset| *offset >= before.offset)
    }
}

impl Followed {
    /// Whether the primary has no replicas and had none. Remembers it when it has.
    pub fn is_alone(&self, replication: &Replication) -> bool {
        // No code panics while it holds the lock, so a poisoned one holds good data.
        let mut followed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if replication.replicas.is_empty() {
            return replication.primary && !followed.contains(&replication.history);
        }
        if followed.len() >= HISTORIES {
            followed.clear();
        }
        followed.insert(replication.history.clone());
        false
    }

    /// Whether a primary hears none of the replicas it has or had; one that never had any misses nobody.
    pub fn is_abandoned(&self, replication: &Replication) -> bool {
        replication.primary && replication.prompt == 0 && !self.is_alone(replication)
    }
}

/// Whether the server at the other end, which was just written to, has a replica that has it, or has none at all.
/// A server that does not say has not.
pub async fn is_replicated(on: MultiplexedConnection, followed: &Followed) -> bool {
    waited(on, followed).await.unwrap_or(false)
}

async fn waited(mut on: MultiplexedConnection, followed: &Followed) -> RedisResult<bool> {
    let before = look(&mut on).await?;
    if followed.is_alone(&before) || before.confirms(&before) {
        return Ok(true);
    }
    if before.replicas.is_empty() {
        return Ok(false);
    }
    let mut wait = cmd("WAIT");
    wait.arg(1).arg(PATIENCE_MS);
    wait.query_async::<redis::Value>(&mut on).await?;
    Ok(look(&mut on).await?.confirms(&before))
}

/// How the replication of the server at the other end stands.
///
/// # Errors
///
/// It does not say.
pub async fn look(on: &mut MultiplexedConnection) -> RedisResult<Replication> {
    let mut info = cmd("INFO");
    info.arg("replication");
    let text: String = info.query_async(on).await?;
    Ok(Replication::parse(&text))
}

fn is_replica(name: &str) -> bool {
    let digits = name.strip_prefix("slave");
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// Of `ip=..,port=..,state=online,offset=..,lag=..`; one that is not online has confirmed nothing.
fn confirmed(value: &str) -> u64 {
    match field(value, "state") {
        Some("online") => {
            let offset = field(value, "offset").and_then(|n| n.parse().ok());
            offset.unwrap_or(0)
        }
        _ => 0,
    }
}

/// Heard of within [`PROMPT_S`].
fn is_prompt(value: &str) -> bool {
    let lag: Option<u64> = field(value, "lag").and_then(|lag| lag.parse().ok());
    field(value, "state") == Some("online") && lag.is_some_and(|lag| lag <= PROMPT_S)
}

#[cfg(test)]
mod tests;

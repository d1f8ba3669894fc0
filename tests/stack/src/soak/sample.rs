//! One look at every process and at both Redis.

use crate::usage;
use crate::{Error, Result, Stack, proc};
use std::collections::BTreeMap;
use std::time::Duration;

/// The processes that were started, by name: process id, and when it started.
pub(super) type Parts = BTreeMap<String, (u32, u64)>;

/// What was seen.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    /// When, from the start of the load.
    pub(super) at: Duration,
    /// Of each process: memory in RAM, bytes, and open files.
    pub(super) parts: BTreeMap<String, [u64; 2]>,
    /// Keys of the state's Redis and of the cache's.
    pub(super) keys: [i64; 2],
}

/// All that run.
///
/// # Errors
/// When one has ended already.
pub(super) fn parts(stack: &Stack) -> Result<Parts> {
    let mut parts = Parts::new();
    for name in stack.names() {
        let pid = stack.pid(&name)?;
        let started = proc::start_time(pid).ok_or_else(|| ended(&name))?;
        parts.insert(name, (pid, started));
    }
    Ok(parts)
}

/// Looks.
///
/// # Errors
/// When a process is no longer the one that was started, or a key has no TTL.
pub(super) fn take(stack: &Stack, parts: &Parts, at: Duration) -> Result<Sample> {
    let mut sample = Sample {
        at,
        parts: BTreeMap::new(),
        keys: [0; 2],
    };
    for (name, &(pid, started)) in parts {
        if proc::start_time(pid) != Some(started) {
            return Err(ended(name));
        }
        let files = format!("/proc/{pid}/fd");
        let open = std::fs::read_dir(&files).map_err(Error::io(format!("list {files}")))?;
        let of = [usage::rss(pid)?, open.count() as u64];
        sample.parts.insert(name.clone(), of);
    }
    for (redis, keys) in [stack.redis(), stack.redis_cache()]
        .iter()
        .zip(&mut sample.keys)
    {
        let without = redis.keys_without_ttl()?;
        if without > 0 {
            return Err(Error::Answer {
                what: format!("redis {}: keys without a TTL", redis.address()),
                got: without.to_string(),
            });
        }
        *keys = redis.call(&["DBSIZE"])?.int().unwrap_or(0);
    }
    Ok(sample)
}

fn ended(name: &str) -> Error {
    Error::Answer {
        what: name.into(),
        got: "it has ended, or another process is there".into(),
    }
}

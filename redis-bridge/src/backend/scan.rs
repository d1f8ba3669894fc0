//! Purges that must look at every cached object: by prefix, or by a path on every host.
//!
//! SCAN in bounded steps, never KEYS; UNLINK, so Redis frees memory on another thread. Decisions of
//! others run between the steps.

use super::server::Redis;
use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::{ErrorKind, Pipeline, RedisResult, Value};
use std::collections::HashMap;

/// Keys looked at in one step: about a millisecond of Redis' time.
const STEP: usize = 256;

/// Which objects go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Matcher {
    /// Objects of this path and query, on every host.
    Path(Vec<u8>),
    /// Objects whose whole URL starts with this.
    Prefix(Vec<u8>),
    /// Objects whose path starts with this, on every host.
    PathPrefix(Vec<u8>),
}

impl Matcher {
    /// Bytes of what it names.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Path(text) | Self::Prefix(text) | Self::PathPrefix(text) => text.len(),
        }
    }

    /// Whether the object of `url` goes.
    pub fn matches(&self, url: &[u8]) -> bool {
        match self {
            Self::Path(path) => path_of(url) == Some(path),
            Self::Prefix(prefix) => url.starts_with(prefix),
            Self::PathPrefix(prefix) => path_of(url).is_some_and(|path| path.starts_with(prefix)),
        }
    }
}

/// What follows `scheme://authority`.
fn path_of(url: &[u8]) -> Option<&[u8]> {
    let authority = url.windows(3).position(|three| three == b"://")? + 3;
    let rest = url.get(authority..)?;
    let path = rest.iter().position(|b| *b == b'/')?;
    rest.get(path..)
}

/// What is looked for, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Which objects.
    pub matcher: Matcher,
    /// They are found only; else they are removed.
    pub soft: bool,
}

/// What was found for one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Objects removed.
    pub removed: u64,
    /// Hex of the hash of each URL that was found only.
    pub hashes: Vec<Vec<u8>>,
}

/// What is looked for, so that thousands of paths cost an object no more than one.
struct Index<'a> {
    wanted: &'a [Wanted],
    paths: HashMap<(&'a [u8], bool), usize>,
    /// Those that are no paths.
    others: Vec<usize>,
}

impl<'a> Index<'a> {
    fn of(wanted: &'a [Wanted]) -> Self {
        let (mut paths, mut others) = (HashMap::new(), Vec::new());
        for (at, Wanted { matcher, soft }) in wanted.iter().enumerate() {
            match matcher {
                Matcher::Path(path) => drop(paths.entry((path.as_slice(), *soft)).or_insert(at)),
                _ => others.push(at),
            }
        }
        Self {
            wanted,
            paths,
            others,
        }
    }

    /// The first that names the object of `url`.
    fn find(&self, url: &[u8], soft: bool) -> Option<usize> {
        let path = path_of(url).and_then(|path| self.paths.get(&(path, soft)));
        let is = |at: &&usize| {
            let wanted = self.wanted.get(**at);
            wanted.is_some_and(|wanted| wanted.soft == soft && wanted.matcher.matches(url))
        };
        path.or_else(|| self.others.iter().find(is)).copied()
    }
}

/// Removes or finds what any of `wanted` names.
///
/// # Errors
///
/// Redis is not reachable, or failed on the way: what was removed stays removed, and a repetition
/// removes the rest.
pub async fn purge(redis: &Redis, namespace: &str, wanted: &[Wanted]) -> RedisResult<Vec<Found>> {
    let mut found = vec![Found::default(); wanted.len()];
    let index = Index::of(wanted);
    for mut node in redis.directs().ok_or_else(not_connected)? {
        let pattern = format!("{namespace}:c:*");
        let mut cursor = 0_u64;
        loop {
            let mut scan = Pipeline::new();
            scan.cmd("SCAN").arg(cursor).arg("MATCH").arg(&pattern);
            scan.arg("COUNT").arg(STEP);
            let answer = run(&mut node, scan).await?.into_iter().next();
            let (next, keys): (u64, Vec<Vec<u8>>) =
                redis::from_redis_value(answer.unwrap_or_default().extract_error()?)?;
            step(&mut node, &keys, &index, &mut found).await?;
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
    }
    Ok(found)
}

/// Looks at some keys. What somebody wants removed is, whoever else wants it.
async fn step(
    node: &mut MultiplexedConnection,
    keys: &[Vec<u8>],
    index: &Index<'_>,
    found: &mut [Found],
) -> RedisResult<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let mut read = Pipeline::new();
    for key in keys {
        read.cmd("HGET").arg(key).arg(URL_FIELD);
    }
    let urls = run(node, read).await?;
    let mut unlink = Pipeline::new();
    let mut by = Vec::new();
    for (key, url) in keys.iter().zip(urls) {
        // A key of another type, or one that moved to another shard: its own shard will show it.
        let Value::BulkString(url) = url else {
            continue;
        };
        if let Some(at) = index.find(&url, false) {
            unlink.cmd("UNLINK").arg(key);
            by.push(at);
        } else if let Some(found) = (index.find(&url, true)).and_then(|at| found.get_mut(at)) {
            found.hashes.extend(hash_of(key).map(<[u8]>::to_vec));
        }
    }
    if by.is_empty() {
        return Ok(());
    }
    for (matcher, answer) in by.into_iter().zip(run(node, unlink).await?) {
        if let (Value::Int(n), Some(found)) = (answer.extract_error()?, found.get_mut(matcher)) {
            found.removed += u64::try_from(n).unwrap_or(0);
        }
    }
    Ok(())
}

/// The hash in the name of a key, between braces.
fn hash_of(key: &[u8]) -> Option<&[u8]> {
    let inner = key.strip_suffix(b"}")?;
    let from = inner.iter().position(|b| *b == b'{')? + 1;
    inner.get(from..)
}

/// Field of a cached object's hash that holds its URL (`lua/cache/put.lua`).
const URL_FIELD: &str = "u";

/// One value for each command; errors are values.
async fn run(node: &mut MultiplexedConnection, pipeline: Pipeline) -> RedisResult<Vec<Value>> {
    node.req_packed_commands(&pipeline, 0, pipeline.len()).await
}

fn not_connected() -> redis::RedisError {
    (ErrorKind::Io, "not connected").into()
}

#[cfg(test)]
mod tests;

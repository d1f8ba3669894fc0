//! Purges that must look at every cached object: by prefix, or by a path on every host.
//!
//! SCAN in bounded steps, never KEYS; UNLINK, so Redis frees memory on another thread. Decisions of
//! others run between the steps.

use super::server::{Direct, Redis};
use redis::aio::ConnectionLike as _;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo, SingleNodeRoutingInfo};
use redis::{ErrorKind, Pipeline, RedisResult, Value, cmd};

/// Keys looked at in one step: about a millisecond of Redis' time.
const STEP: usize = 256;

/// Which objects go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matcher {
    /// Objects of this path and query, on every host.
    Path(Vec<u8>),
    /// Objects whose whole URL starts with this.
    Prefix(Vec<u8>),
    /// Objects whose path starts with this, on every host.
    PathPrefix(Vec<u8>),
}

impl Matcher {
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

/// Removes what any of `matchers` names; how many objects each of them removed.
///
/// # Errors
///
/// Redis is not reachable, or failed on the way: what was removed stays removed, and a repetition
/// removes the rest.
pub async fn purge(redis: &Redis, namespace: &str, matchers: &[Matcher]) -> RedisResult<Vec<u64>> {
    let mut removed = vec![0; matchers.len()];
    let direct = redis.direct().ok_or_else(not_connected)?;
    for mut node in nodes(direct).await? {
        let pattern = format!("{namespace}:c:*");
        let mut cursor = 0_u64;
        loop {
            let mut scan = Pipeline::new();
            scan.cmd("SCAN").arg(cursor).arg("MATCH").arg(&pattern);
            scan.arg("COUNT").arg(STEP);
            let answer = node.run(scan).await?.into_iter().next();
            let (next, keys): (u64, Vec<Vec<u8>>) =
                redis::from_redis_value(answer.unwrap_or_default().extract_error()?)?;
            step(&mut node, &keys, matchers, &mut removed).await?;
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
    }
    Ok(removed)
}

/// Looks at some keys and removes those that match.
async fn step(
    node: &mut Node,
    keys: &[Vec<u8>],
    matchers: &[Matcher],
    removed: &mut [u64],
) -> RedisResult<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let mut read = Pipeline::new();
    for key in keys {
        read.cmd("HGET").arg(key).arg(URL_FIELD);
    }
    let urls = node.run(read).await?;
    let mut unlink = Pipeline::new();
    let mut by = Vec::new();
    for (key, url) in keys.iter().zip(urls) {
        // A key of another type, or one that moved to another shard: its own shard will show it.
        let Value::BulkString(url) = url else {
            continue;
        };
        if let Some(matcher) = matchers.iter().position(|matcher| matcher.matches(&url)) {
            unlink.cmd("UNLINK").arg(key);
            by.push(matcher);
        }
    }
    if by.is_empty() {
        return Ok(());
    }
    for (matcher, answer) in by.into_iter().zip(node.run(unlink).await?) {
        if let (Value::Int(n), Some(count)) = (answer.extract_error()?, removed.get_mut(matcher)) {
            *count += u64::try_from(n).unwrap_or(0);
        }
    }
    Ok(())
}

/// Field of a cached object's hash that holds its URL (`lua/cache/put.lua`).
const URL_FIELD: &str = "u";

/// One server that holds keys.
struct Node {
    direct: Direct,
    address: Option<(String, u16)>,
}

impl Node {
    /// One value for each command; errors are values.
    async fn run(&mut self, pipeline: Pipeline) -> RedisResult<Vec<Value>> {
        let count = pipeline.len();
        match (&mut self.direct, &self.address) {
            (Direct::Cluster(cluster), Some((host, port))) => {
                let route = SingleNodeRoutingInfo::ByAddress {
                    host: host.clone(),
                    port: *port,
                };
                cluster.route_pipeline(pipeline, 0, count, route).await
            }
            (Direct::Single(connection), _) => {
                connection.req_packed_commands(&pipeline, 0, count).await
            }
            (Direct::Cluster(_), None) => Err(not_connected()),
        }
    }
}

/// Every primary.
async fn nodes(direct: Direct) -> RedisResult<Vec<Node>> {
    let Direct::Cluster(mut cluster) = direct else {
        return Ok(vec![Node {
            direct,
            address: None,
        }]);
    };
    let everywhere = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
    let answers = cluster.route_command(cmd("TIME"), everywhere).await?;
    let Value::Map(answers) = answers else {
        return Err(not_connected());
    };
    let nodes = answers.into_iter().filter_map(|(address, _)| {
        let address: String = redis::from_redis_value(address).ok()?;
        let (host, port) = address.rsplit_once(':')?;
        let address = Some((host.to_owned(), port.parse().ok()?));
        let direct = Direct::Cluster(cluster.clone());
        Some(Node { direct, address })
    });
    Ok(nodes.collect())
}

fn not_connected() -> redis::RedisError {
    (ErrorKind::Io, "not connected").into()
}

#[cfg(test)]
mod tests;

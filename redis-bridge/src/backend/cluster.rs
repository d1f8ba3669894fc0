//! A Cluster: commands to their shards, and how it is by its own word.

use super::facts::Facts;
use super::{convert, info, pipeline};
use crate::core::{BackendError, Command, Replies, Value};
use crate::script::Script;
use redis::aio::ConnectionLike as _;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{
    MultipleNodeRoutingInfo, Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr,
};
use redis::{Cmd, FromRedisValue as _, RedisResult, cmd};
use std::time::Duration;
use tokio::time::timeout;

/// Nodes that are asked at a time: one that is cut off from the others says `fail` although they serve.
const ASKED: usize = 3;
/// Time for them to say it; who is frozen is not waited for.
const WITHIN: Duration = Duration::from_millis(300);
/// So many times in a row nobody said `ok`.
const BROKEN: u32 = 2;

/// What its nodes say again and again.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Times in a row that nobody said `ok` and somebody `fail`.
    failed: u32,
}

impl Watch {
    /// Whether it is in CLUSTERDOWN: it has no majority, or slots that nobody serves while it wants all of them
    /// (`cluster-require-full-coverage`). Without that, the other slots are served, and it is not. `None`:
    /// nobody says, or not often enough yet.
    pub(super) async fn is_broken(&mut self, connection: &ClusterConnection) -> Option<bool> {
        let asks = (0..ASKED).map(|_| timeout(WITHIN, says_ok(connection.clone())));
        let said = futures_util::future::join_all(asks).await;
        let said: Vec<bool> = said.into_iter().filter_map(|one| one.ok()?).collect();
        if said.contains(&true) {
            self.failed = 0;
            return Some(false);
        }
        if said.is_empty() {
            return None;
        }
        self.failed = self.failed.saturating_add(1);
        (self.failed >= BROKEN).then_some(true)
    }
}

/// Each command to its own shard, all at once; redis-rs writes those for one node together.
pub(super) async fn run(connection: &ClusterConnection, commands: &[Command]) -> Replies {
    let each = commands.iter().map(|command| {
        let mut connection = connection.clone();
        async move {
            let mut answer = route(&mut connection, command, pipeline::evalsha(command)).await?;
            // Nothing was executed. A replica that was promoted has never seen the script: it is loaded
            // where the key lives now.
            for _ in 0..pipeline::LOADS {
                if !convert::is_noscript(&answer) {
                    break;
                }
                let load = pipeline::load(command.script.source());
                route(&mut connection, command, load).await?;
                answer = route(&mut connection, command, pipeline::evalsha(command)).await?;
            }
            Ok(answer)
        }
    });
    let results = futures_util::future::join_all(each).await;
    let results: Vec<Answered> = results
        .into_iter()
        .map(|result| match result {
            Ok(value) => Ok(convert::value(value)),
            Err(error) => convert::command_error(&error),
        })
        .collect();
    // One dead shard must not spoil the others' answers.
    match results
        .iter()
        .find_map(|result| result.as_ref().err().copied())
    {
        Some(error) if results.iter().all(Result::is_err) => Err(error),
        _ => Ok(results.into_iter().map(or_line).collect()),
    }
}

/// To the primary of the first key; a replica may not know the latest revocation.
async fn route(
    connection: &mut ClusterConnection,
    command: &Command,
    call: Cmd,
) -> RedisResult<redis::Value> {
    let route = match command.keys.first() {
        Some(key) => SingleNodeRoutingInfo::SpecificNode(Route::with_key(key, SlotAddr::Master)),
        None => SingleNodeRoutingInfo::RandomPrimary,
    };
    let route = RoutingInfo::SingleNode(route);
    connection.route_command(call, route).await
}

type Answered = Result<Value, BackendError>;

fn or_line(result: Answered) -> Value {
    result.unwrap_or_else(|error| {
        Value::error(match error {
            BackendError::Down => &b"DOWN"[..],
            BackendError::Timeout => &b"TIMEOUT"[..],
        })
    })
}

/// Loads the scripts, and looks at every primary.
pub(super) async fn prepare(mut connection: ClusterConnection) -> Facts {
    for script in Script::ALL {
        // A node that was missed is loaded when it says NOSCRIPT.
        let _ = connection
            .req_packed_command(&pipeline::load(script.source()))
            .await;
    }
    let everywhere = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
    match connection.route_command(cmd("INFO"), everywhere).await {
        Ok(redis::Value::Map(answers)) => Facts::parse(answers.into_iter().map(|(_, info)| info)),
        _ => Facts::default(),
    }
}

async fn says_ok(mut connection: ClusterConnection) -> Option<bool> {
    let mut ask = cmd("CLUSTER");
    ask.arg("INFO");
    let anyone = RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random);
    let answer = connection.route_command(ask, anyone).await.ok()?;
    let text = String::from_redis_value(answer).ok()?;
    Some(info::parse(&text).get("cluster_state")? == "ok")
}

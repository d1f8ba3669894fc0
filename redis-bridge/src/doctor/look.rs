//! Asks the servers; decides nothing.

use super::acl::{self, Acl, Question};
use super::group::{Group, Sentinels, Topology};
use super::server::Server;
use crate::backend::info;
use crate::backend::nodes::{self, Seat};
use crate::backend::{Login, Target, Url};
use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::{Cmd, RedisError, RedisResult, Value, cmd};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// Time for each answer.
const TIMEOUT: Duration = Duration::from_secs(3);

/// As whom to look.
#[derive(Debug, Clone, Copy)]
pub struct Eyes<'a> {
    /// Whom the bridge is.
    pub bridge: &'a Login,
    /// Who may see more; the bridge when nobody.
    pub operator: &'a Login,
    /// First segment of the bridge's keys.
    pub namespace: &'a str,
    /// What clocks are compared with.
    pub started: Instant,
}

/// A Redis, and what could not be looked at in it.
#[derive(Debug)]
pub struct Looked {
    /// What answered.
    pub group: Group,
    /// Servers that are known and did not answer.
    pub silent: Vec<(Seat, String)>,
    /// Servers that do not let the bridge in.
    pub closed: Vec<(Seat, String)>,
}

/// Looks at every server of `url`.
///
/// # Errors
///
/// Nobody says which servers there are.
pub async fn look(url: &Url, eyes: Eyes<'_>) -> RedisResult<Looked> {
    let target = &url.target;
    let bridge = eyes.bridge.over_tls(url.tls);
    let operator = eyes.operator.over_tls(url.tls);
    let eyes = Eyes {
        bridge: &bridge,
        operator: &operator,
        ..eyes
    };
    let seats = match nodes::servers(target, eyes.operator, TIMEOUT).await {
        Ok(seats) => seats,
        // Of a Redis whose operator is refused, the bridge's login may still tell.
        Err(_) => nodes::servers(target, eyes.bridge, TIMEOUT).await?,
    };
    let mut looked = Looked {
        group: Group {
            url: url.to_string(),
            servers: Vec::new(),
            topology: Topology::Standalone,
        },
        silent: Vec::new(),
        closed: Vec::new(),
    };
    for seat in seats {
        if let Err(error) = bridge_enters(&seat, eyes.bridge).await {
            if is_away(&error) {
                looked.silent.push((seat, reason(&error)));
                continue;
            }
            looked.closed.push((seat.clone(), reason(&error)));
        }
        match server(seat.clone(), target, eyes).await {
            Ok(server) => looked.group.servers.push(server),
            Err(error) => looked.silent.push((seat, reason(&error))),
        }
    }
    looked.group.topology = topology(target, &looked.group.servers, eyes).await;
    Ok(looked)
}

async fn bridge_enters(seat: &Seat, bridge: &Login) -> RedisResult<()> {
    let mut connection = seat.connect(bridge, TIMEOUT).await?;
    // Without a login a connection opens, and every command is refused.
    cmd("PING").query_async(&mut connection).await
}

async fn server(seat: Seat, target: &Target, eyes: Eyes<'_>) -> RedisResult<Server> {
    let mut connection = seat.connect(eyes.operator, TIMEOUT).await?;
    let info: String = cmd("INFO")
        .arg("everything")
        .query_async(&mut connection)
        .await?;
    let asked = eyes.started.elapsed();
    let (seconds, micros): (i64, i64) = cmd("TIME").query_async(&mut connection).await?;
    let answered = eyes.started.elapsed();
    let half = micros_of(answered.saturating_sub(asked)) / 2;
    let bridge = eyes.bridge.user.as_ref();
    let question = Question {
        user: bridge.map_or("default", |user| user.expose()),
        namespace: eyes.namespace,
        cluster: matches!(target, Target::Cluster(_)),
        sentinel: matches!(target, Target::Sentinel { .. }),
    };
    Ok(Server {
        info: info::parse(&info),
        config: config(&mut connection).await?,
        clock_us: seconds * 1_000_000 + micros - micros_of(asked) - half,
        clock_error_us: half,
        acl: rights(&mut connection, question).await,
        seat,
    })
}

async fn rights(connection: &mut MultiplexedConnection, question: Question<'_>) -> Acl {
    let looked = acl::look(connection, question).await;
    looked.unwrap_or_else(|error| Acl {
        user: question.user.to_owned(),
        rights: Err(reason(&error)),
        default_open: None,
    })
}

/// `None` when it is refused.
async fn config(
    connection: &mut MultiplexedConnection,
) -> RedisResult<Option<HashMap<String, String>>> {
    let mut call = cmd("CONFIG");
    call.arg("GET").arg("*");
    match connection.req_packed_command(&call).await? {
        Value::ServerError(_) => Ok(None),
        answer => redis::from_redis_value(answer)
            .map(Some)
            .map_err(RedisError::from),
    }
}

async fn topology(target: &Target, servers: &[Server], eyes: Eyes<'_>) -> Topology {
    match target {
        Target::Cluster(_) => {
            for server in servers {
                let mut call = cmd("CLUSTER");
                call.arg("INFO");
                if let Ok(text) = ask::<String>(&server.seat, eyes.operator, call).await {
                    return Topology::Cluster(info::parse(&text));
                }
            }
            Topology::Cluster(HashMap::new())
        }
        Target::Sentinel { nodes, name } => {
            let mut seen: Option<Sentinels> = None;
            for node in nodes {
                let mut call = cmd("SENTINEL");
                call.arg("MASTER").arg(name);
                let seat = Seat::Tcp(node.clone());
                let nobody = eyes.bridge.without_user();
                let Ok(fields) = ask::<HashMap<String, String>>(&seat, &nobody, call).await else {
                    continue;
                };
                let number = |name: &str| fields.get(name).and_then(|n| n.parse::<u64>().ok());
                let known = number("num-other-sentinels").map_or(1, |others| others + 1);
                let before = seen.unwrap_or(Sentinels {
                    known: u64::MAX,
                    ..Sentinels::default()
                });
                seen = Some(Sentinels {
                    answered: before.answered + 1,
                    known: before.known.min(known),
                    quorum: before.quorum.max(number("quorum").unwrap_or(0)),
                    down_after_ms: before
                        .down_after_ms
                        .max(number("down-after-milliseconds").unwrap_or(0)),
                });
            }
            Topology::Sentinel(seen.unwrap_or_default())
        }
        Target::Tcp(_) | Target::Unix(_) => Topology::Standalone,
    }
}

async fn ask<T: redis::FromRedisValue>(seat: &Seat, login: &Login, call: Cmd) -> RedisResult<T> {
    let mut connection = seat.connect(login, TIMEOUT).await?;
    call.query_async(&mut connection).await
}

/// Not a refusal: nobody is there.
fn is_away(error: &RedisError) -> bool {
    error.is_io_error() || error.is_timeout() || error.is_connection_refusal()
}

/// One line, without what was sent.
fn reason(error: &RedisError) -> String {
    error.to_string().replace(['\r', '\n'], " ")
}

fn micros_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

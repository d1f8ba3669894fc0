//! Asks every server of a Redis how it is, now and then, beside the path that requests take.

use super::connect;
use super::info;
use super::nodes::{self, Seat};
use super::server::Redis;
use super::target::Target;
use crate::metrics::redis::{RedisHealth, ServerHealth};
use redis::aio::MultiplexedConnection;
use redis::{RedisResult, cmd};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How often.
const EVERY: Duration = Duration::from_secs(5);
/// Time for a server to connect and to answer.
const TIMEOUT: Duration = Duration::from_secs(1);

/// What is kept of a server between two looks.
#[derive(Default)]
struct Known {
    connection: Option<MultiplexedConnection>,
    info: HashMap<String, String>,
}

/// Looks at the servers of `redis` for as long as the process lives.
pub async fn run(redis: Arc<Redis>, role: &'static str, health: RedisHealth) {
    let mut known: HashMap<Seat, Known> = HashMap::new();
    let mut pause = tokio::time::interval(EVERY);
    pause.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        pause.tick().await;
        let seats = seats(&redis, &known).await;
        known.retain(|seat, _| seats.contains(seat));
        let looks = seats.into_iter().map(|seat| {
            let before = known.remove(&seat).unwrap_or_default();
            look(&redis, seat, before)
        });
        let looked = futures_util::future::join_all(looks).await;
        let mut servers = Vec::new();
        for (seat, now) in looked {
            servers.push(ServerHealth {
                server: seat.to_string(),
                up: now.connection.is_some(),
                info: now.info.clone(),
            });
            known.insert(seat, now);
        }
        servers.sort_by(|a, b| a.server.cmp(&b.server));
        health.set(role, servers);
    }
}

async fn look(redis: &Redis, seat: Seat, mut known: Known) -> (Seat, Known) {
    let asked = ask(redis, &seat, known.connection.take()).await;
    match asked {
        Ok((connection, info)) => {
            known.connection = Some(connection);
            known.info = info;
        }
        // What it said last stays: `up` says that it is old.
        Err(error) => tracing::debug!(server = %seat, %error, "health: no answer"),
    }
    (seat, known)
}

async fn ask(
    redis: &Redis,
    seat: &Seat,
    connection: Option<MultiplexedConnection>,
) -> RedisResult<(MultiplexedConnection, HashMap<String, String>)> {
    let mut connection = match connection {
        Some(connection) => connection,
        None => seat.connect(&redis.login(), TIMEOUT).await?,
    };
    let text: String = cmd("INFO").query_async(&mut connection).await?;
    let mut found = info::parse(&text);
    if matches!(redis.target(), Target::Cluster(_)) {
        let mut cluster = cmd("CLUSTER");
        cluster.arg("INFO");
        let text: String = cluster.query_async(&mut connection).await?;
        found.extend(info::parse(&text));
    }
    Ok((connection, found))
}

/// Every server there is: as those that answered last time know it, or as is found anew.
async fn seats(redis: &Redis, known: &HashMap<Seat, Known>) -> Vec<Seat> {
    let login = redis.login();
    if known.is_empty() {
        let found = nodes::servers(redis.target(), &login, TIMEOUT).await;
        return found.unwrap_or_else(|_| redis.target().named());
    }
    let found = match redis.target() {
        Target::Cluster(_) => match of_cluster(known).await {
            Some(seats) => Ok(seats),
            None => nodes::servers(redis.target(), &login, TIMEOUT).await,
        },
        Target::Sentinel { nodes, name } => {
            let primary = connect::primary(nodes, name, &login).await;
            primary.map(|node| with_replicas(Seat::Tcp(node), known))
        }
        Target::Tcp(node) => Ok(with_replicas(Seat::Tcp(node.clone()), known)),
        Target::Unix(path) => Ok(with_replicas(Seat::Unix(path.clone()), known)),
    };
    // Nobody says: those of last time are asked whether they are back.
    let mut seats = found.unwrap_or_else(|_| known.keys().cloned().collect());
    seats.truncate(nodes::MAX_SERVERS);
    seats
}

fn with_replicas(primary: Seat, known: &HashMap<Seat, Known>) -> Vec<Seat> {
    let replicas = known.get(&primary).map(|known| info::replicas(&known.info));
    let replicas = replicas.unwrap_or_default().into_iter().map(Seat::Tcp);
    std::iter::once(primary).chain(replicas).collect()
}

async fn of_cluster(known: &HashMap<Seat, Known>) -> Option<Vec<Seat>> {
    for (seat, known) in known {
        let (Seat::Tcp((host, _)), Some(mut connection)) = (seat, known.connection.clone()) else {
            continue;
        };
        let mut nodes = cmd("CLUSTER");
        nodes.arg("NODES");
        if let Ok(text) = nodes.query_async::<String>(&mut connection).await {
            return Some(nodes::of_cluster(&text, host));
        }
    }
    None
}

//! Bringing servers together, and knowing when they are.

use super::{Reply, Server};
use crate::spec::RedisKind;
use crate::{Error, Result, StackSpec, wait};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);

/// Waits until every server answers, and forms the cluster or waits for the Sentinels.
///
/// # Errors
/// When that does not happen within 30 s.
pub fn make_ready(spec: &StackSpec) -> Result<()> {
    let state: Vec<Server> = (0..spec.state_servers())
        .map(|i| at(spec.state_port(i)))
        .collect();
    for server in state.iter().chain([&at(spec.cache_port())]) {
        answers(server)?;
    }
    match spec.redis {
        RedisKind::Standalone => Ok(()),
        RedisKind::Cluster => form_cluster(&state),
        RedisKind::Sentinel => {
            (0..3).try_for_each(|i| sentinel_knows_all(&at(spec.sentinel_port(i))))
        }
    }
}

/// Waits until `server` answers PING: not while it loads its data.
///
/// # Errors
/// When it does not within 30 s.
pub(super) fn answers(server: &Server) -> Result<()> {
    wait::until(
        format!("redis {} answers", server.address()),
        LIMIT,
        || match server.call(&["PING"]) {
            Ok(Reply::Text(pong)) if pong == b"PONG" => Ok(()),
            Ok(other) => Err(format!("{other:?}")),
            Err(e) => Err(e.to_string()),
        },
    )
}

fn at(port: u16) -> Server {
    Server::new(format!("127.0.0.1:{port}"))
}

fn form_cluster(state: &[Server]) -> Result<()> {
    let output = Command::new("redis-cli")
        .args(["--cluster", "create"])
        .args(state.iter().map(Server::address))
        .args(["--cluster-replicas", "1", "--cluster-yes"])
        .output()
        .map_err(Error::io("run redis-cli --cluster create"))?;
    if !output.status.success() {
        let got = String::from_utf8_lossy(&output.stdout).into_owned();
        return Err(Error::Answer {
            what: "redis-cli --cluster create".into(),
            got,
        });
    }
    for server in state {
        wait::until(
            format!("redis {} is in the cluster", server.address()),
            LIMIT,
            || {
                let info = server
                    .call(&["CLUSTER", "INFO"])
                    .map_err(|e| e.to_string())?
                    .text();
                let has = |field: &str| info.lines().any(|line| line.trim() == field);
                if has("cluster_state:ok") && has("cluster_known_nodes:6") && has("cluster_size:3")
                {
                    Ok(())
                } else {
                    Err(info)
                }
            },
        )?;
    }
    // A replica that has not finished its first sync would lose everything at a failover.
    for server in state {
        wait::until(
            format!("redis {} replicates", server.address()),
            LIMIT,
            || {
                let field = |name| server.info(name).map_err(|e| e.to_string());
                let linked = field("master_link_status")?.is_none_or(|status| status == "up");
                let followed = field("role")?.as_deref() != Some("master")
                    || field("connected_slaves")?.as_deref() == Some("1");
                if linked && followed {
                    Ok(())
                } else {
                    Err("still syncing".into())
                }
            },
        )?;
    }
    Ok(())
}

fn sentinel_knows_all(sentinel: &Server) -> Result<()> {
    answers(sentinel)?;
    wait::until(
        format!("sentinel {} knows the others", sentinel.address()),
        LIMIT,
        || {
            let reply = sentinel
                .call(&["SENTINEL", "MASTER", "mymaster"])
                .map_err(|e| e.to_string())?;
            let texts: Vec<String> = reply.items().iter().map(Reply::text).collect();
            let field = |name: &str| {
                let pair = texts
                    .chunks(2)
                    .find(|pair| pair.first().is_some_and(|n| n == name));
                pair.and_then(|pair| pair.get(1))
                    .cloned()
                    .unwrap_or_default()
            };
            let seen = (
                field("flags"),
                field("num-slaves"),
                field("num-other-sentinels"),
            );
            if seen == ("master".into(), "2".into(), "2".into()) {
                Ok(())
            } else {
                Err(format!("{seen:?}"))
            }
        },
    )
}

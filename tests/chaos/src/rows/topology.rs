//! C: Clusters and Sentinels.

use super::redis::told;
use crate::row::{Failures, Row};
use crate::trial::Trial;
use std::process::Command;
use std::time::Duration;
use tidegate_e2e::{Error, RedisKind, wait};
use tidegate_stack::Result;
use tidegate_stack::redis::Server;

/// From the death of a primary to the moment at which a replica says that it is one: Redis' own part.
pub(super) const PROMOTION: &str = "promotion ms";

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "C1",
        "the primary of a shard is killed, its replica up to 300 ms behind",
        Failures::OnError,
        500,
        primary_dies,
    )
    .losing_increments()
    .times(2),
    Row::new(
        "C2",
        "a primary is frozen, longer than its failover takes",
        Failures::OnError,
        1_500,
        primary_freezes,
    )
    .losing_increments(),
    Row::new(
        "C4",
        "the primary of a shard is killed, its replica 3 s behind",
        Failures::OnError,
        500,
        old_replica,
    )
    .losing_increments(),
    Row::new(
        "C9",
        "half of the slots move while they are used",
        Failures::None,
        0,
        reshard,
    ),
    Row::new(
        "C10",
        "the primary under Sentinels is killed, its replicas up to 300 ms behind",
        Failures::OnError,
        500,
        sentinels,
    )
    .on(RedisKind::Sentinel)
    .losing_increments(),
    Row::new(
        "C11",
        "failovers by hand: CLUSTER FAILOVER, FORCE, TAKEOVER",
        Failures::OnError,
        1_000,
        by_hand,
    )
    .losing_increments(),
    Row::new(
        "C14",
        "replicas are never asked",
        Failures::None,
        0,
        replicas_idle,
    ),
    Row::new(
        "C15",
        "replicas resynchronise in full",
        Failures::None,
        0,
        resync,
    ),
];

fn primary_dies(trial: &mut Trial) -> Result<()> {
    let lag = trial.random.below(301);
    dies(trial, lag)
}

fn old_replica(trial: &mut Trial) -> Result<()> {
    dies(trial, 3_000)
}

/// Kills a primary whose replica lags, waits until the replica is primary, brings the old one back.
fn dies(trial: &mut Trial, behind_ms: u64) -> Result<()> {
    let primaries = trial.servers_that_are("master");
    let victim = trial.random_of(&primaries);
    let replica = trial.replica_of(victim)?;
    lag(trial, victim, &[replica], behind_ms)?;
    let killed = trial.ms();
    trial.lab.kill(&name(victim))?;
    trial.lab.resume(&name(replica))?;
    promoted(trial, replica)?;
    trial.healed();
    let took = trial.ms() - killed;
    trial.measured(PROMOTION, took);
    trial.last(1_500);
    trial.lab.revive(&name(victim))?;
    replicates(trial, victim)
}

/// Stops the replicas and cuts their links: what is acknowledged from now on they do not have.
fn lag(trial: &mut Trial, primary: u16, replicas: &[u16], behind_ms: u64) -> Result<()> {
    for replica in replicas {
        trial.lab.pause(&name(*replica))?;
    }
    // What is sent from now on would otherwise wait in the replica's socket.
    told(
        &trial.lab.redis_of(primary),
        &["CLIENT", "KILL", "TYPE", "replica"],
    )?;
    trial.last(behind_ms);
    trial.measured("lag ms", behind_ms);
    Ok(())
}

fn primary_freezes(trial: &mut Trial) -> Result<()> {
    let primaries = trial.servers_that_are("master");
    let victim = trial.random_of(&primaries);
    let replica = trial.replica_of(victim)?;
    let frozen = trial.ms();
    trial.lab.pause(&name(victim))?;
    promoted(trial, replica)?;
    trial.healed();
    let took = trial.ms() - frozen;
    trial.measured(PROMOTION, took);
    // What is mended is mended without it: it comes back when all that was judged.
    trial.last(4_000);
    trial.lab.resume(&name(victim))?;
    replicates(trial, victim)
}

fn reshard(trial: &mut Trial) -> Result<()> {
    let primaries = trial.servers_that_are("master");
    let (from, to) = (primaries[0], primaries[1]);
    let id = |server: u16| -> Result<String> {
        Ok(trial
            .lab
            .redis_of(server)
            .call(&["CLUSTER", "MYID"])?
            .text())
    };
    let output = Command::new("redis-cli")
        .args(["--cluster", "reshard", trial.lab.redis_of(from).address()])
        .args(["--cluster-from", &id(from)?, "--cluster-to", &id(to)?])
        // Half of what a third of the 16384 slots is.
        .args(["--cluster-slots", "2730", "--cluster-yes"])
        .output()
        .map_err(Error::io("run redis-cli --cluster reshard"))?;
    if !output.status.success() {
        return Err(Error::Answer {
            what: "redis-cli --cluster reshard".into(),
            got: String::from_utf8_lossy(&output.stdout).into_owned(),
        });
    }
    Ok(())
}

fn sentinels(trial: &mut Trial) -> Result<()> {
    let primaries = trial.servers_that_are("master");
    let victim = primaries[0];
    let replicas: Vec<u16> = (0..3).filter(|i| *i != victim).collect();
    let behind_ms = trial.random.below(301);
    lag(trial, victim, &replicas, behind_ms)?;
    let killed = trial.ms();
    trial.lab.kill(&name(victim))?;
    for replica in &replicas {
        trial.lab.resume(&name(*replica))?;
    }
    another_promoted(trial, victim)?;
    let took = trial.ms() - killed;
    // Mended it is when the sentinels say so (+switch-master): a second later, when the other replica follows too.
    let before = trial.lab.spec().state_port(victim).to_string();
    let sentinel = format!("127.0.0.1:{}", trial.lab.spec().sentinel_port(0));
    wait::until(
        "the sentinels name another primary",
        Duration::from_secs(20),
        || {
            let ask = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"];
            let named = Server::new(sentinel.clone())
                .call(&ask)
                .map_err(|e| e.to_string())?;
            match named.items().get(1).map(|port| port.text()) {
                Some(port) if port != before => Ok(()),
                other => Err(format!("{other:?}")),
            }
        },
    )?;
    trial.healed();
    trial.measured(PROMOTION, took);
    trial.last(1_500);
    trial.lab.revive(&name(victim))?;
    replicates(trial, victim)
}

fn by_hand(trial: &mut Trial) -> Result<()> {
    for how in [None, Some("FORCE"), Some("TAKEOVER")] {
        let primaries = trial.servers_that_are("master");
        let primary = trial.random_of(&primaries);
        let replica = trial.replica_of(primary)?;
        let mut command = vec!["CLUSTER", "FAILOVER"];
        command.extend(how);
        told(&trial.lab.redis_of(replica), &command)?;
        let begun = trial.ms();
        promoted(trial, replica)?;
        let took = trial.ms() - begun;
        trial.measured(PROMOTION, took);
        replicates(trial, primary)?;
        trial.last(1_000);
    }
    Ok(())
}

fn replicas_idle(trial: &mut Trial) -> Result<()> {
    let replicas = trial.servers_that_are("slave");
    for replica in &replicas {
        told(&trial.lab.redis_of(*replica), &["CONFIG", "RESETSTAT"])?;
    }
    trial.last(3_000);
    for replica in replicas {
        let commands = trial.lab.redis_of(replica).commands()?;
        for reads in [
            "get",
            "hmget",
            "hgetall",
            "evalsha_ro",
            "eval_ro",
            "readonly",
        ] {
            let times = commands.get(reads).copied().unwrap_or(0);
            let text = format!("replica {replica} was asked {reads} {times} times");
            trial.verdict.check("S1", (times > 0).then_some(text));
        }
    }
    Ok(())
}

fn resync(trial: &mut Trial) -> Result<()> {
    for primary in trial.servers_that_are("master") {
        let server = trial.lab.redis_of(primary);
        told(&server, &["CONFIG", "SET", "repl-backlog-size", "16384"])?;
        let replica = trial.replica_of(primary)?;
        trial.lab.pause(&name(replica))?;
        told(&server, &["CLIENT", "KILL", "TYPE", "replica"])?;
        trial.last(1_000);
        trial.lab.resume(&name(replica))?;
        replicates(trial, replica)?;
    }
    Ok(())
}

pub(super) fn name(server: u16) -> String {
    format!("redis-state-{server}")
}

pub(super) fn role(server: &Server) -> Option<String> {
    server.info("role").ok().flatten()
}

/// Waits until another one than this is primary.
pub(super) fn another_promoted(trial: &Trial, before: u16) -> Result<u16> {
    let others = (0..trial.lab.spec().state_servers()).filter(|i| *i != before);
    wait::until("another primary", Duration::from_secs(20), || {
        let is = |i: &u16| role(&trial.lab.redis_of(*i)).as_deref() == Some("master");
        others.clone().find(is).ok_or_else(|| "none".into())
    })
}

pub(super) fn promoted(trial: &Trial, replica: u16) -> Result<()> {
    let server = trial.lab.redis_of(replica);
    wait::until(
        "the replica is primary",
        Duration::from_secs(20),
        || match role(&server).as_deref() {
            Some("master") => Ok(()),
            other => Err(format!("{other:?}")),
        },
    )
}

/// Waits until a server follows another and has all that it has.
pub(super) fn replicates(trial: &Trial, server: u16) -> Result<()> {
    let server = trial.lab.redis_of(server);
    wait::until(
        "the old primary replicates",
        Duration::from_secs(30),
        || match server.info("master_link_status") {
            Ok(Some(status)) if status == "up" => Ok(()),
            other => Err(format!("{other:?}")),
        },
    )
}

impl Trial {
    pub(super) fn servers_that_are(&self, wanted: &str) -> Vec<u16> {
        (0..self.lab.spec().state_servers())
            .filter(|i| role(&self.lab.redis_of(*i)).as_deref() == Some(wanted))
            .collect()
    }

    pub(super) fn replica_of(&self, primary: u16) -> Result<u16> {
        let spec = self.lab.spec();
        let port = match spec.faults {
            true => spec.state_fault_port(primary),
            false => spec.state_port(primary),
        };
        let port = Some(port.to_string());
        wait::until("a replica of the primary", Duration::from_secs(20), || {
            let follows = |i: &u16| {
                let server = self.lab.redis_of(*i);
                server.info("master_port").ok().flatten() == port
            };
            (0..spec.state_servers())
                .find(follows)
                .ok_or_else(|| format!("none of {primary}"))
        })
    }
}

//! C: parts of the fleet that cannot reach each other.

use super::redis::told;
use super::topology::{PROMOTION, another_promoted, name, promoted, replicates};
use crate::need::Need;
use crate::row::{Failures, Row};
use crate::trial::Trial;
use std::collections::BTreeSet;
use std::time::Duration;
use tidegate_e2e::{Error, RedisKind, StackSpec, wait};
use tidegate_stack::Result;
use tidegate_stack::own::{Network, id};
use tidegate_stack::redis::Server;

/// `cluster-node-timeout` of the stack, ms: a primary that hears no majority for so long takes no more writes.
const NODE_TIMEOUT_MS: u64 = 2_000;
/// `min-replicas-max-lag` of the row under Sentinels, ms.
const MAX_LAG_MS: u64 = 2_000;
/// `down-after-milliseconds` there: who is cut off refuses before another one is promoted, as `doctor` asks for.
const DOWN_AFTER_MS: &str = "4000";
/// From the cut to the moment at which the primary on the small side refuses writes.
const FENCED: &str = "cut off primary refuses writes after ms";
/// From the cut to the last write there.
const RESTED: &str = "last write of the cut off primary after ms";
/// From the cut to the moment at which the promoted one has a replica, without which it takes no writes.
const FOLLOWED: &str = "promoted primary takes writes after ms";
/// Nothing was written for so long, ms: many times longer than between two scripts of the load.
const RESTS_MS: u64 = 500;

pub(super) const ROWS: &[Row] = &[
    row(
        "C5",
        "a primary and a bridge are cut off from everything else",
        2_000,
        minority,
    )
    .losing_increments(),
    row(
        "C6",
        "nothing passes on the bus of the Cluster for 6 s",
        1_000,
        bus,
    ),
    row(
        "C8",
        "nodes of the Cluster are cut off one after the other, and come back in another order",
        2_000,
        swizzle,
    )
    .losing_increments(),
    row(
        "C13",
        "the primary under Sentinels and a bridge are cut off, min-replicas-to-write 1",
        2_000,
        split_brain,
    )
    .on(RedisKind::Sentinel)
    .losing_increments(),
];

const fn row(
    id: &'static str,
    fault: &'static str,
    recovery_ms: u64,
    run: fn(&mut Trial) -> Result<()>,
) -> Row {
    Row::new(id, fault, Failures::OnError, recovery_ms, run)
        .needing(&[Need::Network])
        .with(own_network)
}

pub(super) fn own_network(spec: &mut StackSpec) {
    spec.own.network = true;
}

impl Trial {
    /// The stack's network.
    pub(super) fn network(&self) -> Result<Network> {
        let network = self.lab.network();
        network.ok_or_else(|| Error::NoPart("network of its own".into()))
    }
}

/// Whoever is cut off serves its side until it knows that it is the smaller one.
fn minority(trial: &mut Trial) -> Result<()> {
    let network = trial.network()?;
    let primaries = trial.servers_that_are("master");
    let victim = trial.random_of(&primaries);
    let replica = trial.replica_of(victim)?;
    let cut = trial.ms();
    network.cut_off(&[name(victim), "bridge-1".into()])?;
    fenced(trial, victim, cut)?;
    promoted(trial, replica)?;
    let took = trial.ms() - cut;
    trial.measured(PROMOTION, took);
    heal_after_ten_seconds(trial, &network, cut)?;
    replicates(trial, victim)
}

/// Waits until the primary, asked from its own side, refuses writes. It may take a second beyond its bound: that is
/// how often Redis looks.
fn fenced(trial: &mut Trial, primary: u16, cut: u64) -> Result<()> {
    let network = trial.network()?;
    let ask = ["CLUSTER", "INFO"];
    wait::until(
        "the primary refuses writes",
        Duration::from_secs(10),
        || {
            let info = network.ask_as("bridge-1", &name(primary), &ask);
            match info.map_err(|e| e.to_string())? {
                info if info.contains("cluster_state:fail") => Ok(()),
                _ => Err("it takes them".into()),
            }
        },
    )?;
    let took = trial.ms() - cut;
    trial.measured(FENCED, took);
    in_time(trial, took, NODE_TIMEOUT_MS);
    Ok(())
}

/// Waits until nothing more is written to the primary: it refuses, or the bridge on its side runs no script there. (Its
/// offset says nothing: what expires moves it, too.)
fn rests(trial: &mut Trial, primary: u16, cut: u64) -> Result<()> {
    let network = trial.network()?;
    let ask = ["INFO", "replication", "commandstats"];
    let (mut scripts, mut last) = (String::new(), trial.ms());
    while trial.ms() - last < RESTS_MS {
        if trial.ms() - cut > 10_000 {
            return Err(Error::Late {
                what: "nothing more is written".into(),
                last: scripts,
            });
        }
        let info = network.ask_as("bridge-1", &name(primary), &ask)?;
        let now = info
            .lines()
            .find(|line| line.starts_with("cmdstat_evalsha:"));
        let now = now.unwrap_or_default();
        if now != scripts {
            now.clone_into(&mut scripts);
            last = trial.ms();
        }
        if info.contains("min_slaves_good_slaves:0") {
            break;
        }
        trial.last(20);
    }
    let took = last - cut;
    trial.measured(RESTED, took);
    in_time(trial, took, MAX_LAG_MS);
    Ok(())
}

fn in_time(trial: &mut Trial, took: u64, bound_ms: u64) {
    let late = took > bound_ms + 1_000;
    let text = format!("the primary took writes for {took} ms, at most {bound_ms} and a second");
    trial.verdict.check("R7", late.then_some(text));
}

fn bus(trial: &mut Trial) -> Result<()> {
    let network = trial.network()?;
    // Ports of the bus are numbered above all others.
    network.cut(&|_, server| server > 100)?;
    trial.last(6_000);
    network.heal()?;
    let healed = trial.ms();
    whole(trial)?;
    let took = trial.ms() - healed;
    trial.measured("Cluster whole again ms", took);
    Ok(())
}

/// Waits until every node says that the Cluster is whole.
fn whole(trial: &Trial) -> Result<()> {
    for i in 0..trial.lab.spec().state_servers() {
        let server = trial.lab.redis_of(i);
        wait::until("the Cluster is whole", Duration::from_secs(30), || {
            let info = server.call(&["CLUSTER", "INFO"]);
            match info.map_err(|e| e.to_string())?.text() {
                info if info.contains("cluster_state:ok") => Ok(()),
                info => Err(info),
            }
        })?;
    }
    Ok(())
}

/// The links of three nodes are clogged one after the other, and freed in an order of their own: nobody sees the same
/// Cluster as anybody else meanwhile.
fn swizzle(trial: &mut Trial) -> Result<()> {
    let network = trial.network()?;
    let mut all: Vec<u16> = (0..trial.lab.spec().state_servers()).collect();
    let mut chosen = Vec::new();
    while chosen.len() < 3 {
        let server = trial.random_of(&all);
        all.retain(|other| *other != server);
        chosen.push(server);
    }
    let mut clogged: BTreeSet<u8> = BTreeSet::new();
    for server in &chosen {
        clogged.insert(id(&name(*server)));
        clog(&network, &clogged)?;
        let pause = 500 + trial.random.below(1_500);
        trial.last(pause);
    }
    while !chosen.is_empty() {
        let server = trial.random_of(&chosen);
        chosen.retain(|other| *other != server);
        clogged.remove(&id(&name(server)));
        clog(&network, &clogged)?;
        let pause = 500 + trial.random.below(1_500);
        trial.last(pause);
    }
    let healed = trial.ms();
    whole(trial)?;
    for replica in trial.servers_that_are("slave") {
        replicates(trial, replica)?;
    }
    let took = trial.ms() - healed;
    trial.measured("Cluster whole again ms", took);
    Ok(())
}

fn clog(network: &Network, clogged: &BTreeSet<u8>) -> Result<()> {
    let is = |n: u8| clogged.contains(&(n % 100));
    network.cut(&|client, server| is(client) || is(server))
}

/// Sentinels promote another one meanwhile: there are two primaries until the old one misses its replicas.
fn split_brain(trial: &mut Trial) -> Result<()> {
    for i in 0..trial.lab.spec().state_servers() {
        let server = trial.lab.redis_of(i);
        let lag = (MAX_LAG_MS / 1_000).to_string();
        told(&server, &["CONFIG", "SET", "min-replicas-to-write", "1"])?;
        told(&server, &["CONFIG", "SET", "min-replicas-max-lag", &lag])?;
    }
    for i in 0..3 {
        let sentinel = format!("127.0.0.1:{}", trial.lab.spec().sentinel_port(i));
        let set = ["SENTINEL", "SET", "mymaster", "down-after-milliseconds"];
        let set = [&set[..], &[DOWN_AFTER_MS]].concat();
        told(&Server::new(sentinel), &set)?;
    }
    let network = trial.network()?;
    let victim = trial.servers_that_are("master").first().copied();
    let victim = victim.ok_or_else(|| Error::NoPart("primary".into()))?;
    let cut = trial.ms();
    network.cut_off(&[name(victim), "bridge-1".into()])?;
    rests(trial, victim, cut)?;
    let promoted = another_promoted(trial, victim)?;
    let took = trial.ms() - cut;
    trial.measured(PROMOTION, took);
    wait::until("a replica follows it", Duration::from_secs(20), || {
        let info = trial.lab.redis_of(promoted).call(&["INFO", "replication"]);
        match info.map_err(|e| e.to_string())?.text() {
            info if info.contains("min_slaves_good_slaves:0") => Err(info),
            _ => Ok(()),
        }
    })?;
    let took = trial.ms() - cut;
    trial.measured(FOLLOWED, took);
    heal_after_ten_seconds(trial, &network, cut)?;
    replicates(trial, victim)
}

/// Somebody was promoted; both sides are what they are for a while.
fn heal_after_ten_seconds(trial: &mut Trial, network: &Network, cut: u64) -> Result<()> {
    let took = trial.ms() - cut;
    trial.last(10_000_u64.saturating_sub(took));
    network.heal()?;
    trial.healed();
    Ok(())
}

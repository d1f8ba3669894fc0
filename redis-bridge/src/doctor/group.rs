//! What the servers of one Redis must be together: replicas, quorum, slots, clocks.

use super::finding::{Desk, redis_cli};
use super::server::Server;
use std::collections::HashMap;

/// Clocks further apart than this move limits and deadlines at a failover, microseconds.
const CLOCKS_APART_US: i64 = 100_000;
/// A replica that confirmed this long ago lags, seconds.
const LAG_S: u64 = 10;
/// A replica says each second how far it is, and a primary looks each second whether it did.
const FENCE_S: u64 = 2;
/// Hash slots of a Cluster.
const SLOTS: u64 = 16_384;

/// One Redis: its servers, and what knows of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its URL.
    pub url: String,
    /// Those that were looked at, primaries first.
    pub servers: Vec<Server>,
    /// What brings them together.
    pub topology: Topology,
}

/// What a Redis is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topology {
    /// `CLUSTER INFO`, by field.
    Cluster(HashMap<String, String>),
    /// What the sentinels say.
    Sentinel(Sentinels),
    /// One primary, replicas perhaps, nobody who promotes one.
    Standalone,
}

/// What the sentinels say of a primary.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sentinels {
    /// How many answered.
    pub answered: u64,
    /// How many each knows, itself included; the fewest.
    pub known: u64,
    /// How many must agree that it is down; the most.
    pub quorum: u64,
    /// After how long it is taken to be down, milliseconds; the most.
    pub down_after_ms: u64,
}

/// Every check of the whole.
pub fn all(group: &Group, desk: &mut Desk<'_>) {
    let primaries: Vec<&Server> = (group.servers.iter())
        .filter(|server| server.is_primary())
        .collect();
    match &group.topology {
        Topology::Cluster(info) => cluster(info, &primaries, desk),
        Topology::Sentinel(sentinels) => quorum(sentinels, desk),
        Topology::Standalone => {}
    }
    clocks(&group.servers, desk);
    if !desk.role.keeps_state() {
        return;
    }
    for primary in primaries {
        desk.server = primary.seat.to_string();
        replicas(primary, &group.topology, desk);
        if let Topology::Sentinel(sentinels) = &group.topology {
            fence(primary, sentinels, desk);
        }
    }
    desk.server.clone_from(&group.url);
}

fn cluster(info: &HashMap<String, String>, primaries: &[&Server], desk: &mut Desk<'_>) {
    let number = |name: &str| info.get(name).and_then(|n| n.parse::<u64>().ok());
    let state = info.get("cluster_state").map(String::as_str);
    let slots = number("cluster_slots_ok").unwrap_or(0);
    if state != Some("ok") || slots < SLOTS {
        desk.wrong(
            "cluster-slots",
            format!(
                "state {}, {slots} of {SLOTS} slots served",
                state.unwrap_or("?")
            ),
            "keys of the other slots cannot be used: those limits and sessions fail",
            "redis-cli --cluster check HOST:PORT, then --cluster fix HOST:PORT",
        );
    } else {
        desk.fine("cluster-slots", "all slots are served");
    }
    let size = number("cluster_size").unwrap_or(0);
    if size < 3 {
        desk.wrong(
            "cluster-size",
            format!("{size} primaries hold slots"),
            "with fewer than three no majority is left when one dies, so no replica is promoted",
            "redis-cli --cluster add-node NEW:PORT HOST:PORT, then --cluster rebalance --cluster-use-empty-masters",
        );
    } else {
        desk.fine("cluster-size", format!("{size} primaries hold slots"));
    }
    for primary in primaries {
        if primary.config("cluster-require-full-coverage") == Some("yes") {
            desk.doubtful(
                "cluster-coverage",
                format!("cluster-require-full-coverage yes on {}", primary.seat),
                "while one shard has no primary, all others refuse too",
                redis_cli(
                    &primary.seat,
                    "CONFIG SET cluster-require-full-coverage no (on every server)",
                ),
            );
            break;
        }
    }
}

fn quorum(sentinels: &Sentinels, desk: &mut Desk<'_>) {
    let Sentinels {
        answered,
        known,
        quorum,
        down_after_ms,
    } = *sentinels;
    if known < 3 {
        desk.wrong(
            "sentinels",
            format!("{known} sentinels know of each other"),
            "with fewer than three, one that dies leaves no majority to promote a replica",
            "run three sentinels or more, on machines of their own",
        );
    } else if quorum > known / 2 + 1 {
        desk.doubtful(
            "sentinels",
            format!("quorum {quorum} of {known} sentinels"),
            "more than a majority must be up before a failover begins",
            format!(
                "SENTINEL SET NAME quorum {} on each sentinel",
                known / 2 + 1
            ),
        );
    } else if answered < known {
        desk.doubtful(
            "sentinels",
            format!("{answered} of {known} sentinels are named in the URL and answer"),
            "when those are gone a new primary is not found",
            "name every sentinel in the URL",
        );
    } else {
        desk.fine("sentinels", format!("{known} sentinels, quorum {quorum}"));
    }
    if down_after_ms > 30_000 {
        desk.doubtful(
            "down-after",
            format!("down-after-milliseconds {down_after_ms}"),
            "a dead primary is replaced only after that",
            "SENTINEL SET NAME down-after-milliseconds 5000 on each sentinel",
        );
    }
}

/// A primary that is cut off with a bridge must refuse before another one is promoted: until then that bridge is told
/// that sessions live which were ended on the other side.
fn fence(primary: &Server, sentinels: &Sentinels, desk: &mut Desk<'_>) {
    const CHECK: &str = "min-replicas-max-lag";
    let (least, lag) = (
        primary.setting("min-replicas-to-write"),
        primary.setting(CHECK),
    );
    let (Some(1..), Some(lag @ 1..)) = (least, lag) else {
        // That is another check's.
        return;
    };
    let down_after_s = sentinels.down_after_ms / 1000;
    let what = format!(
        "{CHECK} {lag} with down-after-milliseconds {}",
        sentinels.down_after_ms
    );
    if lag.saturating_add(FENCE_S) <= down_after_s {
        return desk.fine(CHECK, what);
    }
    let mend = match down_after_s.checked_sub(FENCE_S) {
        Some(most @ 1..) => redis_cli(&primary.seat, &format!("CONFIG SET {CHECK} {most}")),
        _ => "SENTINEL SET NAME down-after-milliseconds 5000 on each sentinel".to_owned(),
    };
    desk.doubtful(
        CHECK,
        what,
        "a primary that is cut off may answer for up to two seconds longer than that, and another one is promoted \
         before: sessions that are ended there are still served here",
        mend,
    );
}

fn replicas(primary: &Server, topology: &Topology, desk: &mut Desk<'_>) {
    let replicas = primary.replicas();
    let online = replicas.iter().filter(|replica| replica.online).count() as u64;
    let promoted = *topology != Topology::Standalone;
    if online == 0 {
        let what = "no replica";
        let why = "when this server dies its sessions are unknown and its limits follow `on_error` until it \
                   is back, and what was not yet on disk is lost";
        let mend = "start a second server and: redis-cli -h REPLICA REPLICAOF HOST PORT (Cluster: redis-cli \
                    --cluster add-node NEW HOST --cluster-slave)";
        match promoted {
            true => desk.wrong("replicas", what, why, mend),
            false => desk.doubtful("replicas", what, why, mend),
        }
    } else {
        desk.fine("replicas", format!("{online} replicas"));
    }
    for replica in replicas
        .iter()
        .filter(|replica| replica.lag_s > LAG_S || !replica.online)
    {
        let state = match replica.online {
            true => format!("confirmed {} s ago", replica.lag_s),
            false => "is not online".to_owned(),
        };
        desk.wrong(
            "replication",
            format!("its replica {} {state}", replica.address),
            "if it is promoted now, what was written since is lost: revoked sessions return",
            "see the replica's log; a larger repl-backlog-size when it synchronises again and again",
        );
    }
    least_replicas(primary, online, desk);
}

/// `min-replicas-to-write`, against as many replicas as there are.
fn least_replicas(primary: &Server, online: u64, desk: &mut Desk<'_>) {
    const CHECK: &str = "min-replicas-to-write";
    let Some(least) = primary.setting(CHECK) else {
        // CONFIG was refused: that is told once, of all options.
        return;
    };
    let set = |n: u64| redis_cli(&primary.seat, &format!("CONFIG SET {CHECK} {n}"));
    let what = format!("{CHECK} {least} with {online} replicas");
    let lag = primary.setting("min-replicas-max-lag").unwrap_or(0);
    if least > online {
        desk.wrong(
            CHECK,
            what,
            "every write is refused (NOREPLICAS): no logins, limits follow `on_error`",
            set(online.saturating_sub(1)),
        );
    } else if least == 0 && online >= 1 {
        desk.wrong(
            CHECK,
            what,
            "a primary that is cut off goes on taking writes while another one is promoted: limits are \
             admitted twice, and revocations taken there are lost when it returns",
            format!("{} min-replicas-max-lag 3, and in redis.conf", set(1)),
        );
    } else if least == online && online > 0 {
        desk.doubtful(
            CHECK,
            what,
            "when one replica is down, every write is refused (NOREPLICAS)",
            "add a replica: one more than min-replicas-to-write",
        );
    } else if least > 0 && (lag == 0 || lag > LAG_S) {
        desk.doubtful(
            CHECK,
            format!("min-replicas-max-lag {lag}"),
            "a primary that is cut off takes writes for that long, and they are lost",
            redis_cli(&primary.seat, "CONFIG SET min-replicas-max-lag 3"),
        );
    } else {
        desk.fine(CHECK, what);
    }
}

fn clocks(servers: &[Server], desk: &mut Desk<'_>) {
    let first = servers.iter().min_by_key(|server| server.clock_us);
    let last = servers.iter().max_by_key(|server| server.clock_us);
    let (Some(first), Some(last)) = (first, last) else {
        return;
    };
    // What is certain: what the time of the answers' way can explain is not.
    let apart = last.clock_us - first.clock_us - last.clock_error_us - first.clock_error_us;
    if apart > CLOCKS_APART_US {
        desk.wrong(
            "clocks",
            format!(
                "{} is {} ms ahead of {}",
                last.seat,
                apart / 1000,
                first.seat
            ),
            "at a failover windows, deadlines and tokens jump by as much",
            "run NTP (chrony) on every Redis machine",
        );
    } else if servers.len() > 1 {
        desk.fine("clocks", "within 100 ms of each other");
    }
}

#[cfg(test)]
mod tests;

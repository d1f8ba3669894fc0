//! What one server must be in production, whatever its topology.

use super::acl::AS_OPERATOR;
use super::finding::{Desk, redis_cli};
use super::server::Server;

/// The scripts use what came with this version (`PEXPIRE ... GT`, `ACL DRYRUN`).
const OLDEST: (u32, u32) = (7, 0);
/// Memory below which fragmentation is the allocator's own, bytes.
const FRAGMENTS_FROM: u64 = 64 << 20;
/// Redis' own default; a failover brings all connections at once.
const BACKLOG: u64 = 511;
/// Idle time below which Redis would cut connections that are merely quiet, seconds.
const SHORTEST_TIMEOUT: u64 = 60;

/// Every check of a server.
pub fn all(server: &Server, desk: &mut Desk<'_>) {
    version(server, desk);
    policy(server, desk);
    maxmemory(server, desk);
    fragmentation(server, desk);
    clients(server, desk);
    aof(server, desk);
    rdb(server, desk);
    connections(server, desk);
    replica(server, desk);
}

fn version(server: &Server, desk: &mut Desk<'_>) {
    let version = server
        .info("redis_version")
        .unwrap_or("of no known version");
    let mut parts = version
        .split('.')
        .map(|part| part.parse::<u32>().unwrap_or(0));
    let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if found < OLDEST {
        desk.wrong(
            "version",
            format!("Redis {version}"),
            "the bridge's scripts use what came with 7.0",
            "upgrade this server to Redis 7.0 or later",
        );
    } else {
        desk.fine("version", format!("Redis {version}"));
    }
}

fn policy(server: &Server, desk: &mut Desk<'_>) {
    let Some(policy) = server.info("maxmemory_policy") else {
        return desk.unknown("maxmemory-policy", "INFO does not say", AS_OPERATOR);
    };
    let evicts = policy != "noeviction";
    let set = |to: &str| {
        let command = format!("CONFIG SET maxmemory-policy {to}");
        format!("{}, and in redis.conf", redis_cli(&server.seat, &command))
    };
    if desk.role.keeps_state() && evicts {
        desk.wrong(
            "maxmemory-policy",
            format!("maxmemory-policy {policy}"),
            "a flood of cacheable URLs would evict counters and epochs: limits reset, revoked sessions \
             return",
            set("noeviction"),
        );
    } else if !desk.role.keeps_state() && !evicts {
        desk.doubtful(
            "maxmemory-policy",
            format!("maxmemory-policy {policy}"),
            "when it is full nothing is stored any more, instead of the least used objects leaving",
            set("allkeys-lru"),
        );
    } else {
        desk.fine("maxmemory-policy", format!("maxmemory-policy {policy}"));
    }
}

fn maxmemory(server: &Server, desk: &mut Desk<'_>) {
    let Some(most) = server.number("maxmemory") else {
        return desk.unknown("maxmemory", "INFO does not say", AS_OPERATOR);
    };
    let used = server.number("used_memory").unwrap_or(0);
    let set = redis_cli(&server.seat, "CONFIG SET maxmemory 512mb");
    if most == 0 {
        let why = match desk.role.keeps_state() {
            true => {
                "without a ceiling the kernel ends the process when memory runs out, and what was not yet \
                 on disk is lost"
            }
            false => "the cache grows until the kernel ends the process: nothing is ever evicted",
        };
        desk.wrong(
            "maxmemory",
            "maxmemory is not set",
            why,
            format!("{set} (sized for this machine), and in redis.conf"),
        );
    } else if desk.role.keeps_state() && used / 10 >= most / 11 {
        desk.wrong(
            "maxmemory",
            format!("{} of {} MiB used", used >> 20, most >> 20),
            "when it is full every write fails: no logins, limits follow `on_error`",
            format!("{set} with more, or add shards"),
        );
    } else {
        desk.fine("maxmemory", format!("maxmemory {} MiB", most >> 20));
    }
}

fn fragmentation(server: &Server, desk: &mut Desk<'_>) {
    let used = server.number("used_memory").unwrap_or(0);
    let ratio = server.info("mem_fragmentation_ratio");
    let Some(ratio) = ratio.and_then(|ratio| ratio.parse::<f64>().ok()) else {
        return desk.unknown("fragmentation", "INFO does not say", AS_OPERATOR);
    };
    if used < FRAGMENTS_FROM {
        let what = format!("{} MiB used: too little to tell", used >> 20);
        desk.fine("fragmentation", what);
    } else if ratio >= 1.5 {
        desk.wrong(
            "fragmentation",
            format!("mem_fragmentation_ratio {ratio}"),
            "the process holds half as much again as it uses, and may be ended for it",
            redis_cli(
                &server.seat,
                "CONFIG SET activedefrag yes (or MEMORY PURGE)",
            ),
        );
    } else if ratio < 0.9 {
        desk.wrong(
            "fragmentation",
            format!("mem_fragmentation_ratio {ratio}"),
            "part of its memory is swapped out: single commands take as long as the disk",
            "give the machine more memory, or lower maxmemory; vm.swappiness 1",
        );
    } else {
        desk.fine("fragmentation", format!("mem_fragmentation_ratio {ratio}"));
    }
}

fn clients(server: &Server, desk: &mut Desk<'_>) {
    let rejected = server.number("rejected_connections").unwrap_or(0);
    let (now, most) = (
        server.number("connected_clients"),
        server.number("maxclients"),
    );
    let (now, most) = (now.unwrap_or(0), most.unwrap_or(u64::MAX));
    let mend = || redis_cli(&server.seat, "CONFIG SET maxclients 10000");
    if now.saturating_mul(10) >= most.saturating_mul(9) {
        desk.wrong(
            "maxclients",
            format!("{now} of {most} clients connected"),
            "a bridge that reconnects is turned away",
            mend(),
        );
    } else if rejected > 0 {
        desk.doubtful(
            "maxclients",
            format!("{rejected} connections were rejected since it started"),
            "among them may have been a bridge's",
            mend(),
        );
    } else {
        desk.fine("maxclients", format!("{now} clients connected"));
    }
}

fn aof(server: &Server, desk: &mut Desk<'_>) {
    let on = server.info("aof_enabled") == Some("1");
    let set = |words: &str| redis_cli(&server.seat, &format!("CONFIG SET {words}"));
    if !desk.role.keeps_state() {
        return match on {
            true => desk.doubtful(
                "aof",
                "appendonly yes",
                "a cache needs no disk, and what it restores after a crash may have been invalidated since",
                set("appendonly no"),
            ),
            false => desk.fine("aof", "appendonly no"),
        };
    }
    let failed = |name: &str| server.info(name).is_some_and(|status| status != "ok");
    if !on {
        desk.wrong(
            "aof",
            "appendonly no",
            "a crash takes every session since the last snapshot, and brings back those revoked since",
            format!("{}, and in redis.conf", set("appendonly yes")),
        );
    } else if failed("aof_last_write_status") || failed("aof_last_bgrewrite_status") {
        desk.wrong(
            "aof",
            "the append-only file cannot be written",
            "Redis refuses writes until it can",
            "free the disk it is on; Redis' log says what failed",
        );
    } else if server.config("appendfsync") == Some("no") {
        desk.wrong(
            "aof",
            "appendfsync no",
            "a power cut takes half a minute of logins and revocations",
            set("appendfsync everysec"),
        );
    } else if server.config("no-appendfsync-on-rewrite") == Some("yes") {
        desk.doubtful(
            "aof",
            "no-appendfsync-on-rewrite yes",
            "while the file is rewritten a power cut takes more than a second",
            set("no-appendfsync-on-rewrite no"),
        );
    } else {
        desk.fine("aof", "appendonly yes");
    }
}

fn rdb(server: &Server, desk: &mut Desk<'_>) {
    let set = |words: &str| redis_cli(&server.seat, &format!("CONFIG SET {words}"));
    let save = server.config("save");
    if !desk.role.keeps_state() {
        return match save {
            Some(save) if !save.is_empty() => desk.doubtful(
                "rdb",
                format!("save {save}"),
                "a fork and a file for what can be fetched again",
                set("save ''"),
            ),
            _ => desk.fine("rdb", "no snapshots"),
        };
    }
    if server
        .info("rdb_last_bgsave_status")
        .is_some_and(|status| status != "ok")
    {
        return desk.wrong(
            "rdb",
            "the last snapshot failed",
            "Redis refuses writes (MISCONF) until one succeeds",
            "free the disk, or let it fork (vm.overcommit_memory = 1); Redis' log says what failed",
        );
    }
    match save {
        Some("") => desk.doubtful(
            "rdb",
            "save is empty",
            "there is no snapshot to back up, and none to start from when the append-only file is damaged",
            set("save '3600 1 300 100 60 10000'"),
        ),
        _ if server.config("stop-writes-on-bgsave-error") == Some("no") => desk.doubtful(
            "rdb",
            "stop-writes-on-bgsave-error no",
            "a server that can no longer save pretends that it does",
            set("stop-writes-on-bgsave-error yes"),
        ),
        Some(save) => desk.fine("rdb", format!("save {save}")),
        None => desk.fine("rdb", "the last snapshot succeeded"),
    }
}

/// What only the configuration tells.
fn connections(server: &Server, desk: &mut Desk<'_>) {
    let set = |words: &str| redis_cli(&server.seat, &format!("CONFIG SET {words}"));
    if server.config.is_none() {
        let what = "may not run CONFIG GET: timeout, tcp-keepalive, tcp-backlog, appendfsync, save and \
                    min-replicas-to-write were not looked at";
        return desk.unknown("config", what, AS_OPERATOR);
    }
    let keepalive = server.setting("tcp-keepalive");
    match server.setting("timeout") {
        None => desk.unknown("timeout", "CONFIG does not say", AS_OPERATOR),
        Some(0) if keepalive == Some(0) => desk.wrong(
            "timeout",
            "timeout 0 and tcp-keepalive 0",
            "connections of machines that are gone are never noticed and fill maxclients",
            set("tcp-keepalive 60"),
        ),
        Some(seconds @ 1..SHORTEST_TIMEOUT) => desk.wrong(
            "timeout",
            format!("timeout {seconds}"),
            "connections that are merely quiet are cut, and each is opened, secured and logged in again",
            set("timeout 0 (tcp-keepalive finds the dead ones)"),
        ),
        Some(seconds) => desk.fine("timeout", format!("timeout {seconds}")),
    }
    match server.setting("tcp-backlog") {
        None => desk.unknown("tcp-backlog", "CONFIG does not say", AS_OPERATOR),
        Some(backlog) if backlog < BACKLOG => desk.wrong(
            "tcp-backlog",
            format!("tcp-backlog {backlog}"),
            "after a failover everyone connects at once; those beyond it wait a second or more",
            "tcp-backlog 511 in redis.conf and a restart; net.core.somaxconn at least as large",
        ),
        Some(backlog) => desk.fine("tcp-backlog", format!("tcp-backlog {backlog}")),
    }
}

fn replica(server: &Server, desk: &mut Desk<'_>) {
    if server.is_primary() {
        return;
    }
    match server.info("master_link_status") {
        Some("up") => desk.fine("replication", "follows its primary"),
        _ => desk.wrong(
            "replication",
            "the link to its primary is down",
            "if it is promoted now, what was written since is lost: revoked sessions return",
            "see its log; masterauth and masteruser when the primary wants a login",
        ),
    }
    if server.config("replica-read-only") == Some("no") {
        desk.wrong(
            "replica-read-only",
            "replica-read-only no",
            "what is written here is lost, and no primary knows of it",
            redis_cli(&server.seat, "CONFIG SET replica-read-only yes"),
        );
    }
}

#[cfg(test)]
mod tests;

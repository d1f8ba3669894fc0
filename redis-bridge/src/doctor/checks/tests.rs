use super::*;
use crate::doctor::finding::{Duty, Level};
use crate::doctor::tests::{bad, found, good, with};

#[test]
fn a_good_server_has_nothing_wrong() {
    let server = good();
    let findings = found(Duty::State, |desk| all(&server, desk));
    assert_eq!(bad(&findings), []);
    assert!(findings.len() >= 9, "{findings:?}");
}

#[test]
fn what_is_wrong_with_a_server_of_the_state_is_told() {
    use Level::{Doubtful, Wrong};
    #[expect(clippy::type_complexity, reason = "a table")]
    let cases: &[(&[(&str, &str)], &str, Level)] = &[
        (&[(":redis_version", "6.2.14")], "version", Wrong),
        (&[(":redis_version", "x")], "version", Wrong),
        (
            &[(":maxmemory_policy", "allkeys-lru")],
            "maxmemory-policy",
            Wrong,
        ),
        (
            &[(":maxmemory_policy", "volatile-ttl")],
            "maxmemory-policy",
            Wrong,
        ),
        (&[(":maxmemory", "0")], "maxmemory", Wrong),
        (&[(":used_memory", "500000000")], "maxmemory", Wrong),
        (
            &[(":mem_fragmentation_ratio", "1.5")],
            "fragmentation",
            Wrong,
        ),
        (
            &[(":mem_fragmentation_ratio", "0.8")],
            "fragmentation",
            Wrong,
        ),
        (&[(":connected_clients", "9000")], "maxclients", Wrong),
        (&[(":rejected_connections", "1")], "maxclients", Doubtful),
        (&[(":aof_enabled", "0")], "aof", Wrong),
        (&[(":aof_last_write_status", "err")], "aof", Wrong),
        (&[(":aof_last_bgrewrite_status", "err")], "aof", Wrong),
        (&[("appendfsync", "no")], "aof", Wrong),
        (&[("no-appendfsync-on-rewrite", "yes")], "aof", Doubtful),
        (&[(":rdb_last_bgsave_status", "err")], "rdb", Wrong),
        (&[("save", "")], "rdb", Doubtful),
        (&[("stop-writes-on-bgsave-error", "no")], "rdb", Doubtful),
        (&[("timeout", "10")], "timeout", Wrong),
        (&[("tcp-keepalive", "0")], "timeout", Wrong),
        (&[("tcp-backlog", "128")], "tcp-backlog", Wrong),
        (
            &[(":role", "slave"), (":master_link_status", "down")],
            "replication",
            Wrong,
        ),
        (
            &[
                (":role", "slave"),
                (":master_link_status", "up"),
                ("replica-read-only", "no"),
            ],
            "replica-read-only",
            Wrong,
        ),
    ];
    for (changes, check, level) in cases {
        let server = with(good(), changes);
        let findings = found(Duty::State, |desk| all(&server, desk));
        assert_eq!(bad(&findings), [(*check, *level)], "{changes:?}");
        let one = findings
            .iter()
            .find(|one| one.check == *check && one.level == *level);
        let one = one.unwrap();
        assert!(!one.why.is_empty() && !one.mend.is_empty(), "{one:?}");
    }
}

#[test]
fn small_memory_is_not_judged_by_its_fragmentation() {
    let changes = [
        (":used_memory", "1000000"),
        (":mem_fragmentation_ratio", "9.1"),
    ];
    let server = with(good(), &changes);
    assert_eq!(bad(&found(Duty::State, |desk| all(&server, desk))), []);
}

#[test]
fn a_cache_evicts_and_needs_no_disk() {
    let cache = [
        (":maxmemory_policy", "allkeys-lru"),
        (":aof_enabled", "0"),
        ("save", ""),
        // Full is what a cache is.
        (":used_memory", "530000000"),
    ];
    let server = with(good(), &cache);
    assert_eq!(bad(&found(Duty::Cache, |desk| all(&server, desk))), []);
    let server = good();
    let findings = found(Duty::Cache, |desk| all(&server, desk));
    let expected = [
        ("maxmemory-policy", Level::Doubtful),
        ("aof", Level::Doubtful),
        ("rdb", Level::Doubtful),
    ];
    assert_eq!(bad(&findings), expected);
}

#[test]
fn what_may_not_be_looked_at_is_said_once() {
    let mut server = good();
    server.config = None;
    let findings = found(Duty::State, |desk| all(&server, desk));
    assert_eq!(bad(&findings), [("config", Level::Unknown)]);
}

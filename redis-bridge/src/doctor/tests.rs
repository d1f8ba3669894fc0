//! What the checks' own tests share: a server that is fit for production, and changes to it.

use super::acl::{Acl, Rights};
use super::finding::{Desk, Duty, Finding, Level};
use super::report::Report;
use super::server::Server;
use crate::backend::info;
use crate::backend::nodes::Seat;
use std::collections::HashMap;

/// A primary of the state with two replicas.
pub(super) fn good() -> Server {
    let info = "\
# Server
redis_version:7.0.15
run_id:aa
# Clients
connected_clients:12
maxclients:10000
# Memory
used_memory:200000000
maxmemory:536870912
maxmemory_policy:noeviction
mem_fragmentation_ratio:1.04
# Persistence
aof_enabled:1
aof_last_write_status:ok
aof_last_bgrewrite_status:ok
rdb_last_bgsave_status:ok
# Stats
rejected_connections:0
# Replication
role:master
slave0:ip=10.0.0.2,port=6379,state=online,offset=10,lag=0
slave1:ip=10.0.0.3,port=6379,state=online,offset=10,lag=1
";
    let config = [
        ("appendfsync", "everysec"),
        ("no-appendfsync-on-rewrite", "no"),
        ("save", "3600 1 300 100"),
        ("stop-writes-on-bgsave-error", "yes"),
        ("timeout", "0"),
        ("tcp-keepalive", "60"),
        ("tcp-backlog", "511"),
        ("min-replicas-to-write", "1"),
        ("min-replicas-max-lag", "3"),
        ("cluster-require-full-coverage", "no"),
    ];
    let owned = |(n, v): (&str, &str)| (n.to_owned(), v.to_owned());
    Server {
        seat: Seat::Tcp(("10.0.0.1".to_owned(), 6379)),
        info: info::parse(info),
        config: Some(config.into_iter().map(owned).collect()),
        clock_us: 0,
        clock_error_us: 0,
        acl: Acl {
            user: "tidegate-bridge".to_owned(),
            rights: Ok(Rights::default()),
            default_open: Some(false),
        },
    }
}

/// `INFO` fields begin with `:`; an empty value takes one away.
pub(super) fn with(mut server: Server, changes: &[(&str, &str)]) -> Server {
    let config = server.config.get_or_insert_default();
    for (name, value) in changes {
        let (map, name): (&mut HashMap<_, _>, _) = match name.strip_prefix(':') {
            Some(name) => (&mut server.info, name),
            None => (&mut *config, *name),
        };
        match *value {
            "absent" => drop(map.remove(name)),
            value => drop(map.insert(name.to_owned(), value.to_owned())),
        }
    }
    server
}

/// What `judge` writes down for a role.
pub(super) fn found(role: Duty, judge: impl FnOnce(&mut Desk<'_>)) -> Vec<Finding> {
    let mut findings = Vec::new();
    judge(&mut Desk {
        findings: &mut findings,
        role,
        server: "10.0.0.1:6379".to_owned(),
    });
    findings
}

/// The checks that are not fine, and how bad.
pub(super) fn bad(findings: &[Finding]) -> Vec<(&'static str, Level)> {
    let bad = findings.iter().filter(|one| one.level != Level::Fine);
    bad.map(|one| (one.check, one.level)).collect()
}

#[test]
fn a_report_tells_the_worst_first_and_its_status_by_strictness() {
    let findings = found(Duty::State, |desk| {
        desk.fine("a", "good");
        desk.doubtful("b", "so-so", "because", "do this");
        desk.wrong("c", "bad", "why not", "do that");
        desk.unknown("d", "unseen", "look");
    });
    let report = Report::new(findings);
    assert_eq!((report.status(false), report.status(true)), (1, 1));
    let text = report.text();
    let at = |what: &str| text.find(what).unwrap();
    assert!(at("WRONG     bad (state, 10.0.0.1:6379)") < at("doubtful  so-so"));
    assert!(at("why:  why not") < at("mend: do that"));
    assert!(!text.contains("good"), "{text}");
    assert!(text.ends_with("1 wrong, 1 doubtful, 1 not looked at, 1 fine"));

    let only = |judge: fn(&mut Desk<'_>)| Report::new(found(Duty::Cache, judge));
    let doubtful = only(|desk| desk.doubtful("b", "so-so", "because", "do this"));
    assert_eq!((doubtful.status(false), doubtful.status(true)), (0, 1));
    let fine = only(|desk| desk.fine("b", "good"));
    assert_eq!((fine.status(false), fine.status(true)), (0, 0));
    let json: serde_json::Value = serde_json::from_str(&doubtful.json()).unwrap();
    assert_eq!(json["doubtful"], 1);
    assert_eq!(json["findings"][0]["level"], "doubtful");
    assert_eq!(json["findings"][0]["role"], "cache");
}

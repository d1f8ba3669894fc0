use super::*;
use crate::backend::info;
use crate::backend::nodes::Seat;
use crate::doctor::finding::{Duty, Level};
use crate::doctor::tests::{bad, found, good, with};

fn group(servers: Vec<Server>, topology: Topology) -> Group {
    Group {
        url: "redis://x".to_owned(),
        servers,
        topology,
    }
}

fn judged(role: Duty, group: &Group) -> Vec<(&'static str, Level)> {
    bad(&found(role, |desk| all(group, desk)))
}

fn sentinels(known: u64, quorum: u64) -> Topology {
    Topology::Sentinel(Sentinels {
        answered: known,
        known,
        quorum,
        down_after_ms: 5000,
    })
}

fn cluster(size: u64, state: &str, slots: u64) -> Topology {
    let text = format!("cluster_state:{state}\ncluster_slots_ok:{slots}\ncluster_size:{size}\n");
    Topology::Cluster(info::parse(&text))
}

const ALONE: [(&str, &str); 3] = [
    (":slave0", "absent"),
    (":slave1", "absent"),
    ("min-replicas-to-write", "0"),
];

#[test]
fn good_ones_have_nothing_wrong() {
    for topology in [sentinels(3, 2), cluster(3, "ok", 16_384)] {
        assert_eq!(judged(Duty::State, &group(vec![good()], topology)), []);
    }
    // A cache needs no replicas.
    let alone = group(vec![with(good(), &ALONE)], Topology::Standalone);
    assert_eq!(judged(Duty::Cache, &alone), []);
}

#[test]
fn replicas_are_compared_with_what_a_write_waits_for() {
    use Level::{Doubtful, Wrong};
    const LEAST: &str = "min-replicas-to-write";
    #[expect(clippy::type_complexity, reason = "a table")]
    let cases: &[(&[(&str, &str)], &[(&str, Level)])] = &[
        (&[(LEAST, "0")], &[(LEAST, Wrong)]),
        (&[(LEAST, "2")], &[(LEAST, Doubtful)]),
        (&[(LEAST, "3")], &[(LEAST, Wrong)]),
        (&[("min-replicas-max-lag", "60")], &[(LEAST, Doubtful)]),
        (&[(":slave1", "absent")], &[(LEAST, Doubtful)]),
        (&ALONE, &[("replicas", Doubtful)]),
        (
            &[(":slave0", "absent"), (":slave1", "absent")],
            &[("replicas", Doubtful), (LEAST, Wrong)],
        ),
        (
            &[(":slave0", "ip=a,port=1,state=online,offset=1,lag=11")],
            &[("replication", Wrong)],
        ),
        (
            &[(":slave0", "ip=a,port=1,state=wait_bgsave,offset=1,lag=0")],
            &[("replication", Wrong), (LEAST, Doubtful)],
        ),
    ];
    for (changes, expected) in cases {
        let group = group(vec![with(good(), changes)], Topology::Standalone);
        assert_eq!(judged(Duty::State, &group), *expected, "{changes:?}");
    }
}

#[test]
fn without_a_replica_nobody_can_be_promoted() {
    for topology in [sentinels(3, 2), cluster(3, "ok", 16_384)] {
        let group = group(vec![with(good(), &ALONE)], topology);
        assert_eq!(judged(Duty::State, &group), [("replicas", Level::Wrong)]);
    }
}

/// C13: who is promoted hears of sessions that are ended; who was cut off does not, and must have refused before.
#[test]
fn a_primary_that_is_cut_off_refuses_before_another_one_is_promoted() {
    for (lag, down_after_ms, fine) in [
        ("3", 5_000, true),
        ("4", 5_000, false),
        ("10", 30_000, true),
        ("1", 2_000, false),
        ("1", 3_000, true),
    ] {
        let mut topology = sentinels(3, 2);
        if let Topology::Sentinel(sentinels) = &mut topology {
            sentinels.down_after_ms = down_after_ms;
        }
        let server = with(good(), &[("min-replicas-max-lag", lag)]);
        let expected: &[_] = match fine {
            true => &[],
            false => &[("min-replicas-max-lag", Level::Doubtful)],
        };
        let group = group(vec![server], topology);
        assert_eq!(
            judged(Duty::State, &group),
            expected,
            "{lag} {down_after_ms}"
        );
    }
}

#[test]
fn too_few_to_agree_are_told() {
    use Level::{Doubtful, Wrong};
    let cases = [
        (sentinels(2, 2), ("sentinels", Wrong)),
        (sentinels(5, 5), ("sentinels", Doubtful)),
        (cluster(2, "ok", 16_384), ("cluster-size", Wrong)),
        (cluster(3, "fail", 16_384), ("cluster-slots", Wrong)),
        (cluster(3, "ok", 16_000), ("cluster-slots", Wrong)),
    ];
    for (topology, expected) in cases {
        assert_eq!(
            judged(Duty::State, &group(vec![good()], topology)),
            [expected]
        );
    }
    let covered = with(good(), &[("cluster-require-full-coverage", "yes")]);
    let group = group(vec![covered], cluster(3, "ok", 16_384));
    assert_eq!(
        judged(Duty::State, &group),
        [("cluster-coverage", Doubtful)]
    );
}

#[test]
fn clocks_are_apart_only_when_the_way_there_does_not_explain_it() {
    let mut other = good();
    other.seat = Seat::Tcp(("10.0.0.2".to_owned(), 6379));
    other.clock_us = 150_000;
    let apart = group(vec![good(), other.clone()], Topology::Standalone);
    assert_eq!(judged(Duty::State, &apart), [("clocks", Level::Wrong)]);
    other.clock_error_us = 60_000;
    let unsure = group(vec![good(), other], Topology::Standalone);
    assert_eq!(judged(Duty::State, &unsure), []);
}

//! Redis that stops, freezes, is full, is read-only, forgets its scripts or holds something else.

use crate::faults_kit::{POLICY, load, recovers, statuses};
use crate::kit::{SOON, keys, with_cookie};
use std::collections::BTreeMap;
use std::time::Duration;
use tidegate_e2e::{Lab, Reply, Request, wait};

fn told(lab: &Lab, command: &[&str]) {
    let reply = lab.redis().call(command).unwrap();
    assert!(!matches!(reply, Reply::Error(_)), "{command:?}: {reply:?}");
}

/// Each use does as its policy says while Redis cannot be written, or not even be read.
fn on_error_holds(lab: &Lab, session: &Request, session_status: u16) {
    assert_eq!(
        statuses(lab, 12, &Request::get("/allow")),
        BTreeMap::from([(200, 12)])
    );
    assert_eq!(
        statuses(lab, 12, &Request::get("/deny")),
        BTreeMap::from([(503, 12)])
    );
    assert_eq!(
        statuses(lab, 12, session),
        BTreeMap::from([(session_status, 12)])
    );
}

fn with_session(lab: &Lab) -> Request {
    let token = lab.login("web", "ada", &[]).unwrap();
    let session = with_cookie("/web", "sid", token);
    assert_eq!(lab.client(0).send(&session).unwrap().status, 200);
    assert_eq!(lab.client(0).get("/deny").unwrap().status, 200);
    session
}

#[test]
fn redis_killed_and_restarted() {
    let mut lab = Lab::new(POLICY);
    let session = with_session(&lab);
    for _ in 0..2 {
        lab.kill("redis-state-0").unwrap();
        on_error_holds(&lab, &session, 503);
        lab.revive("redis-state-0").unwrap();
        let took = recovers(&lab, &session, SOON);
        assert!(took < Duration::from_secs(4), "back after {took:?}");
        recovers(&lab, &Request::get("/deny"), SOON);
    }
    // The cache's own server may go as well: only hits are lost.
    lab.kill("redis-cache-0").unwrap();
    let page = Request::get("/api/products/1");
    assert_eq!(statuses(&lab, 10, &page), BTreeMap::from([(200, 10)]));
    assert_eq!(statuses(&lab, 10, &session), BTreeMap::from([(200, 10)]));
    lab.revive("redis-cache-0").unwrap();
    wait::until("hits again", SOON, || {
        let answer = lab.client(0).send(&page).unwrap();
        let status = answer.all("cache-status").join(",");
        if status.contains("; hit") {
            Ok(())
        } else {
            Err(status)
        }
    })
    .unwrap();
}

#[test]
fn redis_frozen_for_a_while() {
    let lab = Lab::new(POLICY);
    let session = with_session(&lab);
    lab.pause("redis-state-0").unwrap();
    let start = wait::now();
    on_error_holds(&lab, &session, 503);
    assert!(
        start.elapsed() < SOON,
        "{:?}: each waits its 300 ms at most, and the breaker opens",
        start.elapsed()
    );
    lab.resume("redis-state-0").unwrap();
    recovers(&lab, &session, SOON);
    recovers(&lab, &Request::get("/deny"), SOON);
}

#[test]
fn redis_out_of_memory_and_read_only() {
    let lab = Lab::new(POLICY);
    let session = with_session(&lab);
    // OOM: nothing that could write is run; reads are.
    told(&lab, &["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(
        statuses(&lab, 12, &Request::get("/allow")),
        BTreeMap::from([(200, 12)])
    );
    assert_eq!(
        statuses(&lab, 12, &Request::get("/deny")),
        BTreeMap::from([(503, 12)])
    );
    let full = statuses(&lab, 12, &session);
    assert!(
        full.keys().all(|status| [200, 503].contains(status)),
        "{full:?}"
    );
    told(&lab, &["CONFIG", "SET", "maxmemory", "0"]);
    recovers(&lab, &session, SOON);
    recovers(&lab, &Request::get("/deny"), SOON);

    // A primary that became a replica refuses writes and does not know better than its new primary.
    told(&lab, &["REPLICAOF", "127.0.0.1", "1"]);
    assert_eq!(
        statuses(&lab, 12, &Request::get("/allow")),
        BTreeMap::from([(200, 12)])
    );
    assert_eq!(
        statuses(&lab, 12, &Request::get("/deny")),
        BTreeMap::from([(503, 12)])
    );
    let stale = statuses(&lab, 12, &session);
    assert!(
        stale.keys().all(|status| [200, 503].contains(status)),
        "{stale:?}"
    );
    told(&lab, &["REPLICAOF", "NO", "ONE"]);
    recovers(&lab, &session, SOON);
    recovers(&lab, &Request::get("/deny"), SOON);
}

#[test]
fn keys_of_another_type_fail_only_what_needs_them() {
    let lab = Lab::new(POLICY);
    let session = with_session(&lab);
    let redis = lab.redis();
    let limits: Vec<Vec<u8>> = keys(&redis)
        .into_iter()
        .filter(|key| key.starts_with(b"tg:l:"))
        .collect();
    assert!(!limits.is_empty());
    for plant in [
        ["LPUSH", "KEY", "x"].as_slice(),
        &["HSET", "KEY", "a", "b"],
        &["SET", "KEY", "text"],
        &["SET", "KEY", "-1"],
        &["SET", "KEY", "1e400"],
    ] {
        for key in &limits {
            redis.call(&[b"DEL".as_slice(), key]).unwrap();
            let command: Vec<&[u8]> = plant
                .iter()
                .map(|part| {
                    if *part == "KEY" {
                        key.as_slice()
                    } else {
                        part.as_bytes()
                    }
                })
                .collect();
            assert!(!matches!(redis.call(&command).unwrap(), Reply::Error(_)));
        }
        let seen = statuses(&lab, 6, &Request::get("/deny"));
        assert!(
            seen.keys().all(|status| [200, 503].contains(status)),
            "{plant:?}: {seen:?}"
        );
        // The session's user is somebody else's key: not touched by it, once the breaker sees good answers.
        recovers(&lab, &session, SOON);
        for key in &limits {
            redis.call(&[b"DEL".as_slice(), key]).unwrap();
        }
        recovers(&lab, &Request::get("/deny"), SOON);
    }
}

#[test]
fn scripts_flushed_all_the_time_fail_no_request() {
    let lab = Lab::new(POLICY);
    let running = load(&lab);
    let start = wait::now();
    let mut flushes = 0;
    while start.elapsed() < Duration::from_secs(2) {
        told(&lab, &["SCRIPT", "FLUSH", "SYNC"]);
        flushes += 1;
        std::thread::sleep(Duration::from_millis(10));
    }
    running.reaches(101);
    let tally = running.stop();
    assert!(
        tally.total > 100 && flushes > 20,
        "{flushes} flushes, {tally:?}"
    );
    assert_eq!(tally.other_than(200), 0, "{tally:?}");
    // Each admission was charged once.
    let used = lab
        .admin()
        .get("/v1/limits/deny?key=127.0.0.1")
        .unwrap()
        .json()
        .unwrap();
    let charged = 1_000_000 - used["available"].as_u64().unwrap();
    assert_eq!(charged, tally.total);
}

//! Bridges that die, freeze and come back.

use crate::faults_kit::{CLIENTS, POLICY, load, load_for, recovers, statuses};
use crate::kit::{SOON, eventually, with_cookie};
use std::collections::BTreeMap;
use std::time::Duration;
use tidegate_e2e::{Lab, Request, crowd, wait};

/// Whether each bridge has streams. Those of a bridge that went come back within half a minute, no sooner
/// than the workers' next look for a second bridge (faults.md, A9).
fn spread(lab: &Lab) {
    let streams = |i| lab.bridge_metric(i, "tidegate_bridge_streams").unwrap();
    wait::until("streams on both bridges", Duration::from_secs(30), || {
        let (a, b) = (streams(0), streams(1));
        if a > 0 && b > 0 {
            Ok(())
        } else {
            Err(format!("{a} and {b}"))
        }
    })
    .unwrap();
}

#[test]
fn one_of_two_bridges_killed_under_load_costs_at_most_what_was_in_flight() {
    let mut lab = Lab::new(POLICY);
    let running = load(&lab);
    running.reaches(100);
    lab.kill("bridge-0").unwrap();
    std::thread::sleep(Duration::from_millis(1_500));
    running.reaches(201 + CLIENTS as u64);
    let tally = running.stop();
    assert!(tally.errors.is_empty(), "{tally:?}");
    assert!(tally.of(200) > 200, "{tally:?}");
    assert_eq!(tally.of(200) + tally.of(503), tally.total, "{tally:?}");
    assert!(tally.of(503) <= CLIENTS as u64, "{tally:?}");
    // Ejected by now: nobody is sent there any more.
    let tally = load_for(&lab, Duration::from_secs(1));
    assert_eq!(tally.other_than(200), 0, "{tally:?}");
    assert!(tally.total > 100, "{tally:?}");
    let during = load(&lab);
    lab.revive("bridge-0").unwrap();
    spread(&lab);
    let tally = during.stop();
    assert_eq!(tally.other_than(200), 0, "coming back: {tally:?}");
}

#[test]
fn with_both_bridges_dead_each_use_does_as_its_policy_says_and_all_come_back() {
    let mut lab = Lab::new(POLICY);
    let token = lab.login("web", "ada", &[]).unwrap();
    let session = with_cookie("/web", "sid", token);
    assert_eq!(lab.client(0).send(&session).unwrap().status, 200);
    for bridge in ["bridge-0", "bridge-1"] {
        lab.kill(bridge).unwrap();
    }
    assert_eq!(
        statuses(&lab, 20, &Request::get("/allow")),
        BTreeMap::from([(200, 20)])
    );
    assert_eq!(
        statuses(&lab, 20, &Request::get("/deny")),
        BTreeMap::from([(503, 20)])
    );
    assert_eq!(statuses(&lab, 20, &session), BTreeMap::from([(503, 20)]));
    let denied = lab.client(0).get("/deny").unwrap();
    assert_eq!(denied.json().unwrap()["reason"], "limit-unavailable");
    assert!(denied.get("retry-after").is_some());
    // A cache that cannot be asked is as no cache.
    let page = lab.client(0).get("/api/products/1").unwrap();
    assert_eq!(page.status, 200);
    assert!(!page.all("cache-status").join(",").contains("stored"));
    // 20 over two workers: each has its half, whichever the connections go to, and never more.
    let local = statuses(&lab, 80, &Request::get("/local"));
    let (passed, refused) = (local[&200], local[&429]);
    assert_eq!(passed + refused, 80, "{local:?}");
    assert!((10..=20).contains(&passed), "{local:?}");
    eventually("local denials are counted", refused as u64, || {
        lab.stat("tidegate.limit.local.denied_local").unwrap()
    });

    lab.revive("bridge-0").unwrap();
    lab.revive("bridge-1").unwrap();
    let took = recovers(&lab, &session, SOON);
    assert!(took < Duration::from_secs(4), "back after {took:?}");
    recovers(&lab, &Request::get("/deny"), SOON);
}

#[test]
fn an_open_breaker_sends_few_probes_and_answers_the_rest_at_once() {
    let lab = Lab::new(POLICY);
    for bridge in ["bridge-0", "bridge-1"] {
        lab.pause(bridge).unwrap();
    }
    let stat = |name: &str| lab.stat(name).unwrap();
    wait::until("the breaker of both workers", SOON, || {
        crowd(8, |_| {
            lab.client(0).get("/deny").map(|answer| answer.status)
        });
        match stat("tidegate.exchange.breaker_opened") {
            0 | 1 => Err("not yet".into()),
            _ => Ok(()),
        }
    })
    .unwrap();
    let (sent, error) = (
        stat("tidegate.exchange.sent"),
        stat("tidegate.exchange.error"),
    );
    let start = wait::now();
    let tally = load_for(&lab, Duration::from_secs(2));
    // One probe per worker in 250 ms (invariants.md, L5), and one that was due.
    let probes = 2 * (start.elapsed().as_millis() as u64 / 250 + 2);
    assert_eq!(tally.other_than(503), 0, "{tally:?}");
    assert!(
        tally.total > 5 * probes,
        "{} requests, {probes} probes",
        tally.total
    );
    eventually("the rest is counted", true, || {
        stat("tidegate.exchange.error") - error + probes >= tally.total
    });
    let sent = stat("tidegate.exchange.sent") - sent;
    assert!(
        sent <= probes,
        "{sent} of {} sent, {probes} allowed",
        tally.total
    );

    for bridge in ["bridge-0", "bridge-1"] {
        lab.resume(bridge).unwrap();
    }
    let took = recovers(&lab, &Request::get("/deny"), SOON);
    assert!(took < Duration::from_secs(5), "back after {took:?}");
}

#[test]
fn a_frozen_bridge_is_left_and_what_it_says_late_goes_to_nobody() {
    let lab = Lab::new(POLICY);
    load_for(&lab, Duration::from_millis(300));
    for bridge in ["bridge-0", "bridge-1"] {
        let running = load(&lab);
        std::thread::sleep(Duration::from_millis(200));
        lab.pause(bridge).unwrap();
        // Noticed by silence within half a second; what waited for it until then fails in time.
        std::thread::sleep(Duration::from_millis(1_500));
        let early = running.stop();
        assert!(early.errors.is_empty(), "{early:?}");
        assert_eq!(early.of(200) + early.of(503), early.total, "{early:?}");
        let tally = load_for(&lab, Duration::from_millis(1_500));
        assert_eq!(tally.other_than(200), 0, "{bridge} is frozen: {tally:?}");
        assert!(tally.total > 100, "{tally:?}");
        let during = load(&lab);
        lab.resume(bridge).unwrap();
        std::thread::sleep(Duration::from_millis(700));
        let tally = during.stop();
        assert_eq!(tally.other_than(200), 0, "{bridge} thaws: {tally:?}");
        spread(&lab);
    }
}
#[test]
fn a_rolling_restart_of_the_bridges_fails_no_request() {
    let mut lab = Lab::new(POLICY);
    let running = load(&lab);
    for _ in 0..2 {
        for bridge in ["bridge-0", "bridge-1"] {
            assert!(lab.end(bridge).unwrap(), "{bridge} did not end by itself");
            lab.revive(bridge).unwrap();
            running.goes_on(50);
        }
    }
    running.reaches(201);
    let tally = running.stop();
    assert!(tally.total > 200, "{tally:?}");
    assert_eq!(tally.other_than(200), 0, "{tally:?}");
}

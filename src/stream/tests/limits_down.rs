//! Limits that Redis does not answer: each one's `on_error`.

use super::bridge::{self, Asked};
use super::policy::POLICY;
use super::rig::{Rig, TICK, TIMEOUT};
use super::run::{field, get, text};
use std::collections::BTreeMap;

#[test]
fn allow_passes_and_deny_refuses_however_the_exchange_failed() {
    let mut wrong = Rig::new(POLICY);
    wrong.hook = Box::new(|_| Some(bridge::error("OOM")));
    let mut down = Rig::new(POLICY);
    down.cut();
    for rig in [&mut wrong, &mut down] {
        assert_eq!(rig.run(&get("/open")).status(), 0);
        let seen = rig.run(&get("/strict"));
        assert_eq!(seen.status(), 503);
        let again: u64 = field(seen.replied(), "retry-after")[0].parse().unwrap();
        assert!((1..=3).contains(&again));
        assert!(text(seen.replied()).contains("limit-unavailable"));
        let counted = rig.counted();
        assert_eq!(counted["tidegate.limit.open.error"], 1);
        assert_eq!(counted["tidegate.limit.strict.error"], 1);
    }
    let mut silent = Rig::new(POLICY);
    assert_eq!(silent.run_silent(&get("/open")).status(), 0);
    assert_eq!(silent.run_silent(&get("/strict")).status(), 503);
}

/// M1: told to come back at one time, all who were refused meanwhile would.
#[test]
fn those_who_are_refused_for_now_are_told_different_times() {
    let mut rig = Rig::new(POLICY);
    rig.cut();
    let mut told = BTreeMap::<String, u32>::new();
    for _ in 0..300 {
        let seen = rig.run(&get("/strict"));
        *told
            .entry(field(seen.replied(), "retry-after")[0].clone())
            .or_default() += 1;
    }
    assert_eq!(told.keys().collect::<Vec<_>>(), ["1", "2", "3"]);
    assert!(told.values().all(|count| *count > 50), "{told:?}");
}

#[test]
fn local_enforces_this_workers_share() {
    let mut rig = Rig::new(POLICY);
    rig.cut();
    let statuses: Vec<u16> = (0..4).map(|_| rig.run(&get("/share")).status()).collect();
    assert_eq!(statuses, [0, 0, 429, 429], "4 per minute, 2 peers");
    let counted = rig.counted();
    assert_eq!(counted["tidegate.limit.share.error"], 4);
    assert_eq!(counted["tidegate.limit.share.denied_local"], 2);
}

#[test]
fn an_open_breaker_costs_no_wait() {
    let mut rig = Rig::new(POLICY);
    for _ in 0..5 {
        rig.run_silent(&get("/open"));
    }
    let id = rig.stream();
    rig.headers(id, &get("/open"));
    assert!(!rig.is_paused(id));
    assert_eq!(rig.exchanges(), 5);
}

/// A limit asked once must not be asked again beside a second look-up: it may have been charged.
#[test]
fn regression_limits_without_an_answer_are_not_asked_again_with_the_other_vary() {
    let mut rig = Rig::new(POLICY);
    let mut looked_up = 0;
    rig.hook = Box::new(move |op| match op {
        Asked::Limits(_) => Some(bridge::error("UNAVAILABLE")),
        Asked::Get { .. } => {
            looked_up += 1;
            (looked_up == 1).then(|| bridge::vary("accept"))
        }
        _ => None,
    });
    let seen = rig.run(&get("/mixed/a"));
    assert_eq!(seen.status(), 0);
    assert_eq!(rig.exchanges(), 2);
    assert!(
        rig.sent[1].ops.iter().all(Asked::is_get),
        "{:?}",
        rig.sent[1]
    );
    let counted = rig.counted();
    assert_eq!(counted["tidegate.limit.share.error"], 1);
    assert_eq!(counted["tidegate.limit.open.error"], 1);
}

#[test]
fn an_answer_after_the_timeout_changes_nothing() {
    let mut rig = Rig::new(POLICY);
    let id = rig.stream();
    rig.headers(id, &get("/strict"));
    let outputs = rig.pass(TIMEOUT + TICK);
    assert_eq!(outputs.len(), 1);
    assert!(
        rig.answer().is_none(),
        "the reply is late, and nobody hears of it"
    );
    assert!(!rig.counted().contains_key("tidegate.bug"));
}

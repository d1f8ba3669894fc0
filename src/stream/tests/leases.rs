//! Requests that are admitted from a lease.

use super::bridge::{self, Asked, denied, ok};
use super::policy::POLICY;
use super::rig::{Change, EPOCH_US, Rig, TICK, token};
use super::run::{get, lines};
use crate::limit::lease::BUSY;
use crate::policy::Limit;
use crate::stream::Input;
use crate::wire::FromBridge;
use crate::wire::reply::Taken;
use core::time::Duration;

/// The limit `per-ip` leases, and Redis grants what is asked for.
fn leasing() -> Rig {
    let lease = |limit: &mut Limit| limit.lease_max = 100;
    let changes: [Change<'_>; 2] = [("per-ip", &lease), ("open", &lease)];
    let mut rig = Rig::changed(POLICY, &changes);
    rig.hook = Box::new(grants);
    rig
}

fn grants(op: &Asked) -> Option<Vec<u8>> {
    let Asked::Limits(takes) = op else {
        return None;
    };
    let leased = takes[0].lease?;
    let taken = Taken {
        leased,
        mark: 77,
        ..ok(7)
    };
    Some(bridge::limits(true, &[taken], EPOCH_US))
}

/// Makes the key busy and has the grant arrive.
fn warm(rig: &mut Rig, path: &str) -> u64 {
    for _ in 0..BUSY {
        rig.run(&get(path));
    }
    while rig.answer().is_some() {}
    rig.exchanges()
}

fn asked(rig: &Rig) -> Vec<(u64, Option<u64>)> {
    let takes = rig.all_ops().filter_map(|op| match op {
        Asked::Limits(takes) => Some((takes[0].cost, takes[0].lease?)),
        _ => None,
    });
    takes.map(|(cost, lease)| (cost, Some(lease))).collect()
}

fn returned(rig: &Rig) -> u64 {
    let units = rig.all_ops().map(|op| match op {
        Asked::Returns(gives) => gives.iter().map(|give| give.limit.cost).sum(),
        _ => 0,
    });
    units.sum()
}

#[test]
fn a_busy_key_is_admitted_without_exchanges() {
    let mut rig = leasing();
    let exact = warm(&mut rig, "/open");
    assert_eq!(
        exact, BUSY,
        "until then each asks, and none waits for the grant"
    );
    assert_eq!(asked(&rig), [(0, Some(2 * BUSY))]);
    rig.counted();
    let seen = rig.run(&get("/open"));
    assert_eq!((seen.status(), rig.exchanges()), (0, exact));
    let answer = rig.upstream(seen.id, &[(":status", "200")], b"");
    let left = 2 * BUSY - 1 + 7;
    assert_eq!(
        lines(&answer, "ratelimit"),
        [format!("\"open\";r={left};t=18")]
    );
    let counted = rig.counted();
    assert_eq!(counted["tidegate.limit.open.leased"], 1);
    assert!(!counted.contains_key("tidegate.limit.open.allowed"));
}

#[test]
fn what_is_not_used_goes_back_when_the_key_is_idle_or_the_worker_ends() {
    let mut rig = leasing();
    warm(&mut rig, "/open");
    rig.run(&get("/open"));
    rig.pass(Duration::from_millis(190));
    assert_eq!(returned(&rig), 0);
    rig.pass(Duration::from_millis(40));
    assert_eq!(returned(&rig), 2 * BUSY - 1);
    let mut rig = leasing();
    warm(&mut rig, "/open");
    assert!(rig.vm.end(rig.now));
    rig.pass(TICK);
    assert_eq!(returned(&rig), 2 * BUSY);
    assert!(!rig.vm.end(rig.now), "once");
    // What still comes under a policy that is replaced asks for itself.
    rig.sent.clear();
    warm(&mut rig, "/open");
    assert!(asked(&rig).is_empty());
    rig.pass(Duration::from_secs(5));
    warm(&mut rig, "/open");
    assert_eq!(asked(&rig).len(), 1);
}

/// With something else to ask, the leased limit is not asked, and what it spent is free again when the
/// request is refused.
#[test]
fn a_leased_limit_beside_others_is_not_charged_for_a_request_they_refuse() {
    let mut rig = leasing();
    warm(&mut rig, "/limited");
    let held = |rig: &mut Rig| {
        let seen = rig.run(&get("/limited"));
        let answer = rig.upstream(seen.id, &[(":status", "200")], b"");
        lines(&answer, "ratelimit")[0].clone()
    };
    let left = 2 * BUSY + 7;
    assert!(held(&mut rig).starts_with(&format!("\"per-ip\";r={};", left - 1)));
    let Asked::Limits(takes) = rig.sent.last().unwrap().ops[0].clone() else {
        panic!("{:?}", rig.sent);
    };
    assert_eq!(takes.len(), 1, "strict alone");
    rig.hook = Box::new(|op| match op {
        Asked::Limits(_) => Some(bridge::limits(false, &[denied(1)], EPOCH_US)),
        _ => None,
    });
    for _ in 0..5 {
        assert_eq!(rig.run(&get("/limited")).status(), 429);
        rig.pass(TICK);
    }
    rig.hook = Box::new(grants);
    assert!(held(&mut rig).starts_with(&format!("\"per-ip\";r={};", left - 2)));
}

#[test]
fn a_session_that_is_refused_spends_no_lease() {
    let mut rig = leasing();
    let request = get("/full/a").cookie(&token("web"));
    for _ in 0..BUSY {
        rig.run(&request);
    }
    while rig.answer().is_some() {}
    rig.hook = Box::new(|op| match op {
        Asked::Session { .. } => Some(bridge::absent(EPOCH_US)),
        other => grants(other),
    });
    for _ in 0..30 {
        assert_eq!(rig.run(&request).status(), 401);
    }
    while rig.answer().is_some() {}
    rig.pass(Duration::from_millis(300));
    let granted: u64 = asked(&rig).iter().filter_map(|(_, lease)| *lease).sum();
    assert_eq!(returned(&rig), granted, "all of it");
}

#[test]
fn a_reset_takes_the_lease() {
    let mut rig = leasing();
    let exact = warm(&mut rig, "/open");
    let Asked::Limits(takes) = rig.sent[0].ops[0].clone() else {
        panic!("{:?}", rig.sent);
    };
    let mut message = Vec::new();
    let subject = &takes[0].subject;
    FromBridge::Forget { subject }.encode(&mut message);
    rig.vm.client.handle_message(0, &message, rig.now);
    rig.run(&get("/open"));
    assert_eq!(rig.exchanges(), exact + 1);
}

#[test]
fn without_a_bridge_what_is_held_is_spent_and_then_on_error_decides() {
    let mut rig = leasing();
    warm(&mut rig, "/open");
    rig.cut();
    rig.counted();
    for _ in 0..60 {
        let seen = rig.run(&get("/open"));
        assert_eq!(seen.status(), 0);
        rig.feed(seen.id, Input::Done);
    }
    let counted = rig.counted();
    assert_eq!(counted["tidegate.limit.open.leased"], 2 * BUSY);
    assert_eq!(counted["tidegate.limit.open.error"], 60 - 2 * BUSY);
}

#[test]
fn a_leased_limit_beside_one_that_cannot_be_asked_is_spent_and_told() {
    let lenient = |limit: &mut Limit| limit.on_error = crate::policy::OnError::Allow;
    let lease = |limit: &mut Limit| limit.lease_max = 100;
    let changes: [Change<'_>; 2] = [("strict", &lenient), ("per-ip", &lease)];
    let mut rig = Rig::changed(POLICY, &changes);
    rig.hook = Box::new(grants);
    warm(&mut rig, "/limited");
    rig.cut();
    rig.counted();
    let seen = rig.run(&get("/limited"));
    let answer = rig.upstream(seen.id, &[(":status", "200")], b"");
    assert!(lines(&answer, "ratelimit")[0].starts_with("\"per-ip\";r="));
    let counted = rig.counted();
    assert_eq!(counted["tidegate.limit.per-ip.leased"], 1);
    assert_eq!(counted["tidegate.limit.strict.error"], 1);
}

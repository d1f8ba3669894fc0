//! One exchange per request.

use super::bridge::Asked;
use super::policy::POLICY;
use super::rig::{Rig, TICK, TIMEOUT, token};
use super::run::get;

#[test]
fn a_session_two_limits_and_a_look_up_are_one_exchange_of_three_operations() {
    let mut rig = Rig::new(POLICY);
    let seen = rig.run(&get("/full/a").cookie(&token("web")));
    assert_eq!(seen.status(), 0);
    assert_eq!((rig.exchanges(), rig.sent.len()), (1, 1));
    let [
        Asked::Session { .. },
        Asked::Limits(limits),
        Asked::Get { .. },
    ] = &rig.sent[0].ops[..]
    else {
        panic!("{:?}", rig.sent);
    };
    assert_eq!(limits.len(), 2);
    assert_ne!(limits[0].subject, limits[1].subject);
    let counted = rig.counted();
    assert_eq!(counted["tidegate.limit.per-ip.allowed"], 1);
    assert_eq!(counted["tidegate.limit.per-user.allowed"], 1);
}

#[test]
fn no_request_waits_longer_than_the_timeout_and_a_tick() {
    let mut rig = Rig::new(POLICY);
    let id = rig.stream();
    rig.headers(id, &get("/limited"));
    let outputs = rig.pass(TIMEOUT - TICK);
    assert!(outputs.is_empty() && rig.is_paused(id));
    let outputs = rig.pass(TICK + TICK);
    assert_eq!(outputs.len(), 1);
    assert!(!rig.is_paused(id));
}

#[test]
fn two_requests_of_one_client_share_a_subject_and_two_clients_do_not() {
    let mut rig = Rig::new(POLICY);
    for peer in ["192.0.2.1:1", "192.0.2.1:2", "192.0.2.9:1"] {
        let mut req = get("/strict");
        req.peer = peer.as_bytes().to_vec();
        rig.run(&req);
    }
    let subjects: Vec<_> = rig
        .all_ops()
        .map(|op| match op {
            Asked::Limits(takes) => takes[0].subject,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(subjects[0], subjects[1]);
    assert_ne!(subjects[0], subjects[2]);
}

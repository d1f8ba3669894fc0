//! Which exchanges tell the bridge whose trace they are part of.

use super::policy::POLICY;
use super::rig::{Rig, token};
use super::run::{Req, get, lines, req};
use crate::wire::TraceParent;

const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn sampled() -> Option<TraceParent> {
    let parent = TraceParent::parse(SAMPLED.as_bytes());
    assert!(parent.is_some());
    parent
}

fn traces(rig: &Rig) -> Vec<Option<TraceParent>> {
    rig.sent.iter().map(|sent| sent.trace).collect()
}

#[test]
fn the_exchange_of_a_sampled_request_carries_its_trace() {
    let mut rig = Rig::new(POLICY);
    let seen = rig.run(
        &get("/full/a")
            .cookie(&token("web"))
            .line("traceparent", SAMPLED),
    );
    assert_eq!(traces(&rig), [sampled()]);
    let upstream = lines(seen.forwarded(), "traceparent");
    assert_eq!(upstream, [SAMPLED], "the upstream sees it as it came");
}

#[test]
fn what_is_not_sampled_or_not_valid_is_no_trace_and_no_error() {
    let unsampled = SAMPLED.replace("-01", "-00");
    let with = |value: &str| get("/limited/a").line("traceparent", value);
    let requests: [Req; 6] = [
        get("/limited/a"),
        with(&unsampled),
        with(""),
        with("00-x"),
        with(&SAMPLED.to_uppercase()),
        with(SAMPLED).line("traceparent", SAMPLED),
    ];
    for request in requests {
        let mut rig = Rig::new(POLICY);
        assert_eq!(rig.run(&request).status(), 0, "{request:?}");
        assert_eq!(traces(&rig), [None], "{request:?}");
    }
}

#[test]
fn what_the_answer_changes_is_part_of_the_same_trace() {
    let mut rig = Rig::new(POLICY);
    let seen = rig.run(&req("PUT", "/plain-cached/a").line("traceparent", SAMPLED));
    rig.upstream(seen.id, &[(":status", "204")], b"");
    assert_eq!(traces(&rig), [sampled()]);

    let mut rig = Rig::new(POLICY);
    let login = req("POST", "/login").line("traceparent", SAMPLED);
    let seen = rig.run(&login);
    let nonce = lines(seen.forwarded(), "x-session-nonce").concat();
    let set = format!(r#"{{"n":"{nonce}","uid":"42","roles":[],"data":{{}}}}"#);
    rig.upstream(seen.id, &[(":status", "200"), ("x-session-set", &set)], b"");
    assert_eq!(traces(&rig), [sampled()]);
}

/// Nobody waits for a store, and it is of use to others than who asked.
#[test]
fn a_store_is_part_of_no_trace() {
    let mut rig = Rig::new(POLICY);
    let seen = rig.run(&get("/plain-cached/a").line("traceparent", SAMPLED));
    rig.upstream(
        seen.id,
        &[(":status", "200"), ("content-length", "4")],
        b"body",
    );
    assert_eq!(traces(&rig), [sampled(), None]);
}

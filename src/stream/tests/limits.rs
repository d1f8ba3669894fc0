//! Limits that Redis answers.

use super::bridge::{self, Asked, denied, never, ok};
use super::policy::POLICY;
use super::rig::{EPOCH_US, Rig};
use super::run::{field, get, lines, text};
use crate::stream::Property;
use crate::wire::reply::Taken;

fn says(admitted: bool, taken: &[Taken]) -> Rig {
    let (mut rig, taken) = (Rig::new(POLICY), taken.to_vec());
    rig.hook = Box::new(move |op| match op {
        Asked::Limits(_) => Some(bridge::limits(admitted, &taken, EPOCH_US)),
        _ => None,
    });
    rig
}

#[test]
fn an_admitted_request_is_told_what_is_left_after_the_upstreams_own_fields() {
    let mut rig = says(true, &[ok(42), ok(3)]);
    let seen = rig.run(&get("/limited"));
    let answer = rig.upstream(
        seen.id,
        &[(":status", "200"), ("ratelimit", "\"up\";r=1;t=1")],
        b"",
    );
    assert_eq!(
        lines(&answer, "ratelimit"),
        [
            "\"up\";r=1;t=1",
            "\"per-ip\";r=42;t=18, \"strict\";r=3;t=18"
        ]
    );
    assert_eq!(
        lines(&answer, "ratelimit-policy"),
        ["\"per-ip\";q=100;w=60, \"strict\";q=10;w=60"]
    );
    assert!(!answer.contains("retry-after"));
}

#[test]
fn a_denial_is_429_with_its_reasons_in_order() {
    let mut rig = says(false, &[denied(18_000_000), denied(41_000_001)]);
    let seen = rig.run(&get("/limited"));
    let reply = seen.replied();
    assert_eq!(reply.status, 429);
    assert_eq!(field(reply, "retry-after"), ["42"]);
    assert_eq!(
        field(reply, "ratelimit"),
        ["\"per-ip\";r=0;t=18, \"strict\";r=0;t=42"]
    );
    assert_eq!(field(reply, "cache-control"), ["no-store"]);
    let body = text(reply);
    assert!(
        body.contains("\"violated-policies\":[\"per-ip\",\"strict\"]"),
        "{body}"
    );
    assert!(body.contains("https://iana.org/assignments/http-problem-types#quota-exceeded"));
    assert!(body.contains("\"policy\":\"limited\""));
    assert_eq!(seen.property(Property::Limit).as_deref(), Some("per-ip"));
    assert_eq!(
        seen.property(Property::Verdict).as_deref(),
        Some("quota-exceeded")
    );
    let counted = rig.counted();
    assert_eq!(counted["tidegate.limit.per-ip.denied"], 1);
    assert_eq!(counted["tidegate.limit.strict.denied"], 1);
}

#[test]
fn only_limits_that_deny_are_named_and_counted() {
    let mut rig = says(false, &[ok(5), denied(1)]);
    let seen = rig.run(&get("/limited"));
    assert!(text(seen.replied()).contains("\"violated-policies\":[\"strict\"]"));
    assert_eq!(field(seen.replied(), "retry-after"), ["1"]);
    let counted = rig.counted();
    assert!(
        !counted.contains_key("tidegate.limit.per-ip.allowed"),
        "it was not charged"
    );
    assert_eq!(counted["tidegate.limit.strict.denied"], 1);
}

#[test]
fn what_can_never_fit_has_no_retry_after() {
    let mut rig = says(false, &[never(), denied(1_000_000)]);
    let seen = rig.run(&get("/limited"));
    assert_eq!(seen.status(), 429);
    assert!(field(seen.replied(), "retry-after").is_empty());
    assert!(text(seen.replied()).contains("cost-exceeds-limit"));
}

#[test]
fn a_shadow_limit_is_counted_and_never_enforced() {
    let mut rig = Rig::new(POLICY);
    rig.hook = Box::new(|op| match op {
        Asked::Limits(takes) if takes[0].limit == 1 => {
            Some(bridge::limits(false, &[denied(9)], EPOCH_US))
        }
        _ => None,
    });
    let seen = rig.run(&get("/shadowed"));
    assert_eq!(rig.exchanges(), 1);
    assert_eq!(
        rig.sent[0].ops.len(),
        2,
        "alone, or it would keep the other from being charged"
    );
    let answer = rig.upstream(seen.id, &[(":status", "200")], b"");
    assert_eq!(lines(&answer, "ratelimit"), ["\"per-ip\";r=42;t=18"]);
    let counted = rig.counted();
    assert_eq!(counted["tidegate.limit.shadow.shadow_denied"], 1);
    assert_eq!(counted["tidegate.limit.per-ip.allowed"], 1);
}

#[test]
fn a_limit_whose_key_part_is_missing_is_skipped_and_counted() {
    let mut rig = Rig::new(POLICY);
    rig.run(&get("/keyed"));
    let Asked::Limits(takes) = &rig.sent[0].ops[0] else {
        panic!("{:?}", rig.sent);
    };
    assert_eq!(takes.len(), 1);
    assert_eq!(rig.counted()["tidegate.limit.by-key.skipped"], 1);
    rig.run(&get("/keyed").line("x-api-key", ""));
    assert!(
        !rig.counted().contains_key("tidegate.limit.by-key.skipped"),
        "empty is a value"
    );
    let mut socket = get("/strict");
    socket.peer = Vec::new();
    let exchanges = rig.exchanges();
    rig.run(&socket);
    assert_eq!(rig.exchanges(), exchanges);
    assert_eq!(rig.counted()["tidegate.limit.strict.skipped"], 1);
}

#[test]
fn a_verdict_about_another_number_of_limits_is_no_verdict() {
    for taken in [&[][..], &[ok(1)], &[ok(1), ok(1), ok(1)]] {
        let seen = says(true, taken).run(&get("/limited"));
        assert_eq!(seen.status(), 503, "strict is on_error: deny");
    }
}

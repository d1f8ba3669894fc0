//! Which policy a request is under, and what happens without one.

use super::policy::POLICY;
use super::rig::Rig;
use super::run::{field, get, lines, text};
use crate::http::Headers;
use crate::stream::{Input, Property};

#[test]
fn without_a_policy_nothing_is_touched_and_nothing_asked() {
    let mut rig = Rig::new(POLICY);
    let seen = rig.run(&get("/elsewhere").line("cookie", "a=b"));
    assert!(!seen.edited);
    assert_eq!(rig.exchanges(), 0);
    assert!(rig.wants_response(seen.id));
    let output = rig.response(seen.id, Headers::from_pairs([(":status", "200")]), false);
    assert!(output.response.is_none());
    assert!(!rig.wants_body(seen.id));
    assert!(!rig.wants_response(seen.id), "it was seen");
}

#[test]
fn without_a_policy_reserved_fields_are_removed_both_ways() {
    let mut rig = Rig::new(POLICY);
    let seen = rig.run(&get("/elsewhere").line("x-session-user", "root"));
    assert!(!seen.forwarded().contains("x-session-user"));
    let answer = rig.upstream(seen.id, &[(":status", "200"), ("x-session-set", "{}")], b"");
    assert_eq!(lines(&answer, ":status"), ["200"]);
    assert!(!answer.contains("x-session-set"));
}

#[test]
fn metadata_wins_over_routes() {
    let mut rig = Rig::new(POLICY);
    let seen = rig.run(&get("/elsewhere").metadata("web"));
    assert_eq!(seen.status(), 401);
    let seen = rig.run(&get("/web/x").metadata("limited"));
    assert_eq!(seen.status(), 0);
    assert_eq!(seen.property(Property::Policy).as_deref(), Some("limited"));
}

#[test]
fn metadata_that_names_no_policy_is_refused() {
    for name in ["", "nope", "Web", "web "] {
        let mut rig = Rig::new(POLICY);
        let seen = rig.run(&get("/elsewhere").metadata(name));
        assert_eq!(seen.status(), 500, "{name:?}");
        assert_eq!(
            field(seen.replied(), "content-type"),
            ["application/problem+json"]
        );
        assert!(text(seen.replied()).contains("unknown-policy"));
        assert_eq!(rig.counted()["tidegate.policy_unknown"], 1);
        assert_eq!(rig.exchanges(), 0);
    }
}

#[test]
fn a_default_policy_takes_what_no_route_does() {
    let policy = POLICY.replacen(
        "\"version\": 1,",
        "\"version\": 1, \"default_policy\": \"web\",",
        1,
    );
    let seen = Rig::new(&policy).run(&get("/elsewhere"));
    assert_eq!(seen.status(), 401);
}

#[test]
fn our_own_reply_passes_the_response_phase_untouched() {
    let mut rig = Rig::new(POLICY);
    let seen = rig.run(&get("/web"));
    let headers =
        Headers::from_pairs([(":status", "401"), ("set-cookie", "__Host-sid=; Max-Age=0")]);
    let output = rig.response(seen.id, headers, false);
    assert!(output.response.is_none());
    assert!(!rig.wants_body(seen.id));
    assert!(!rig.counted().contains_key("tidegate.bug"));
}

#[test]
fn a_reply_of_envoys_own_while_the_request_waits_ends_it() {
    let mut rig = Rig::new(POLICY);
    let id = rig.stream();
    rig.headers(id, &get("/limited"));
    assert!(rig.is_paused(id));
    let output = rig.response(
        id,
        Headers::from_pairs([(":status", "504"), ("x-session-id", "x")]),
        true,
    );
    assert!(!output.response.expect("edited").contains("x-session-id"));
    let (_, late) = rig.answer().expect("an answer that comes late");
    assert!(late.resume.is_none() && late.request.is_none());
    assert!(!rig.counted().contains_key("tidegate.bug"));
}

#[test]
fn nothing_is_said_once_the_stream_is_over() {
    let mut rig = Rig::new(POLICY);
    let id = rig.stream();
    rig.headers(id, &get("/limited"));
    rig.feed(id, Input::Done);
    let (_, late) = rig.answer().expect("an answer that comes late");
    assert!(late.resume.is_none() && late.request.is_none() && late.properties.is_empty());
    assert!(!rig.counted().contains_key("tidegate.bug"));
}

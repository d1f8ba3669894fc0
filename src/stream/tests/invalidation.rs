//! Unsafe methods: what they changed is gone before their answer is seen.

use super::bridge::{self, Asked};
use super::policy::POLICY;
use super::rig::{Rig, TICK, TIMEOUT};
use super::run::{lines, req};
use crate::http::Headers;
use crate::stream::{Direction, Verdict};

fn answer(lines: &[(&str, &str)]) -> Headers {
    Headers::from_pairs(lines.iter().map(|(n, v)| (*n, v.as_bytes())))
}

/// A forwarded unsafe request on a policy with a cache and nothing else.
fn unsafe_request(rig: &mut Rig) -> u32 {
    let seen = rig.run(&req("PUT", "/plain-cached/a"));
    assert_eq!(seen.status(), 0);
    assert_eq!(rig.exchanges(), 0, "nothing to ask before");
    seen.id
}

#[test]
fn the_answer_waits_for_the_invalidation() {
    for status in ["200", "204", "201", "303"] {
        let mut rig = Rig::new(POLICY);
        let id = unsafe_request(&mut rig);
        let headers = answer(&[
            (":status", status),
            ("location", "/plain-cached/b?x=1"),
            (
                "content-location",
                "https://shop.example:443/plain-cached/c",
            ),
        ]);
        let output = rig.response(id, headers, true);
        assert!(matches!(output.verdict, Verdict::Pause), "{status}");
        assert!(output.response.is_none(), "edited when it goes on");
        let urls = ["a", "b?x=1", "c"]
            .map(|p| format!("https://shop.example/plain-cached/{p}").into_bytes());
        assert_eq!(rig.sent[0].ops, [Asked::Invalidate(urls.to_vec())]);
        let (_, output) = rig.answer().unwrap();
        assert_eq!(output.resume, Some(Direction::Response));
        assert!(matches!(output.verdict, Verdict::Continue));
        let client = output.response.expect("edited");
        assert_eq!(lines(&client, "cache-status"), ["tidegate; fwd=method"]);
        assert_eq!(lines(&client, ":status"), [status]);
        assert_eq!(rig.counted()["tidegate.cache.catalog.purged"], 1);
    }
}

#[test]
fn another_origins_location_is_left_alone() {
    let mut rig = Rig::new(POLICY);
    let id = unsafe_request(&mut rig);
    rig.response(
        id,
        answer(&[(":status", "201"), ("location", "https://other.example/x")]),
        true,
    );
    let own = b"https://shop.example/plain-cached/a".to_vec();
    assert_eq!(rig.sent[0].ops, [Asked::Invalidate(vec![own])]);
}

#[test]
fn an_error_invalidates_nothing() {
    for status in ["400", "404", "500", "503", "100"] {
        let mut rig = Rig::new(POLICY);
        let id = unsafe_request(&mut rig);
        let output = rig.response(id, answer(&[(":status", status)]), true);
        assert!(matches!(output.verdict, Verdict::Continue), "{status}");
        assert!(rig.sent.is_empty(), "{status}");
    }
}

#[test]
fn safe_methods_invalidate_nothing() {
    for method in ["GET", "HEAD", "OPTIONS", "TRACE"] {
        let mut rig = Rig::new(POLICY);
        let seen = rig.run(&req(method, "/plain-cached/a"));
        rig.upstream(seen.id, &[(":status", "200")], b"");
        assert!(
            !rig.all_ops().any(|op| matches!(op, Asked::Invalidate(_))),
            "{method}"
        );
    }
}

#[test]
fn an_invalidation_that_fails_lets_the_answer_go_and_is_counted() {
    let mut down = Rig::new(POLICY);
    let id = unsafe_request(&mut down);
    down.cut();
    down.response(id, answer(&[(":status", "200")]), true);
    let (_, output) = down.answer().expect("a unary call is tried, and fails");
    assert_eq!(output.resume, Some(Direction::Response));
    assert_eq!(down.counted()["tidegate.cache.catalog.error"], 1);

    let mut wrong = Rig::new(POLICY);
    wrong.hook = Box::new(|_| Some(bridge::error("READONLY")));
    let id = unsafe_request(&mut wrong);
    wrong.response(id, answer(&[(":status", "200")]), true);
    let (_, output) = wrong.answer().unwrap();
    assert!(matches!(output.verdict, Verdict::Continue) && output.response.is_some());
    assert_eq!(wrong.counted()["tidegate.cache.catalog.error"], 1);

    let mut silent = Rig::new(POLICY);
    let id = unsafe_request(&mut silent);
    silent.response(id, answer(&[(":status", "200")]), true);
    let outputs = silent.pass(TIMEOUT + TICK);
    assert_eq!(outputs.len(), 1);
    assert_eq!(outputs[0].1.resume, Some(Direction::Response));
    assert_eq!(silent.counted()["tidegate.cache.catalog.error"], 1);
}

#[test]
fn rfc9875_3_an_answer_to_an_unsafe_request_invalidates_groups() {
    let mut rig = Rig::new(POLICY);
    let said = ("cache-group-invalidation", "\"shop\", \"all\"");
    let purged = |rig: &Rig| {
        let ops = rig.all_ops();
        ops.filter(|op| matches!(op, Asked::Purge(_))).count()
    };
    let seen = rig.run(&req("POST", "/plain-cached/a"));
    rig.upstream(seen.id, &[(":status", "204"), said], b"");
    assert_eq!(purged(&rig), 2);
    let seen = rig.run(&req("POST", "/plain-cached/a"));
    rig.upstream(seen.id, &[(":status", "500"), said], b"");
    let seen = rig.run(&req("GET", "/plain-cached/a"));
    rig.upstream(seen.id, &[(":status", "200"), said], b"");
    assert_eq!(purged(&rig), 2, "an error, and a safe method");
}

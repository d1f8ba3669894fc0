//! Who is told to fill says what becomes of it, whatever does.

use super::bridge::{self, Asked};
use super::policy::POLICY;
use super::rig::Rig;
use super::run::{Req, get, lines, req};
use crate::http::Headers;
use crate::stream::Input;
use core::time::Duration;

const CACHEABLE: &[(&str, &str)] = &[
    (":status", "200"),
    ("cache-control", "max-age=30"),
    ("content-length", "4"),
];

/// A rig whose look-ups are all told to fill.
fn rig() -> Rig {
    let mut rig = Rig::new(POLICY);
    rig.hook = Box::new(|op| op.is_get().then(bridge::turn));
    rig
}

/// What was said of turns: for how long nobody shall wait.
fn passes(rig: &Rig) -> Vec<u64> {
    rig.all_ops()
        .filter_map(|op| match op {
            Asked::Pass { lease, ttl_ms, .. } => {
                assert_eq!(*lease, [9; 16]);
                Some(*ttl_ms)
            }
            _ => None,
        })
        .collect()
}

fn wait_of(rig: &Rig) -> u64 {
    rig.all_ops()
        .find_map(|op| match op {
            Asked::Get { wait_ms, .. } => Some(*wait_ms),
            _ => None,
        })
        .unwrap()
}

fn answered(answer: &[(&str, &str)], body: &[u8]) -> Rig {
    let mut rig = rig();
    let seen = rig.run(&get("/plain-cached/a"));
    rig.upstream(seen.id, answer, body);
    rig.feed(seen.id, Input::Done);
    rig
}

#[test]
fn c10_an_answer_that_is_stored_is_all_that_is_said() {
    let rig = answered(CACHEABLE, b"body");
    assert_eq!(rig.all_ops().filter(|op| op.is_put()).count(), 1);
    assert_eq!(passes(&rig), [0; 0]);
    let puts: Vec<_> = rig.all_ops().filter(|op| op.is_put()).collect();
    let gets: Vec<_> = rig.all_ops().filter(|op| op.is_get()).collect();
    let (Asked::Put { asked, .. }, Asked::Get { field, .. }) = (puts[0], gets[0]) else {
        panic!("{puts:?} {gets:?}");
    };
    assert_eq!(asked, field);
}

#[test]
fn c10_what_nobody_may_have_is_said_with_the_answers_headers() {
    for (name, value) in [
        ("cache-control", "private, max-age=30"),
        ("cache-control", "no-store"),
        ("set-cookie", "a=1"),
        ("vary", "*"),
        ("content-length", "5000"),
    ] {
        let mut rig = rig();
        let seen = rig.run(&get("/plain-cached/a"));
        let kept = CACHEABLE.iter().filter(|(other, _)| *other != name);
        let mut headers = Headers::from_pairs(kept.map(|(n, v)| (*n, v.as_bytes())));
        headers.append(name, value);
        rig.response(seen.id, headers, false);
        assert_eq!(passes(&rig), [120_000], "{name}: {value}");
        rig.feed(seen.id, Input::Done);
        assert_eq!(passes(&rig).len(), 1, "said once");
    }
}

#[test]
fn an_error_is_remembered_for_a_second_only() {
    for status in ["500", "503", "504"] {
        let rig = answered(&[(":status", status), ("content-length", "4")], b"oops");
        assert_eq!(passes(&rig), [1_000], "{status}");
    }
    let rig = answered(&[(":status", "404"), ("cache-control", "no-store")], b"");
    assert_eq!(passes(&rig), [120_000]);
}

#[test]
fn c6_a_body_that_cannot_be_stored_after_all() {
    let mut rig = rig();
    let chunked = [
        (":status", "200"),
        ("cache-control", "max-age=30"),
        ("transfer-encoding", "chunked"),
    ];
    let headers = || Headers::from_pairs(chunked.iter().map(|(n, v)| (*n, v.as_bytes())));
    let seen = rig.run(&get("/plain-cached/a"));
    rig.response(seen.id, headers(), false);
    assert_eq!(passes(&rig), [0; 0]);
    rig.body(seen.id, &[b'x'; 2_000], false);
    assert_eq!(passes(&rig), [120_000], "larger than may be");
    let seen = rig.run(&get("/plain-cached/b"));
    rig.response(seen.id, headers(), false);
    rig.feed(seen.id, Input::ResponseTrailers);
    assert_eq!(passes(&rig), [120_000; 2], "trailers");
    let seen = rig.run(&get("/plain-cached/c"));
    rig.response(seen.id, headers(), false);
    rig.body(seen.id, b"x", false);
    rig.feed(seen.id, Input::Done);
    assert_eq!(passes(&rig), [120_000, 120_000, 0], "it broke off");
}

#[test]
fn c10_whoever_leaves_before_the_answer_gives_the_turn_up() {
    let mut rig = rig();
    let seen = rig.run(&get("/plain-cached/a"));
    rig.now += Duration::from_millis(300);
    rig.feed(seen.id, Input::Done);
    assert_eq!(passes(&rig), [0]);
    // Later than that somebody else has it.
    let seen = rig.run(&get("/plain-cached/b"));
    rig.now += Duration::from_millis(1_500);
    rig.feed(seen.id, Input::Done);
    assert_eq!(passes(&rig), [0]);
}

#[test]
fn c9_who_is_refused_does_not_keep_the_turn() {
    let mut rig = Rig::new(POLICY);
    rig.hook = Box::new(|op| match op {
        Asked::Get { .. } => Some(bridge::turn()),
        Asked::Limits(_) => Some(bridge::limits(false, &[bridge::denied(9)], 1)),
        _ => None,
    });
    let seen = rig.run(&get("/cached/a"));
    assert_eq!(seen.replied().status, 429);
    rig.feed(seen.id, Input::Done);
    assert_eq!(passes(&rig), [0]);
}

#[test]
fn c5_who_shows_who_it_is_waits_for_nobody() {
    let asked = |req: &Req| {
        let mut rig = rig();
        rig.run(req);
        wait_of(&rig)
    };
    assert_eq!(asked(&get("/plain-cached/a")), 2_000);
    assert_eq!(asked(&get("/plain-cached/a").line("cookie", "a=1")), 2_000);
    let basic = get("/plain-cached/a").line("authorization", "Basic eA==");
    assert_eq!(asked(&basic), 0);
    assert_eq!(asked(&req("HEAD", "/plain-cached/a")), 0, "it cannot store");
    assert_eq!(asked(&get("/open-cached/a")), 2_000);
}

#[test]
fn asked_again_it_waits_for_what_is_left() {
    let mut rig = Rig::new(POLICY);
    let mut asked = 0;
    rig.hook = Box::new(move |op| {
        asked += u32::from(op.is_get());
        op.is_get().then(|| match asked {
            1 => bridge::vary("accept-language"),
            _ => bridge::turn(),
        })
    });
    let id = rig.stream();
    rig.headers(id, &get("/plain-cached/a"));
    rig.now += Duration::from_millis(700);
    rig.answer().unwrap();
    let waits: Vec<u64> = rig
        .all_ops()
        .filter_map(|op| match op {
            Asked::Get { wait_ms, .. } => Some(*wait_ms),
            _ => None,
        })
        .collect();
    assert_eq!(waits, [2_000, 1_300]);
}

#[test]
fn what_was_waited_for_is_a_hit_and_counted() {
    let mut rig = rig();
    let seen = rig.run(&get("/plain-cached/a"));
    rig.upstream(seen.id, CACHEABLE, b"body");
    let record = rig
        .all_ops()
        .find_map(|op| match op {
            Asked::Put { record, .. } => Some(record.clone()),
            _ => None,
        })
        .unwrap();
    rig.hook = Box::new(move |op| op.is_get().then(|| bridge::filled(&record)));
    let seen = rig.run(&get("/plain-cached/a"));
    assert_eq!(seen.replied().body, b"body");
    let headers = Headers::from_pairs(
        seen.replied()
            .headers
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_slice())),
    );
    assert_eq!(lines(&headers, "cache-status"), ["tidegate; hit; ttl=29"]);
    assert_eq!(rig.counted()["tidegate.cache.catalog.collapsed"], 1);
}

/// Found by reading: everybody who came for a page whose origin is slow was held, until nothing could be asked.
#[test]
fn x4_while_many_are_held_a_look_up_is_not() {
    let mut rig = Rig::new(POLICY);
    for _ in 0..4_200 {
        let id = rig.stream();
        rig.headers(id, &get("/plain-cached/a"));
    }
    let waits = rig.all_ops().filter_map(|op| match op {
        Asked::Get { wait_ms, .. } => Some(*wait_ms),
        _ => None,
    });
    let (held, not): (Vec<u64>, Vec<u64>) = waits.partition(|wait| *wait > 0);
    assert_eq!((held.len(), not.len()), (4_096, 104), "half of 8,192");
}

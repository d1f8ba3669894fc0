//! What is stored, and what never is.

use super::bridge::{self, Asked};
use super::policy::POLICY;
use super::rig::{EPOCH_US, Rig, token};
use super::run::{Req, get, lines, req};
use crate::cache::Record;
use crate::cache::record::{Usage, VERSION};
use crate::http::Headers;
use crate::stream::Input;
use crate::wire::op::Want;
use core::time::Duration;

const PUBLIC: (&str, &str) = ("cache-control", "public, max-age=30");

fn puts(rig: &Rig) -> Vec<&Asked> {
    rig.all_ops().filter(|op| op.is_put()).collect()
}

fn record_of(rig: &Rig) -> Vec<u8> {
    match puts(rig)[..] {
        [Asked::Put { record, .. }] => record.clone(),
        ref other => panic!("{other:?}"),
    }
}

/// Runs a request and its answer; what the answer says about the store, and how many there were.
fn fill(rig: &mut Rig, req: &Req, answer: &[(&str, &str)], body: &[u8]) -> (String, usize) {
    let seen = rig.run(req);
    let client = rig.upstream(seen.id, answer, body);
    let said = lines(&client, "cache-status").pop().unwrap_or_default();
    (said, puts(rig).len())
}

#[test]
fn a_store_says_what_and_for_how_long() {
    let mut rig = Rig::new(POLICY);
    let seen = rig.run(&get("/cached/a?x=1").line("accept-encoding", "gzip"));
    rig.now += Duration::from_secs(2);
    let headers = Headers::from_pairs([
        (":status", "200"),
        ("cache-control", "max-age=30"),
        ("content-length", "6"),
        ("vary", "Accept-Encoding"),
        ("surrogate-key", "shoes red"),
        ("age", "3"),
        ("connection", "close, x-hop"),
        ("x-hop", "1"),
        ("ratelimit", "\"up\";r=1;t=1"),
    ]);
    let output = rig.response(seen.id, headers, false);
    let client = output.response.expect("edited");
    assert_eq!(
        lines(&client, "cache-status"),
        ["tidegate; fwd=miss; stored"]
    );
    rig.body(seen.id, b"bo", false);
    rig.now += Duration::from_secs(1);
    rig.body(seen.id, b"dy!!", true);
    let Asked::Get { lease: granted, .. } = &rig.sent[0].ops[1] else {
        panic!("{:?}", rig.sent);
    };
    let [
        Asked::Put {
            url,
            vary,
            lease,
            at_us,
            age_ms,
            ttl_ms,
            record,
            tags,
            ..
        },
    ] = puts(&rig)[..]
    else {
        panic!("{:?}", rig.sent);
    };
    assert_eq!(url, b"https://shop.example/cached/a?x=1");
    assert_eq!(vary, b"accept-encoding");
    assert_eq!(lease, granted);
    assert_eq!(
        (*age_ms, *ttl_ms),
        (6_000, 24_000),
        "Age 3, 2 s of delay, 1 s of body"
    );
    assert_eq!(
        *at_us,
        Some(rig.redis_us()),
        "by the clock of the look-up's answer (C8)"
    );
    assert_eq!(*tags, [b"shoes".to_vec(), b"red".to_vec()]);
    let record = Record::decode(record).unwrap();
    assert_eq!(
        (record.body, record.lifetime_ms, record.policy),
        (&b"body!!"[..], 30_000, "cached")
    );
    let names: Vec<&str> = record.headers.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["cache-control", "vary", "surrogate-key"]);
    assert_eq!(
        rig.sent[1].link,
        Some(2),
        "a body never stands in front of a decision"
    );
    let _ = rig.answer();
    assert_eq!(rig.counted()["tidegate.cache.catalog.stored"], 1);
}

#[test]
fn what_was_stored_is_served() {
    let mut rig = Rig::new(POLICY);
    let request = get("/plain-cached/a");
    fill(
        &mut rig,
        &request,
        &[(":status", "200"), PUBLIC, ("content-length", "4")],
        b"body",
    );
    let record = record_of(&rig);
    rig.hook = Box::new(move |op| {
        op.is_get()
            .then(|| bridge::hit(&record, EPOCH_US, EPOCH_US + 1_000_000))
    });
    let seen = rig.run(&request);
    assert_eq!(seen.replied().body, b"body");
    assert_eq!(super::run::field(seen.replied(), "age"), ["1"]);
}

#[test]
fn without_a_lease_nothing_is_stored() {
    let mut rig = Rig::new(POLICY);
    rig.hook = Box::new(|op| op.is_get().then(|| bridge::miss(None, EPOCH_US)));
    let answer = [(":status", "200"), PUBLIC, ("content-length", "4")];
    let (said, stores) = fill(&mut rig, &get("/plain-cached/a"), &answer, b"body");
    assert_eq!(
        (said.as_str(), stores),
        ("tidegate; fwd=miss; detail=lease", 0)
    );
}

#[test]
fn head_stores_nothing_and_holds_no_lease_that_a_get_would_wait_for() {
    let mut rig = Rig::new(POLICY);
    let (_, stores) = fill(
        &mut rig,
        &req("HEAD", "/plain-cached/a"),
        &[(":status", "200"), PUBLIC],
        b"",
    );
    assert_eq!(stores, 0);
    let Asked::Get { want, .. } = &rig.sent[0].ops[0] else {
        panic!("{:?}", rig.sent);
    };
    assert_eq!(*want, Want::Read);
}

#[test]
fn answers_that_are_not_stored_say_why() {
    let plain = get("/plain-cached/a");
    let secret = plain.clone().line("authorization", "Basic x");
    type Row<'a> = (&'a Req, &'a [(&'a str, &'a str)], &'a str);
    let ok = (":status", "200");
    let length = ("content-length", "4");
    let rows: [Row<'_>; 14] = [
        (
            &plain,
            &[ok, length, ("cache-control", "private")],
            "private",
        ),
        (
            &plain,
            &[ok, length, ("cache-control", "no-store")],
            "no-store",
        ),
        (
            &plain,
            &[ok, length, ("cache-control", "no-cache")],
            "no-cache",
        ),
        (
            &plain,
            &[ok, length, PUBLIC, ("set-cookie", "a=b")],
            "set-cookie",
        ),
        (
            &secret,
            &[ok, length, ("cache-control", "max-age=9")],
            "authorization",
        ),
        (&plain, &[ok, length, PUBLIC, ("vary", "*")], "vary"),
        (&plain, &[ok, PUBLIC], "framing"),
        (
            &plain,
            &[
                ok,
                PUBLIC,
                ("transfer-encoding", "chunked"),
                ("trailer", "x"),
            ],
            "framing",
        ),
        (
            &plain,
            &[ok, PUBLIC, ("content-length", "1025")],
            "too-large",
        ),
        (&plain, &[ok, length, PUBLIC, ("age", "30")], "stale"),
        (&plain, &[(":status", "500"), length, PUBLIC], "status"),
        (&plain, &[(":status", "206"), length, PUBLIC], "status"),
        (&plain, &[(":status", "302"), length], "no-freshness"),
        (
            &plain,
            &[ok, length, PUBLIC, ("x-session-set", "{}")],
            "session",
        ),
    ];
    for (req, answer, why) in rows {
        let (said, stores) = fill(&mut Rig::new(POLICY), req, answer, b"body");
        assert_eq!(said, format!("tidegate; fwd=miss; detail={why}"));
        assert_eq!(stores, 0, "{why}");
    }
    let mut rig = Rig::new(POLICY);
    let (said, stores) = fill(&mut rig, &secret, &[ok, length, PUBLIC], b"body");
    assert_eq!((said.as_str(), stores), ("tidegate; fwd=miss; stored", 1));
}

#[test]
fn what_a_session_got_is_stored_only_when_the_answer_allows_it() {
    let request = get("/open-cached/a").cookie(&token("web"));
    for (control, stores) in [
        ("max-age=9", 0),
        ("public, max-age=9", 1),
        ("s-maxage=9", 1),
    ] {
        let answer = [
            (":status", "200"),
            ("cache-control", control),
            ("content-length", "4"),
        ];
        assert_eq!(
            fill(&mut Rig::new(POLICY), &request, &answer, b"body").1,
            stores,
            "{control}"
        );
    }
}

/// The variant is named before the session is known, so an anonymous answer would match everyone's.
#[test]
fn regression_an_answer_that_varies_by_our_identity_fields_is_not_stored() {
    for vary in [
        "x-session-user",
        "Accept, X-Session-State",
        "x_session_user",
    ] {
        let answer = [
            (":status", "200"),
            PUBLIC,
            ("content-length", "4"),
            ("vary", vary),
        ];
        let (said, stores) = fill(
            &mut Rig::new(POLICY),
            &get("/open-cached/a"),
            &answer,
            b"body",
        );
        assert_eq!(
            (said.as_str(), stores),
            ("tidegate; fwd=miss; detail=session", 0),
            "{vary}"
        );
    }
}

#[test]
fn a_body_that_is_not_whole_or_too_large_is_never_stored() {
    let chunked = [(":status", "200"), PUBLIC, ("transfer-encoding", "chunked")];
    let announced = [(":status", "200"), PUBLIC, ("content-length", "5")];
    let begin = |rig: &mut Rig, answer: &[(&str, &str)]| {
        let seen = rig.run(&get("/plain-cached/a"));
        rig.response(
            seen.id,
            Headers::from_pairs(answer.iter().map(|(n, v)| (*n, v.as_bytes()))),
            false,
        );
        assert!(rig.wants_body(seen.id));
        seen.id
    };
    let mut rig = Rig::new(POLICY);
    let id = begin(&mut rig, &chunked);
    rig.body(id, b"half", false);
    rig.feed(id, Input::Done);
    let id = begin(&mut rig, &chunked);
    rig.body(id, b"whole", false);
    rig.feed(id, Input::ResponseTrailers);
    rig.feed(id, Input::Done);
    let id = begin(&mut rig, &chunked);
    rig.body(id, &[0; 600], false);
    rig.body(id, &[0; 600], false);
    assert!(!rig.wants_body(id), "not held in memory any longer");
    rig.body(id, b"", true);
    let id = begin(&mut rig, &announced);
    rig.body(id, b"four", true);
    let id = begin(&mut rig, &announced);
    rig.body(id, b"sixsix", true);
    assert!(puts(&rig).is_empty());
    let id = begin(&mut rig, &chunked);
    rig.body(id, b"", true);
    assert_eq!(puts(&rig).len(), 1, "an empty body is whole");
    assert!(!rig.counted().contains_key("tidegate.bug"));
}

#[test]
fn a_store_that_was_refused_or_failed_is_counted() {
    let answer = [(":status", "200"), PUBLIC, ("content-length", "4")];
    let mut rig = Rig::new(POLICY);
    rig.hook = Box::new(|op| op.is_put().then(|| b"+refused\r\n".to_vec()));
    fill(&mut rig, &get("/plain-cached/a"), &answer, b"body");
    let _ = rig.answer();
    assert_eq!(rig.counted()["tidegate.cache.catalog.refused"], 1);
    rig.hook = Box::new(|op| op.is_put().then(|| bridge::error("OOM")));
    fill(&mut rig, &get("/plain-cached/a"), &answer, b"body");
    let _ = rig.answer();
    assert_eq!(rig.counted()["tidegate.cache.catalog.error"], 1);
    let seen = rig.run(&get("/plain-cached/a"));
    rig.cut();
    rig.upstream(seen.id, &answer, b"body");
    assert_eq!(rig.counted()["tidegate.cache.catalog.error"], 1);
}

/// A record that cannot be read would keep its URL out of the cache until its TTL ends.
#[test]
fn regression_a_record_that_is_no_answer_is_removed() {
    for bytes in [b"garbage".to_vec(), Vec::new(), vec![1; 64]] {
        let mut rig = Rig::new(POLICY);
        rig.hook = Box::new(move |op| op.is_get().then(|| bridge::hit(&bytes, EPOCH_US, EPOCH_US)));
        let seen = rig.run(&get("/plain-cached/a"));
        assert_eq!(seen.status(), 0);
        let removed = Asked::Invalidate(vec![b"https://shop.example/plain-cached/a".to_vec()]);
        assert_eq!(rig.all_ops().filter(|op| **op == removed).count(), 1);
        assert_eq!(rig.exchanges(), 1, "nobody waits for it");
        let _ = rig.answer();
        assert_eq!(rig.counted()["tidegate.cache.catalog.error"], 1);
    }
}

#[test]
fn a_record_of_a_newer_filter_is_left_to_those_that_know_it() {
    let record = Record {
        url: b"https://shop.example/plain-cached/a",
        policy: "plain-cached",
        vary: Vec::new(),
        extras: Vec::new(),
        lifetime_ms: 60_000,
        usage: Usage::default(),
        status: 200,
        headers: Vec::new(),
        body: b"stored",
    };
    let bytes = crate::cache::fuzz::of_version(&record.encode().unwrap(), VERSION + 1);
    let mut rig = Rig::new(POLICY);
    rig.hook = Box::new(move |op| op.is_get().then(|| bridge::hit(&bytes, EPOCH_US, EPOCH_US)));
    assert_eq!(rig.run(&get("/plain-cached/a")).status(), 0);
    assert!(!rig.all_ops().any(|op| matches!(op, Asked::Invalidate(_))));
}

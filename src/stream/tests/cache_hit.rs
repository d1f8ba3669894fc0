//! Answers from store.

use super::bridge::{self, Asked, denied};
use super::policy::POLICY;
use super::rig::{EPOCH_US, Rig, TICK, token};
use super::run::{Req, field, get, req, text};
use crate::cache::Record;
use crate::cache::record::Usage;
use crate::stream::Property;

const URL: &[u8] = b"https://shop.example/cached/a";
const BORN_US: u64 = EPOCH_US - 5_000_000;

fn record() -> Record<'static> {
    Record {
        url: URL,
        policy: "cached",
        vary: Vec::new(),
        extras: Vec::new(),
        lifetime_ms: 60_000,
        usage: Usage::default(),
        status: 200,
        headers: vec![
            ("content-type", b"text/plain"),
            ("etag", b"\"v1\""),
            ("cache-control", b"max-age=60"),
        ],
        body: b"stored",
    }
}

/// A bridge that has these bytes stored.
fn stored(bytes: Vec<u8>) -> Rig {
    let mut rig = Rig::new(POLICY);
    rig.hook = Box::new(move |op| op.is_get().then(|| bridge::hit(&bytes, BORN_US, EPOCH_US)));
    rig
}

fn fresh() -> Rig {
    stored(record().encode().unwrap())
}

#[test]
fn a_hit_is_answered_with_its_age() {
    let mut rig = fresh();
    let seen = rig.run(&get("/cached/a"));
    let reply = seen.replied();
    assert_eq!((reply.status, text(reply).as_str()), (200, "stored"));
    assert_eq!(field(reply, "age"), ["5"]);
    assert_eq!(field(reply, "cache-status"), ["tidegate; hit; ttl=55"]);
    assert_eq!(field(reply, "etag"), ["\"v1\""]);
    assert_eq!(seen.property(Property::Cache).as_deref(), Some("hit"));
    assert_eq!(rig.counted()["tidegate.cache.catalog.hit_l2"], 1);
}

#[test]
fn a_hit_carries_this_requests_limits_and_none_that_were_stored() {
    let mut rig = fresh();
    let seen = rig.run(&get("/cached/a"));
    assert_eq!(field(seen.replied(), "ratelimit"), ["\"per-ip\";r=42;t=18"]);
    assert_eq!(
        field(seen.replied(), "ratelimit-policy"),
        ["\"per-ip\";q=100;w=60"]
    );
}

#[test]
fn head_and_a_conditional_get_are_answered_from_a_stored_get() {
    let mut rig = fresh();
    let head = rig.run(&req("HEAD", "/cached/a"));
    assert_eq!(head.replied().status, 200);
    let seen = rig.run(&get("/cached/a").line("if-none-match", "W/\"v1\""));
    let reply = seen.replied();
    assert_eq!((reply.status, reply.body.len()), (304, 0));
    assert_eq!(field(reply, "etag"), ["\"v1\""]);
    assert_eq!(field(reply, "ratelimit").len(), 1);
    assert!(field(reply, "content-type").is_empty());
}

/// Whatever is wrong with a record, the request goes upstream; what is said of it there.
fn misses(mut rig: Rig, req: &Req, status: &str) -> Rig {
    let seen = rig.run(req);
    let answer = rig.upstream(seen.id, &[(":status", "200")], b"");
    assert_eq!(super::run::lines(&answer, "cache-status"), [status]);
    rig
}

#[test]
fn an_expired_record_is_a_miss() {
    let mut rig = Rig::new(POLICY);
    let bytes = record().encode().unwrap();
    rig.hook = Box::new(move |op| {
        op.is_get()
            .then(|| bridge::hit(&bytes, EPOCH_US - 60_000_000, EPOCH_US))
    });
    misses(rig, &get("/cached/a"), "tidegate; fwd=stale; detail=lease");
}

#[test]
fn every_flipped_bit_of_a_record_is_a_miss() {
    let good = record().encode().unwrap();
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let mut rig = stored(bad);
        assert_eq!(rig.run(&get("/cached/a")).status(), 0, "bit {bit}");
    }
    let rig = misses(
        stored(good[..good.len() - 1].to_vec()),
        &get("/cached/a"),
        "tidegate; fwd=miss; detail=lease",
    );
    drop(rig);
}

#[test]
fn c4_a_record_of_another_request_is_a_miss() {
    for other in [
        Record {
            url: b"https://shop.example/cached/b",
            ..record()
        },
        Record {
            url: b"http://shop.example/cached/a",
            ..record()
        },
        Record {
            policy: "plain-cached",
            ..record()
        },
        Record {
            vary: vec![("accept", Some(b"text/html"))],
            ..record()
        },
    ] {
        misses(
            stored(other.encode().unwrap()),
            &get("/cached/a"),
            "tidegate; fwd=miss; detail=lease",
        );
    }
}

#[test]
fn c9_a_hit_never_skips_the_session_or_the_limits() {
    let mut rig = Rig::new(POLICY);
    let bytes = Record {
        policy: "full",
        url: b"https://shop.example/full/a",
        ..record()
    }
    .encode()
    .unwrap();
    let hit = bytes.clone();
    rig.hook = Box::new(move |op| match op {
        Asked::Session { .. } => Some(bridge::absent(EPOCH_US)),
        Asked::Get { .. } => Some(bridge::hit(&hit, BORN_US, EPOCH_US)),
        _ => None,
    });
    let request = get("/full/a").cookie(&token("web"));
    assert_eq!(rig.run(&request).status(), 401);
    let hit = bytes.clone();
    rig.hook = Box::new(move |op| match op {
        Asked::Limits(_) => Some(bridge::limits(false, &[denied(1), denied(1)], EPOCH_US)),
        Asked::Get { .. } => Some(bridge::hit(&hit, BORN_US, EPOCH_US)),
        _ => None,
    });
    assert_eq!(rig.run(&request).status(), 429);
    // The denial was for a microsecond.
    rig.pass(TICK);
    rig.hook = Box::new(move |op| op.is_get().then(|| bridge::hit(&bytes, BORN_US, EPOCH_US)));
    assert_eq!(rig.run(&request).status(), 200);
}

#[test]
fn another_vary_list_is_asked_once_more_and_remembered() {
    let mut rig = Rig::new(POLICY);
    let bytes = Record {
        vary: vec![("accept", Some(b"text/html"))],
        ..record()
    }
    .encode()
    .unwrap();
    rig.hook = Box::new(move |op| match op {
        Asked::Get { vary, .. } if vary.is_empty() => Some(bridge::vary("accept")),
        Asked::Get { .. } => Some(bridge::hit(&bytes, BORN_US, EPOCH_US)),
        _ => None,
    });
    let request = get("/cached/a").line("accept", "text/html");
    assert_eq!(rig.run(&request).replied().status, 200);
    assert_eq!(rig.exchanges(), 2);
    assert!(matches!(
        &rig.sent[0].ops[..],
        [Asked::Limits(_), Asked::Get { .. }]
    ));
    assert!(matches!(&rig.sent[1].ops[..], [Asked::Get { vary, .. }] if vary == b"accept"));
    assert_eq!(
        rig.counted()["tidegate.limit.per-ip.allowed"],
        1,
        "not charged twice"
    );
    assert_eq!(rig.run(&request).replied().status, 200);
    assert_eq!(rig.exchanges(), 3, "the list is known now");
}

#[test]
fn a_bridge_that_names_lists_for_ever_is_not_followed() {
    let mut rig = Rig::new(POLICY);
    let mut n = 0;
    rig.hook = Box::new(move |op| {
        n += 1;
        op.is_get().then(|| bridge::vary(&format!("x-{n}")))
    });
    assert_eq!(rig.run(&get("/cached/a")).status(), 0);
    assert_eq!(rig.exchanges(), 2);
    let mut rig = Rig::new(POLICY);
    rig.hook = Box::new(|op| op.is_get().then(|| bridge::vary("B,a")));
    assert_eq!(rig.run(&get("/cached/a")).status(), 0);
    assert_eq!(rig.exchanges(), 1, "no list of ours");
}

#[test]
fn override_headers_do_not_reach_the_upstream() {
    let mut rig = Rig::new(POLICY);
    let request = get("/cached/a")
        .line("x-forwarded-host", "evil")
        .line("X_Original_URL", "/admin")
        .line("accept", "*/*");
    let seen = rig.run(&request);
    let names: Vec<&str> = seen.forwarded().iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [":method", ":scheme", ":authority", ":path", "accept"]
    );
}

#[test]
fn requests_that_cannot_use_the_cache_bypass_it() {
    let mut body = get("/plain-cached/a");
    body.end = false;
    for (request, why) in [
        (body, "request-body"),
        (
            get("/plain-cached/a").line("content-length", "3"),
            "request-body",
        ),
        (
            get("/plain-cached/a").line("if-match", "\"x\""),
            "precondition",
        ),
        (
            get("/plain-cached/a").line("upgrade", "websocket"),
            "upgrade",
        ),
        (req("OPTIONS", "/plain-cached/a"), "method"),
        (get(&format!("/plain-cached/{}", "a".repeat(8192))), "url"),
    ] {
        let mut rig = Rig::new(POLICY);
        let seen = rig.run(&request);
        let answer = rig.upstream(
            seen.id,
            &[(":status", "200"), ("cache-control", "max-age=9")],
            b"",
        );
        assert!(rig.sent.is_empty(), "{request:?}");
        let said = super::run::lines(&answer, "cache-status");
        assert_eq!(said, [format!("tidegate; fwd=bypass; detail={why}")]);
        assert_eq!(rig.counted()["tidegate.cache.catalog.bypass"], 1);
    }
}

//! Answers from this worker's own memory.

use super::bridge;
use super::rig::{EPOCH_US, Rig, token};
use super::run::{field, get, req, text};
use crate::cache::Record;
use crate::cache::l1::name;
use crate::cache::record::Usage;
use crate::stream::Property;
use crate::wire::FromBridge;
use core::time::Duration;
use std::cell::Cell;
use std::rc::Rc;

const POLICY: &str = r#"{"version": 1, "namespace": "tg",
  "sessions": {"web": {"cookie": "sid"}},
  "limits": {"all": {"algorithm": "fixed_window", "limit": 100, "window": "1m", "key": ["path"]}},
  "caches": {"c": {"ttl": "60s", "l1": "1MiB"}, "own": {"ttl": "60s", "l1": "1MiB", "shared": true}},
  "policies": {"p": {"cache": "c"}, "both": {"session": "web", "limits": ["all"], "cache": "own"}},
  "routes": [{"match": {"path_prefix": "/both"}, "policy": "both"}],
  "default_policy": "p"}"#;
const MS: Duration = Duration::from_millis(1);

fn record(path: &str, policy: &str) -> Vec<u8> {
    let url = format!("https://shop.example{path}");
    let record = Record {
        url: url.as_bytes(),
        policy,
        vary: Vec::new(),
        extras: Vec::new(),
        lifetime_ms: 30_000,
        usage: Usage::default(),
        status: 200,
        headers: vec![("etag", b"\"v1\""), ("cache-control", b"max-age=30")],
        body: b"stored",
    };
    record.encode().unwrap()
}

/// A bridge that has everything stored, and counts how often it is asked for it.
fn rig() -> (Rig, Rc<Cell<usize>>) {
    let mut rig = Rig::new(POLICY);
    let gets = Rc::new(Cell::new(0));
    let count = Rc::clone(&gets);
    rig.hook = Box::new(move |op| {
        let super::bridge::Asked::Get { url, .. } = op else {
            return None;
        };
        count.set(count.get() + 1);
        let path = String::from_utf8(url.clone()).unwrap();
        let path = path.strip_prefix("https://shop.example").unwrap();
        let policy = if path.starts_with("/both") {
            "both"
        } else {
            "p"
        };
        Some(bridge::hit(&record(path, policy), EPOCH_US, EPOCH_US))
    });
    (rig, gets)
}

/// The bridge confirms what was asked last.
fn confirm(rig: &mut Rig) {
    rig.pass(10 * MS);
    let (link, seq) = *rig.syncs.last().expect("a SYNC");
    rig.say(link, &FromBridge::Synced { seq });
}

fn invalidate(rig: &mut Rig, seq: u64, urls: &[&str]) {
    let (link, _) = *rig.syncs.last().expect("a SYNC");
    let urls: Vec<[u8; 16]> = urls.iter().map(|url| name(url.as_bytes())).collect();
    let urls = urls.iter().collect();
    rig.say(link, &FromBridge::Invalidate { seq, urls });
}

/// With one object in memory.
fn warm() -> (Rig, Rc<Cell<usize>>) {
    let (mut rig, gets) = rig();
    confirm(&mut rig);
    rig.run(&get("/a"));
    assert_eq!(gets.get(), 1);
    (rig, gets)
}

#[test]
fn what_redis_had_is_answered_without_an_exchange() {
    let (mut rig, gets) = warm();
    let before = rig.exchanges();
    rig.counted();
    rig.pass(100 * MS);
    let seen = rig.run(&get("/a"));
    let reply = seen.replied();
    assert_eq!((reply.status, text(reply).as_str()), (200, "stored"));
    assert_eq!(
        field(reply, "cache-status"),
        ["tidegate; hit; ttl=29; detail=l1"]
    );
    assert_eq!(seen.property(Property::Cache).as_deref(), Some("hit"));
    assert_eq!((gets.get(), rig.exchanges()), (1, before));
    let counted = rig.counted();
    assert_eq!(counted["tidegate.cache.c.hit_l1"], 1);
    assert!(!counted.contains_key("tidegate.cache.c.hit_l2"));
}

#[test]
fn head_and_parts_and_conditions_are_answered_from_it_too() {
    let (mut rig, gets) = warm();
    assert_eq!(rig.run(&req("HEAD", "/a")).replied().status, 200);
    let part = rig.run(&get("/a").line("range", "bytes=0-1"));
    assert_eq!(
        (part.replied().status, text(part.replied()).as_str()),
        (206, "st")
    );
    let same = rig.run(&get("/a").line("if-none-match", "\"v1\""));
    assert_eq!(same.replied().status, 304);
    assert_eq!(gets.get(), 1);
}

#[test]
fn c2_nothing_is_remembered_before_a_bridge_confirmed() {
    let (mut rig, gets) = rig();
    rig.run(&get("/a"));
    rig.run(&get("/a"));
    assert_eq!(gets.get(), 2);
    // What was found before is not there afterwards.
    confirm(&mut rig);
    rig.run(&get("/a"));
    assert_eq!(gets.get(), 3);
    rig.run(&get("/a"));
    assert_eq!(gets.get(), 3);
}

#[test]
fn c1_what_was_confirmed_holds_for_a_window_from_when_it_was_asked() {
    let (mut rig, gets) = warm();
    rig.pass(180 * MS);
    rig.run(&get("/a"));
    assert_eq!(gets.get(), 1);
    rig.pass(30 * MS);
    rig.run(&get("/a"));
    assert_eq!(gets.get(), 2, "nobody has confirmed anything for 200 ms");
    // The stream lives and has said all since: what is in memory is still good.
    confirm(&mut rig);
    rig.run(&get("/a"));
    assert_eq!(gets.get(), 2);
}

#[test]
fn c1_what_is_invalidated_is_asked_for_and_acknowledged() {
    let (mut rig, gets) = warm();
    rig.run(&get("/b"));
    invalidate(&mut rig, 1, &["https://shop.example/a"]);
    assert_eq!(rig.acks, [(rig.syncs[0].0, 1)]);
    rig.run(&get("/b"));
    assert_eq!(gets.get(), 2);
    rig.run(&get("/a"));
    assert_eq!(gets.get(), 3);
    invalidate(&mut rig, 2, &[]);
    rig.run(&get("/a"));
    rig.run(&get("/b"));
    assert_eq!(gets.get(), 5);
}

#[test]
fn c3_what_was_found_before_an_invalidation_is_not_remembered_after_it() {
    let (mut rig, gets) = rig();
    confirm(&mut rig);
    let id = rig.stream();
    rig.headers(id, &get("/a"));
    invalidate(&mut rig, 1, &["https://shop.example/a"]);
    rig.answer();
    assert_eq!(gets.get(), 1);
    rig.run(&get("/a"));
    assert_eq!(gets.get(), 2);
    rig.run(&get("/a"));
    assert_eq!(gets.get(), 2);
}

#[test]
fn c2_a_lost_stream_takes_everything_with_it() {
    let (mut rig, gets) = warm();
    let (link, _) = rig.syncs[0];
    rig.close(link);
    rig.run(&get("/a"));
    assert_eq!(gets.get(), 2);
    // Another stream is asked, and starts with nothing.
    confirm(&mut rig);
    let (other, seq) = *rig.syncs.last().unwrap();
    assert_eq!((other == link, seq), (false, 1));
    rig.run(&get("/a"));
    rig.run(&get("/a"));
    assert_eq!(gets.get(), 3);
}

#[test]
fn rfc9111_4_2_what_is_no_longer_fresh_is_asked_for() {
    let (mut rig, gets) = warm();
    rig.pass(29_900 * MS);
    confirm(&mut rig);
    rig.run(&get("/a"));
    assert_eq!(gets.get(), 1);
    rig.pass(200 * MS);
    confirm(&mut rig);
    rig.run(&get("/a"));
    assert!(gets.get() > 1);
}

#[test]
fn c9_memory_answers_nobody_whom_a_look_up_would_not() {
    let (mut rig, gets) = rig();
    confirm(&mut rig);
    let known = get("/both/a").line("cookie", format!("sid={}", token("web")));
    for _ in 0..2 {
        let seen = rig.run(&known);
        assert_eq!(seen.replied().status, 200);
        assert_eq!(
            field(seen.replied(), "ratelimit").len(),
            1,
            "limits are charged"
        );
    }
    assert_eq!(gets.get(), 1);
    // The session is asked for all the same.
    let last = rig.sent.last().unwrap();
    assert_eq!(last.ops.len(), 2, "{:?}", last.ops);
    assert_eq!(rig.run(&get("/both/a")).replied().status, 401);
}

#[test]
fn a_policy_without_memory_asks_for_nothing() {
    let policy = POLICY.replace(r#", "l1": "1MiB""#, "");
    let mut rig = Rig::new(&policy);
    rig.pass(1_000 * MS);
    assert!(rig.syncs.is_empty());
}

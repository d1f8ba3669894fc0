//! Every algorithm on a Redis Cluster: three Envoys with two workers each, two bridges, 500 clients at once,
//! everybody's clock wrong.

use crate::kit::{Shared, early_in_the_window, eventually};
use serde_json::Value;
use std::collections::BTreeMap;
use tidegate_e2e::{Clock, Lab, RedisKind, Request, crowd};

const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;
/// 30 years.
const AGE: i64 = 30 * 365 * DAY;

const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 5s }
limits:
  fixed:   { algorithm: fixed_window, limit: 300, window: 1d, key: ['header:x-key'], on_error: deny }
  local:   { algorithm: fixed_window, limit: 300, window: day, timezone: Europe/Berlin, key: ['header:x-key'], on_error: deny }
  log:     { algorithm: sliding_window_log, limit: 300, window: 1d, key: ['header:x-key'], on_error: deny }
  sliding: { algorithm: sliding_window, limit: 300, window: 1d, key: ['header:x-key'], on_error: deny }
  bucket:  { algorithm: token_bucket, limit: 300, window: 366d, key: ['header:x-key'], on_error: deny }
  leaky:   { algorithm: leaky_bucket, limit: 1, window: 60s, max_delay: 1ms, key: ['header:x-key'], on_error: deny }
  slots:   { algorithm: concurrency, limit: 20, slot_ttl: 1m, key: ['header:x-key'], on_error: deny }
  leased-fixed:   { algorithm: fixed_window, limit: 300, window: 1d, key: ['header:x-key'], on_error: deny, lease: { max: 20% } }
  leased-sliding: { algorithm: sliding_window, limit: 300, window: 1d, key: ['header:x-key'], on_error: deny, lease: { max: 20% } }
  leased-bucket:  { algorithm: token_bucket, limit: 300, window: 366d, key: ['header:x-key'], on_error: deny, lease: { max: 20% } }
  other:   { algorithm: token_bucket, limit: 1000, window: 366d, key: [client.ip], on_error: deny }
policies:
  fixed:   { limits: [fixed] }
  local:   { limits: [local] }
  log:     { limits: [log] }
  sliding: { limits: [sliding] }
  bucket:  { limits: [bucket] }
  leaky:   { limits: [leaky] }
  slots:   { limits: [slots] }
  leased-fixed:   { limits: [leased-fixed] }
  leased-sliding: { limits: [leased-sliding] }
  leased-bucket:  { limits: [leased-bucket] }
  both:    { limits: [log, other, sliding] }
routes:
  - { match: { path: /fixed }, policy: fixed }
  - { match: { path: /local }, policy: local }
  - { match: { path: /log }, policy: log }
  - { match: { path: /sliding }, policy: sliding }
  - { match: { path: /bucket }, policy: bucket }
  - { match: { path: /leaky }, policy: leaky }
  - { match: { path: /slow }, policy: slots }
  - { match: { path: /leased-fixed }, policy: leased-fixed }
  - { match: { path: /leased-sliding }, policy: leased-sliding }
  - { match: { path: /leased-bucket }, policy: leased-bucket }
  - { match: { path: /both }, policy: both }
";

/// Nobody's wall clock is right: hours and decades off, each in another direction (R13).
static LAB: Shared = Shared::new(|| {
    Lab::with(POLICY, |spec| {
        spec.envoys = 3;
        spec.redis = RedisKind::Cluster;
        spec.clocks = vec![
            Clock::new("envoy-0", HOUR),
            Clock::new("envoy-1", -HOUR),
            Clock::new("envoy-2", AGE),
            Clock::new("bridge-0", HOUR),
            Clock::new("bridge-1", -HOUR),
        ];
    })
});

/// One request of each of `clients`, all at once, spread over the Envoys.
fn storm(lab: &Lab, clients: usize, request: &Request) -> BTreeMap<u16, usize> {
    let statuses = crowd(clients, |i| {
        let mut client = lab.client(u16::try_from(i % 3).unwrap());
        client.send(request).unwrap().status
    });
    let mut counts = BTreeMap::new();
    for status in statuses {
        *counts.entry(status).or_insert(0) += 1;
    }
    counts
}

fn available(lab: &Lab, limit: &str, key: &str) -> Value {
    let answer = lab.admin().get(&format!("/v1/limits/{limit}?key={key}"));
    answer.unwrap().json().unwrap()["available"].clone()
}

#[test]
fn r1_to_r4_each_algorithm_admits_exactly_its_limit_whatever_the_clocks_say() {
    let lab = LAB.turn();
    early_in_the_window(&lab.redis(), DAY);
    for limit in ["fixed", "local", "log", "sliding", "bucket"] {
        let path = format!("/{limit}");
        let before = lab.upstream_count(&path).unwrap();
        let request = Request::get(&path).field("x-key", "exact");
        let counts = storm(&lab, 500, &request);
        assert_eq!(counts, BTreeMap::from([(200, 300), (429, 200)]), "{limit}");
        assert_eq!(lab.upstream_count(&path).unwrap() - before, 300);
        assert_eq!(available(&lab, limit, "exact"), 0, "{limit}");
    }
}

#[test]
fn r13_clocks_that_step_while_they_run_change_nothing() {
    let lab = LAB.turn();
    early_in_the_window(&lab.redis(), DAY);
    for (round, ahead) in [(0, -HOUR), (1, AGE), (2, 0), (3, -AGE), (4, HOUR)] {
        for part in ["envoy-0", "envoy-1", "envoy-2", "bridge-0", "bridge-1"] {
            lab.step_clock(part, ahead).unwrap();
        }
        for limit in ["fixed", "log", "sliding", "bucket"] {
            let request = Request::get(format!("/{limit}")).field("x-key", "steps");
            let counts = storm(&lab, 60, &request);
            assert_eq!(counts, BTreeMap::from([(200, 60)]), "{limit} in {round}");
        }
    }
    for limit in ["fixed", "log", "sliding", "bucket"] {
        let request = Request::get(format!("/{limit}")).field("x-key", "steps");
        assert_eq!(storm(&lab, 12, &request), BTreeMap::from([(429, 12)]));
    }
}

#[test]
fn r11_leases_never_admit_more_and_in_the_end_no_less() {
    let lab = LAB.turn();
    early_in_the_window(&lab.redis(), DAY);
    for limit in ["leased-fixed", "leased-sliding", "leased-bucket"] {
        let request = Request::get(format!("/{limit}")).field("x-key", "leases");
        let mut passed = 0;
        for _ in 0..3 {
            passed += storm(&lab, 200, &request).get(&200).copied().unwrap_or(0);
            assert!(passed <= 300, "{limit}: {passed}");
        }
        // What workers still hold is given back soon, and then somebody can have it.
        eventually("all of it was used", 300, || {
            let more = storm(&lab, 12, &request).get(&200).copied().unwrap_or(0);
            passed += more;
            passed
        });
        assert_eq!(storm(&lab, 60, &request), BTreeMap::from([(429, 60)]));
    }
}

#[test]
fn r5_no_more_slots_than_the_limit_and_all_come_back() {
    let lab = LAB.turn();
    let request = Request::get("/slow?ms=1500").field("x-key", "slots");
    for _ in 0..2 {
        let counts = storm(&lab, 120, &request);
        assert_eq!(counts, BTreeMap::from([(200, 20), (429, 100)]));
        eventually("all slots are free", Value::from(20), || {
            available(&lab, "slots", "slots")
        });
    }
}

#[test]
fn r6_a_full_schedule_denies_at_once() {
    let lab = LAB.turn();
    let request = Request::get("/leaky").field("x-key", "paced");
    let counts = storm(&lab, 60, &request);
    assert_eq!(counts, BTreeMap::from([(200, 1), (429, 59)]));
}

#[test]
fn r10_limits_of_several_subjects_on_a_cluster_are_charged_all_or_none() {
    let lab = LAB.turn();
    early_in_the_window(&lab.redis(), DAY);
    let before = available(&lab, "other", "127.0.0.1").as_u64().unwrap();
    let request = Request::get("/both").field("x-key", "several");
    let counts = storm(&lab, 400, &request);
    assert_eq!(counts, BTreeMap::from([(200, 300), (429, 100)]));
    eventually("what was taken in vain is back", before - 300, || {
        available(&lab, "other", "127.0.0.1").as_u64().unwrap()
    });
    assert_eq!(available(&lab, "log", "several"), 0);
    assert_eq!(available(&lab, "sliding", "several"), 0);
}

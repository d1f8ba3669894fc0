//! Limits over three Envoys and two bridges.

use crate::kit::{Shared, early_in_the_window, eventually};
use serde_json::Value;
use std::collections::BTreeMap;
use tidegate_e2e::{Lab, Request, Response, crowd};

/// A day, seconds: the window of the fixed limits. None ends while a test counts.
const DAY: i64 = 86_400;

const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 5s }
limits:
  fleet:  { algorithm: fixed_window, limit: 1000, window: 1d, key: [client.ip, '\"fleet\"'], on_error: deny }
  bucket: { algorithm: token_bucket, limit: 600, window: 366d, key: [client.ip], on_error: deny }
  wide:   { algorithm: fixed_window, limit: 1000, window: 1d, key: [client.ip], on_error: deny }
  narrow: { algorithm: fixed_window, limit: 25, window: 1d, key: [client.ip], on_error: deny }
  other:  { algorithm: token_bucket, limit: 1000, window: 366d, key: ['header:x-key'], on_error: deny }
  told:   { algorithm: fixed_window, limit: 3, window: 1d, key: ['header:x-key'], on_error: deny }
  slow:   { algorithm: token_bucket, limit: 2, window: 1h, burst: 2, key: ['header:x-key'], on_error: deny }
  ip:     { algorithm: fixed_window, limit: 5, window: 1d, key: [client.ip], on_error: deny }
policies:
  fleet:  { limits: [fleet] }
  bucket: { limits: [bucket] }
  both:   { limits: [wide, other, narrow] }
  told:   { limits: [told, slow] }
  ip:     { limits: [ip] }
routes:
  - { match: { path_prefix: /fleet }, policy: fleet }
  - { match: { path_prefix: /bucket }, policy: bucket }
  - { match: { path_prefix: /both }, policy: both }
  - { match: { path_prefix: /told }, policy: told }
  - { match: { path_prefix: /ip }, policy: ip }
";

static LAB: Shared = Shared::new(|| Lab::with(POLICY, |spec| spec.envoys = 3));

/// `clients` at once, each `each` requests, spread over the Envoys; how many answers had each status.
fn storm(lab: &Lab, clients: usize, each: usize, request: &Request) -> BTreeMap<u16, usize> {
    let statuses = crowd(clients, |i| {
        let mut client = lab.client(u16::try_from(i % 3).unwrap());
        let ask = |_| client.send(request).unwrap().status;
        (0..each).map(ask).collect::<Vec<_>>()
    });
    let mut counts = BTreeMap::new();
    for status in statuses.into_iter().flatten() {
        *counts.entry(status).or_insert(0) += 1;
    }
    counts
}

fn peek(lab: &Lab, target: &str) -> Value {
    let answer = lab.admin().get(target).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json().unwrap()
}

/// The `name=` parameter of the list item of `limit`.
fn parameter(answer: &Response, field: &str, limit: &str, name: &str) -> i64 {
    let list = answer.all(field).join(", ");
    let start = format!("\"{limit}\";");
    let item = list.split(", ").find_map(|item| item.strip_prefix(&start));
    let parameters = item.unwrap_or_else(|| panic!("no {limit} in {field}: {list}"));
    let value = parameters
        .split(';')
        .find_map(|parameter| parameter.strip_prefix(name)?.strip_prefix('='));
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("no {name} in {parameters}"))
}

#[test]
fn fixed_window_admits_exactly_its_limit_from_500_clients_at_three_envoys() {
    let lab = LAB.turn();
    early_in_the_window(&lab.redis(), DAY);
    let counts = storm(&lab, 500, 3, &Request::get("/fleet"));
    assert_eq!(counts, BTreeMap::from([(200, 1_000), (429, 500)]));
    eventually("admissions are counted", 1_000, || {
        lab.stat("tidegate.limit.fleet.allowed").unwrap()
    });
    eventually("denials are counted", 500, || {
        let of = |event| lab.stat(&format!("tidegate.limit.fleet.{event}")).unwrap();
        of("denied") + of("denied_local")
    });
    assert_eq!(lab.upstream_count("/fleet").unwrap(), 1_000);
}

#[test]
fn token_bucket_admits_exactly_its_burst_from_500_clients_at_three_envoys() {
    let lab = LAB.turn();
    // One unit comes back in 14 hours.
    let counts = storm(&lab, 500, 2, &Request::get("/bucket"));
    assert_eq!(counts, BTreeMap::from([(200, 600), (429, 400)]));
}

#[test]
fn of_several_limits_all_are_charged_or_none() {
    let lab = LAB.turn();
    early_in_the_window(&lab.redis(), DAY);
    let request = Request::get("/both").field("x-key", "all-or-none");
    let counts = storm(&lab, 200, 2, &request);
    assert_eq!(counts, BTreeMap::from([(200, 25), (429, 375)]));
    // What was taken and given back is settled soon after.
    for limit in ["wide?key=127.0.0.1", "other?key=all-or-none"] {
        eventually(limit, Value::from(975), || {
            peek(&lab, &format!("/v1/limits/{limit}"))["available"].clone()
        });
    }
    let mut client = lab.client(0);
    let denied = client.send(&request).unwrap();
    let violated = denied.json().unwrap()["violated-policies"].clone();
    assert_eq!(violated, serde_json::json!(["narrow"]));
}

#[test]
fn the_fields_say_what_is_left_and_when_to_come_back() {
    let lab = LAB.turn();
    early_in_the_window(&lab.redis(), DAY);
    let request = Request::get("/told").field("x-key", "fields");
    let mut client = lab.client(0);
    for left in [1, 0] {
        let answer = client.send(&request).unwrap();
        assert_eq!(answer.status, 200);
        let of = |field, limit, name| parameter(&answer, field, limit, name);
        assert_eq!(of("ratelimit-policy", "told", "q"), 3);
        assert_eq!(of("ratelimit-policy", "told", "w"), DAY);
        assert_eq!(of("ratelimit-policy", "slow", "w"), 3_600);
        assert_eq!(of("ratelimit", "told", "r"), left + 1);
        assert_eq!(of("ratelimit", "slow", "r"), left);
        assert!((60..=DAY).contains(&of("ratelimit", "told", "t")));
        assert!(answer.get("retry-after").is_none());
    }
    let answer = client.send(&request).unwrap();
    assert_eq!(answer.status, 429);
    let kind = answer.get("content-type");
    assert_eq!(kind.as_deref(), Some("application/problem+json"));
    assert_eq!(answer.get("cache-control").as_deref(), Some("no-store"));
    let problem = answer.json().unwrap();
    assert_eq!(
        problem["type"],
        "https://iana.org/assignments/http-problem-types#quota-exceeded"
    );
    assert_eq!(problem["violated-policies"], serde_json::json!(["slow"]));
    assert_eq!(problem["policy"], "told");
    // The untouched limit still has what it had: a denial charges nothing.
    assert_eq!(parameter(&answer, "ratelimit", "told", "r"), 1);
    assert_eq!(parameter(&answer, "ratelimit", "slow", "r"), 0);
    let wait: i64 = answer.get("retry-after").unwrap().parse().unwrap();
    assert!(
        wait >= parameter(&answer, "ratelimit", "slow", "t"),
        "{wait}"
    );
    assert!((1..=3_600).contains(&wait), "{wait}");
}

#[test]
fn forwarded_addresses_of_a_client_are_not_believed() {
    let lab = LAB.turn();
    early_in_the_window(&lab.redis(), DAY);
    let statuses: Vec<u16> = (0..12_u16)
        .map(|n| {
            let request = Request::get("/ip")
                .field("x-forwarded-for", format!("203.0.113.{n}"))
                .field("x-real-ip", format!("203.0.113.{n}"))
                .field("forwarded", format!("for=203.0.113.{n}"))
                .field("x-envoy-external-address", format!("203.0.113.{n}"));
            lab.client(n % 3).send(&request).unwrap().status
        })
        .collect();
    assert_eq!(statuses, [[200; 5].as_slice(), &[429; 7]].concat());
}

#[test]
fn key_values_that_are_not_utf8_count_like_others() {
    let lab = LAB.turn();
    early_in_the_window(&lab.redis(), DAY);
    // Not UTF-8, text, what a lossy conversion of the first would be, RESP and key syntax, long.
    let long = vec![b'\xfe'; 8_000];
    let values: [&[u8]; 6] = [
        b"\xff\xfe",
        b"\xfe\xff",
        "\u{fffd}\u{fffd}".as_bytes(),
        b"{tg}:*$3 a",
        b"\x80",
        &long,
    ];
    let mut client = lab.client(0);
    for value in values {
        let request = Request::get("/told").field("x-key", value);
        let statuses = [0; 4].map(|_| client.send(&request).unwrap().status);
        assert_eq!(statuses, [200, 200, 429, 429], "{value:?}");
    }
    // A field that appears twice is neither of its values.
    let twice = Request::get("/told")
        .field("x-key", "twice-a")
        .field("x-key", "twice-b");
    assert_eq!(client.send(&twice).unwrap().status, 200);
    let seen = peek(&lab, "/v1/limits/slow?key=twice-a");
    assert_eq!(seen["available"], 2);
}

#[test]
fn a_limit_can_be_looked_at_and_reset_through_the_admin_api() {
    let lab = LAB.turn();
    early_in_the_window(&lab.redis(), DAY);
    let request = Request::get("/told").field("x-key", "desk");
    let mut client = lab.client(1);
    let mut ask = || client.send(&request).unwrap().status;
    let peeked = || peek(&lab, "/v1/limits/slow?key=desk");
    assert_eq!(
        (peeked()["state"].clone(), peeked()["available"].clone()),
        ("ok".into(), 2.into())
    );
    assert_eq!([ask(), ask(), ask()], [200, 200, 429]);
    let seen = peeked();
    assert_eq!(
        (&seen["limit"], &seen["available"]),
        (&"slow".into(), &0.into())
    );
    assert_eq!(seen["algorithm"], "token_bucket");
    assert!(seen["reset_ms"].as_u64().unwrap() > 0, "{seen}");
    assert_eq!(peek(&lab, "/v1/limits/told?key=desk")["available"], 1);

    let reset = lab.admin_of(1).delete("/v1/limits/slow?key=desk").unwrap();
    assert_eq!(
        (reset.status, reset.json().unwrap()["reset"].clone()),
        (200, 1.into())
    );
    eventually("the reset is seen", 200, &mut ask);
    assert_eq!(peek(&lab, "/v1/limits/told?key=desk")["available"], 0);

    for (target, status) in [
        ("/v1/limits/nobody?key=desk", 404),
        ("/v1/limits/slow", 400),
        ("/v1/limits/slow?key=a&key=b", 400),
        ("/v1/limits/ip?key=not-an-address", 400),
    ] {
        assert_eq!(lab.admin().get(target).unwrap().status, status, "{target}");
    }
}

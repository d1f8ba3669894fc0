//! What a request costs, whom a limit is for, and what is said to who is denied.

use crate::kit::{Shared, early_in_the_window, eventually, keys};
use serde_json::{Value, json};
use tidegate_e2e::{Lab, Reply, Request, Response};

const DAY: i64 = 86_400;

const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 5s }
limits:
  priced:  { algorithm: fixed_window, limit: 100, window: 1d, key: ['header:x-key'], on_error: deny, cost: { header: x-cost, max: 1000 } }
  tokens:  { algorithm: fixed_window, limit: 100, window: 1d, key: ['header:x-key'], on_error: deny, cost: { response_header: x-tokens, max: 1000, default: 7 } }
  reserve: { algorithm: token_bucket, limit: 100, window: 300d, key: ['header:x-key'], on_error: deny, cost: { response_header: x-tokens, max: 100, default: 7, reserve: 20 } }
  logins:  { algorithm: fixed_window, limit: 3, window: 1d, key: ['header:x-key'], on_error: deny, apply: { response_status: [401, 5xx] } }
  tenant:  { algorithm: token_bucket, limit: 5, window: 366d, key: ['header:x-tenant'], on_error: deny, override: true }
  quarter: { algorithm: fixed_window, limit: 1, window: 1d, key: ['header:x-key'], on_error: deny, enforce: 25% }
  spoken:
    algorithm: fixed_window
    limit: 1
    window: 1d
    key: ['header:x-key']
    on_error: deny
    on_denied: { status: 503, body: 'come back later', headers: { content-type: text/plain, x-why: busy } }
    retry_jitter: 1h
policies:
  priced:  { limits: [priced] }
  tokens:  { limits: [tokens] }
  reserve: { limits: [reserve] }
  logins:  { limits: [logins] }
  tenant:  { limits: [tenant] }
  quarter: { limits: [quarter] }
  spoken:  { limits: [spoken] }
routes:
  - { match: { path: /priced }, policy: priced }
  - { match: { path: /headers }, policy: tokens }
  - { match: { path: /raw }, policy: reserve }
  - { match: { path_prefix: /status }, policy: logins }
  - { match: { path: /tenant }, policy: tenant }
  - { match: { path: /quarter }, policy: quarter }
  - { match: { path: /spoken }, policy: spoken }
";

static LAB: Shared = Shared::new(|| Lab::new(POLICY));

fn peek(lab: &Lab, target: &str) -> Value {
    let answer = lab.admin().get(target).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json().unwrap()
}

fn left(lab: &Lab, limit: &str, key: &str) -> i64 {
    let seen = peek(lab, &format!("/v1/limits/{limit}?key={key}"));
    seen["available"].as_i64().unwrap()
}

fn ask(lab: &Lab, request: &Request) -> Response {
    lab.client(0).send(request).unwrap()
}

fn put(target: &str, body: &Value) -> Request {
    Request::new("PUT", target)
        .field("content-type", "application/json")
        .body(body.to_string())
}

#[test]
fn a_request_costs_what_its_header_says() {
    let lab = LAB.turn();
    early_in_the_window(&lab.redis(), DAY);
    let priced = |cost: &str| {
        Request::get("/priced")
            .field("x-key", "priced")
            .field("x-cost", cost)
    };
    for (cost, status, after) in [("30", 200, 70), ("71", 429, 70), ("70", 200, 0)] {
        assert_eq!(ask(&lab, &priced(cost)).status, status, "{cost}");
        assert_eq!(left(&lab, "priced", "priced"), after, "{cost}");
    }
    // Without the header it costs one unit.
    let bare = Request::get("/priced").field("x-key", "bare");
    assert_eq!(ask(&lab, &bare).status, 200);
    assert_eq!(left(&lab, "priced", "bare"), 99);
    // More than the limit can never pass: there is no point in coming back.
    let never = Request::get("/priced")
        .field("x-key", "never")
        .field("x-cost", "101");
    let answer = ask(&lab, &never);
    assert_eq!(answer.status, 429);
    assert!(answer.get("retry-after").is_none());
    assert_eq!(answer.json().unwrap()["reason"], "cost-exceeds-limit");
    assert_eq!(left(&lab, "priced", "never"), 100);
}

#[test]
fn costs_that_are_no_costs_are_refused_and_charge_nothing() {
    let lab = LAB.turn();
    early_in_the_window(&lab.redis(), DAY);
    let bad: [&[u8]; 16] = [
        b"-1",
        b"-100",
        b"0",
        b"1.5",
        b"1e2",
        b"NaN",
        b"inf",
        b"",
        b" ",
        b"0x10",
        b"1001",
        b"2147483648",
        b"9007199254740993",
        b"18446744073709551616",
        b"1, 2",
        b"\xff",
    ];
    for cost in bad {
        let request = Request::get("/priced")
            .field("x-key", "bad")
            .field("x-cost", cost);
        let answer = ask(&lab, &request);
        assert_eq!(answer.status, 400, "{cost:?}");
        let problem = answer.json().unwrap();
        assert!(problem.to_string().contains("x-cost"), "{problem}");
    }
    let twice = Request::get("/priced")
        .field("x-key", "bad")
        .field("x-cost", "1")
        .field("x-cost", "2");
    assert_eq!(ask(&lab, &twice).status, 400);
    assert_eq!(left(&lab, "priced", "bad"), 100);
}

#[test]
fn a_cost_known_afterwards_is_charged_afterwards() {
    let lab = LAB.turn();
    early_in_the_window(&lab.redis(), DAY);
    let spend =
        |tokens: &str| Request::get(format!("/headers?x-tokens={tokens}")).field("x-key", "tokens");
    let mut expected = 100;
    for (tokens, cost) in [
        ("40", 40),
        ("0", 0),
        ("nonsense", 7),
        ("-5", 7),
        ("1001", 7),
    ] {
        assert_eq!(ask(&lab, &spend(tokens)).status, 200, "{tokens}");
        expected -= cost;
        eventually(tokens, expected, || left(&lab, "tokens", "tokens"));
    }
    // The one that goes over is served; nobody after it.
    assert_eq!(ask(&lab, &spend("90")).status, 200);
    eventually("nothing is left", 0, || left(&lab, "tokens", "tokens"));
    assert_eq!(ask(&lab, &spend("0")).status, 429);
}

#[test]
fn what_was_reserved_and_not_used_comes_back() {
    let lab = LAB.turn();
    // `/raw?hex=` answers with these bytes.
    let answer = |tokens: &str| {
        let head = format!("HTTP/1.1 200 OK\r\nx-tokens: {tokens}\r\ncontent-length: 0\r\n\r\n");
        let hex: String = head.bytes().map(|b| format!("{b:02x}")).collect();
        Request::get(format!("/raw?hex={hex}")).field("x-key", "reserved")
    };
    let mut expected = 100;
    for (tokens, cost) in [("5", 5), ("20", 20), ("35", 35), ("0", 0)] {
        assert_eq!(ask(&lab, &answer(tokens)).status, 200, "{tokens}");
        expected -= cost;
        eventually(tokens, expected, || left(&lab, "reserve", "reserved"));
    }
    // 40 are left, 20 of them must be there for each request; the second is short.
    assert_eq!(ask(&lab, &answer("30")).status, 200);
    eventually("ten are left", 10, || left(&lab, "reserve", "reserved"));
    assert_eq!(ask(&lab, &answer("1")).status, 429);
    assert_eq!(left(&lab, "reserve", "reserved"), 10);
}

#[test]
fn only_failed_logins_count() {
    let lab = LAB.turn();
    early_in_the_window(&lab.redis(), DAY);
    let get = |target: &str| Request::get(target).field("x-key", "logins");
    for target in ["/status/200", "/status/404", "/status/204"] {
        for _ in 0..4 {
            assert!(ask(&lab, &get(target)).status < 429, "{target}");
        }
    }
    assert_eq!(left(&lab, "logins", "logins"), 3);
    for (target, after) in [("/status/401", 2), ("/status/503", 1), ("/status/401", 0)] {
        ask(&lab, &get(target));
        eventually(target, after, || left(&lab, "logins", "logins"));
    }
    // Now even the right password has to wait.
    assert_eq!(ask(&lab, &get("/status/200")).status, 429);
}

#[test]
fn a_key_can_have_a_limit_of_its_own() {
    let lab = LAB.turn();
    let get = |tenant: &str| Request::get("/tenant").field("x-tenant", tenant);
    let passes = |tenant: &str| {
        let statuses = (0..30).map(|_| ask(&lab, &get(tenant)).status);
        statuses.filter(|status| *status == 200).count()
    };
    let target = "/v1/limits/tenant/override?key=gold";
    let request = put(target, &json!({ "limit": 20, "burst": 20 }));
    let answer = lab.admin().send(request).unwrap();
    assert!(
        matches!(answer.status, 200 | 201 | 204),
        "{}",
        answer.text()
    );
    assert_eq!(passes("iron"), 5);
    assert_eq!(passes("gold"), 20);
    let told = ask(&lab, &get("gold")).get("ratelimit-policy").unwrap();
    assert!(told.contains("q=20"), "{told}");

    // Whoever is denied already is let in as soon as it has more. A bucket remembers time, not units: the five
    // it used at 5 a window weigh as 20 at 20 a window, so five of 25 are left.
    let target = "/v1/limits/tenant/override?key=iron";
    let request = put(target, &json!({ "limit": 20, "burst": 25 }));
    lab.admin().send(request).unwrap();
    let mut more = 0;
    eventually("the rest of its new limit", 5, || {
        more += passes("iron");
        more
    });
    assert_eq!(lab.admin().delete(target).unwrap().status, 200);

    // Nonsense in its place is as nothing, and counted.
    let redis = lab.redis();
    let planted = keys(&redis);
    let key = planted
        .iter()
        .find(|key| key.starts_with(b"tg:o:tenant:"))
        .unwrap();
    for value in [
        "",
        "-5",
        "0",
        "1e3",
        "many",
        "5 burst=",
        "9007199254740993",
        "\u{0}",
    ] {
        redis
            .call(&[b"SET".as_slice(), key, value.as_bytes()])
            .unwrap();
        // Asked of Redis: a worker remembers that it was denied under another limit.
        let seen = peek(&lab, "/v1/limits/tenant?key=gold");
        assert_eq!(seen["quota"], 5, "{value:?}: {seen}");
    }
    eventually("malformed ones are counted", true, || {
        let series = "tidegate_bridge_events_total{kind=\"limit_override_malformed\"}";
        let of = |i| lab.bridge_metric(i, series).unwrap();
        of(0) + of(1) >= 8
    });
    let set = redis
        .call(&[b"SET".as_slice(), key, b"12 burst=12"])
        .unwrap();
    assert!(!matches!(set, Reply::Error(_)));
    assert_eq!(peek(&lab, "/v1/limits/tenant?key=gold")["quota"], 12);
}

#[test]
fn a_part_of_the_keys_is_enforced_and_always_the_same_part() {
    let lab = LAB.turn();
    early_in_the_window(&lab.redis(), DAY);
    let denied = |round: u8| -> Vec<u32> {
        (0..120)
            .filter(|n| {
                let request = Request::get("/quarter").field("x-key", format!("part-{n}"));
                let status = ask(&lab, &request).status;
                assert!(matches!(status, 200 | 429), "{status} in {round}");
                status == 429
            })
            .collect()
    };
    assert!(denied(0).is_empty());
    let first = denied(1);
    assert!((15..=48).contains(&first.len()), "{}", first.len());
    assert_eq!(denied(2), first);
}

#[test]
fn a_denial_can_be_worded() {
    let lab = LAB.turn();
    early_in_the_window(&lab.redis(), DAY);
    let request = Request::get("/spoken").field("x-key", "spoken");
    assert_eq!(ask(&lab, &request).status, 200);
    let mut waits = std::collections::BTreeSet::new();
    for _ in 0..8 {
        let denied = ask(&lab, &request);
        assert_eq!(
            (denied.status, denied.text()),
            (503, "come back later".into())
        );
        assert_eq!(denied.get("content-type").as_deref(), Some("text/plain"));
        assert_eq!(denied.get("x-why").as_deref(), Some("busy"));
        assert!(denied.get("ratelimit").is_some());
        let wait: i64 = denied.get("retry-after").unwrap().parse().unwrap();
        waits.insert(wait);
    }
    assert!(waits.len() > 2, "no jitter: {waits:?}");
}

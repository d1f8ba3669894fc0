//! `leaky_bucket` spreads requests out; `concurrency` bounds how many are in flight.

use crate::kit::{Shared, eventually};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;
use tidegate_e2e::{Lab, Request, crowd, wait};

const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 2s }
limits:
  smooth: { algorithm: leaky_bucket, limit: 50, window: 1s, max_delay: 3s, key: ['header:x-key'], on_error: deny }
  short:  { algorithm: leaky_bucket, limit: 50, window: 1s, max_delay: 500ms, key: ['header:x-key'], on_error: deny }
  slots:  { algorithm: concurrency, limit: 5, slot_ttl: 1m, key: ['header:x-key'], on_error: deny }
  brief:  { algorithm: concurrency, limit: 5, slot_ttl: 3s, key: ['header:x-key'], on_error: deny }
  plain:  { algorithm: fixed_window, limit: 100000, window: 1d, key: ['header:x-key'], on_error: deny }
policies:
  smooth: { limits: [smooth] }
  short:  { limits: [short, plain] }
  slots:  { limits: [slots] }
  brief:  { limits: [brief] }
  plain:  { limits: [plain] }
routes:
  - { match: { path: /smooth }, policy: smooth }
  - { match: { path: /short }, policy: short }
  - { match: { path: /slow, hosts: [brief.example] }, policy: brief }
  - { match: { path: /slow }, policy: slots }
  - { match: { path: /plain }, policy: plain }
";

static LAB: Shared = Shared::new(|| Lab::with(POLICY, |spec| spec.envoys = 2));

/// Status and time since the start of one request of each client, by time.
fn burst(lab: &Lab, clients: usize, request: &Request) -> Vec<(u16, Duration)> {
    let start = wait::now();
    let mut answers = crowd(clients, |i| {
        let mut client = lab.client(u16::try_from(i % 2).unwrap());
        let status = client.send(request).unwrap().status;
        (status, start.elapsed())
    });
    answers.sort_by_key(|(_, at)| *at);
    answers
}

/// One unit at 50 a second.
const EVERY: Duration = Duration::from_millis(20);
/// How far from its slot a request may seem to leave: the bridge's timers count milliseconds, the rest is a busy
/// machine that schedules a hundred clients, two Envoys and an upstream on two processors.
const JITTER: Duration = Duration::from_millis(150);

#[test]
fn r6_a_hundred_at_once_leave_20_ms_apart() {
    let lab = LAB.turn();
    let answers = burst(&lab, 100, &Request::get("/smooth").field("x-key", "smooth"));
    assert!(answers.iter().all(|(status, _)| *status == 200));
    let (first, last) = (answers[0].1, answers[99].1);
    let took = last - first;
    assert!(took + JITTER >= EVERY * 99, "{took:?}");
    assert!(took <= EVERY * 99 + JITTER, "{took:?}");
    // Nobody leaves before its slot: of the first n, the last comes (n - 1) slots after the first one's.
    for (n, (_, at)) in answers.iter().enumerate() {
        let slot = EVERY * u32::try_from(n).unwrap();
        assert!(
            *at - first + JITTER >= slot,
            "{n} left at {:?}",
            *at - first
        );
    }
    let mut gaps: Vec<Duration> = answers
        .windows(2)
        .map(|pair| pair[1].1 - pair[0].1)
        .collect();
    gaps.sort_unstable();
    let (lower, middle) = (gaps[gaps.len() / 10], gaps[gaps.len() / 2]);
    eprintln!(
        "gaps: {lower:?} (p10), {middle:?} (p50), {:?} (p90)",
        gaps[gaps.len() * 9 / 10]
    );
    let near = EVERY / 4;
    assert!(middle + near >= EVERY && middle <= EVERY + near, "{gaps:?}");
}

#[test]
fn beyond_max_delay_requests_are_denied_at_once_and_charge_nothing() {
    let lab = LAB.turn();
    let request = Request::get("/short").field("x-key", "short");
    let answers = burst(&lab, 100, &request);
    let of = |wanted: u16| answers.iter().filter(move |(status, _)| *status == wanted);
    let (passed, denied) = (of(200).count(), of(429).count());
    // 0 to 500 ms: 26 slots, and those that come free while the burst arrives.
    assert!((26..=33).contains(&passed), "{passed}");
    assert_eq!(passed + denied, 100);
    let slowest = of(429).map(|(_, at)| *at).max().unwrap();
    let fastest_last = of(200).map(|(_, at)| *at).max().unwrap();
    assert!(slowest < fastest_last, "{slowest:?}, {fastest_last:?}");
    let seen = lab.admin().get("/v1/limits/plain?key=short").unwrap();
    assert_eq!(
        seen.json().unwrap()["available"],
        100_000 - u64::try_from(passed).unwrap()
    );
}

#[test]
fn a_request_that_waits_for_its_turn_holds_nobody_else_up() {
    let lab = LAB.turn();
    let mut quick = lab.client(0);
    let plain = Request::get("/plain").field("x-key", "quick");
    quick.send(&plain).unwrap();
    std::thread::scope(|scope| {
        let waiting =
            scope.spawn(|| burst(&lab, 100, &Request::get("/smooth").field("x-key", "others")));
        std::thread::sleep(Duration::from_millis(300));
        let mut times: Vec<Duration> = (0..50)
            .map(|_| {
                let start = wait::now();
                assert_eq!(quick.send(&plain).unwrap().status, 200);
                start.elapsed()
            })
            .collect();
        times.sort_unstable();
        assert!(times[25] < Duration::from_millis(20), "{times:?}");
        assert!(waiting.join().unwrap().iter().all(|(s, _)| *s == 200));
    });
}

fn free(lab: &Lab, limit: &str, key: &str) -> Value {
    let answer = lab.admin().get(&format!("/v1/limits/{limit}?key={key}"));
    answer.unwrap().json().unwrap()["available"].clone()
}

#[test]
fn a_denied_slot_says_how_many_there_are() {
    let lab = LAB.turn();
    let request = Request::get("/slow?ms=1500").field("x-key", "told");
    let answers = crowd(12, |_| lab.client(0).send(&request).unwrap());
    let passed = answers.iter().filter(|answer| answer.status == 200);
    assert_eq!(passed.count(), 5);
    let denied = answers.iter().find(|answer| answer.status == 429).unwrap();
    let policy = denied.get("ratelimit-policy").unwrap();
    assert_eq!(policy, r#""slots";q=5;qu="concurrent-requests""#);
    assert_eq!(denied.get("ratelimit").unwrap(), r#""slots";r=0"#);
    let wait: u64 = denied.get("retry-after").unwrap().parse().unwrap();
    assert!(wait >= 1);
    eventually("all slots are free", Value::from(5), || {
        free(&lab, "slots", "told")
    });
}

#[test]
fn a_client_that_goes_away_frees_its_slot() {
    let lab = LAB.turn();
    let proxy = lab.endpoints().unwrap().envoys[0].clone();
    let address = proxy.trim_start_matches("http://");
    let clients: Vec<TcpStream> = (0..5)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            let head = "GET /slow?ms=60000 HTTP/1.1\r\nhost: x\r\nx-key: gone\r\n\r\n";
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    eventually("all slots are taken", Value::from(0), || {
        free(&lab, "slots", "gone")
    });
    drop(clients);
    eventually("all slots are free", Value::from(5), || {
        free(&lab, "slots", "gone")
    });
}

#[test]
fn slots_of_a_killed_envoy_come_back_within_their_life_and_longer_requests_are_counted() {
    let mut lab = Lab::with(POLICY, |spec| spec.envoys = 2);
    let long = |key: &str| {
        Request::get("/slow?ms=6000")
            .field("host", "brief.example")
            .field("x-key", key)
    };
    // Longer than their slots live: they end well, and are counted (R5).
    let statuses = crowd(5, |_| lab.client(1).send(&long("long")).unwrap().status);
    assert_eq!(statuses, [200; 5]);
    eventually("slots that expired in use are counted", 5, || {
        lab.stat("tidegate.limit.brief.slot_expired").unwrap()
    });

    let proxy = lab.endpoints().unwrap().envoys[0].clone();
    let address = proxy.trim_start_matches("http://").to_owned();
    let _held: Vec<TcpStream> = (0..5)
        .map(|_| {
            let mut stream = TcpStream::connect(&address).unwrap();
            let head =
                "GET /slow?ms=60000 HTTP/1.1\r\nhost: brief.example\r\nx-key: killed\r\n\r\n";
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    eventually("all slots are taken", Value::from(0), || {
        free(&lab, "brief", "killed")
    });
    lab.kill("envoy-0").unwrap();
    let start = wait::now();
    assert_eq!(lab.client(1).send(&long("killed")).unwrap().status, 429);
    eventually("their life has ended", Value::from(5), || {
        free(&lab, "brief", "killed")
    });
    let took = start.elapsed();
    assert!(took < Duration::from_millis(3_500), "{took:?}");
    let counts = crowd(8, |_| lab.client(1).send(&long("killed")).unwrap().status)
        .into_iter()
        .fold(BTreeMap::new(), |mut counts: BTreeMap<u16, u32>, status| {
            *counts.entry(status).or_default() += 1;
            counts
        });
    assert_eq!(counts, BTreeMap::from([(200, 5), (429, 3)]));
    lab.revive("envoy-0").unwrap();
}

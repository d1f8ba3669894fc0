//! One request, one exchange, and none when nothing has to be asked.

use crate::kit::{SOON, Shared, eventually, with_cookie, work};
use std::time::Duration;
use tidegate_e2e::{Lab, Request, wait};
use tidegate_stack::redis::Server;

const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 5s }
sessions:
  web:   { cookie: sid }
  other: { cookie: other }
  brief: { cookie: brief, idle: 1s, absolute: 1s }
limits:
  per-ip:   { algorithm: fixed_window, limit: 1000000, window: 1d, key: [client.ip], on_error: deny }
  per-user: { algorithm: token_bucket, limit: 1000000, window: 1d, key: [session.user], on_error: deny }
caches:
  catalog: { ttl: 5m }
policies:
  full:  { session: web, limits: [per-ip, per-user], cache: catalog }
  brief: { session: brief, limits: [per-ip], cache: catalog }
routes:
  - { match: { path_prefix: /api/ }, policy: full }
  - { match: { path_prefix: /brief }, policy: brief }
";

static LAB: Shared = Shared::new(|| Lab::new(POLICY));

fn sent(lab: &Lab) -> u64 {
    lab.stat("tidegate.exchange.sent").unwrap()
}

fn scripts(redis: &Server) -> u64 {
    let commands = redis.commands().unwrap();
    commands.get("evalsha").copied().unwrap_or(0)
}

/// What has happened so far: exchanges sent, exchanges a bridge got, pipelines, commands in them, scripts run
/// by the state Redis and by the cache Redis.
fn totals(lab: &Lab) -> [u64; 6] {
    let bridges = |series| lab.bridges_metric(series).unwrap();
    [
        sent(lab),
        bridges("tidegate_bridge_exchanges_total"),
        bridges("tidegate_bridge_batches_total"),
        bridges("tidegate_bridge_commands_total"),
        scripts(&lab.redis()),
        scripts(&lab.redis_cache()),
    ]
}

/// Waits until nothing is counted any more.
pub(crate) fn at_rest(lab: &Lab) -> [u64; 6] {
    wait::until("an end of all counting", SOON, || {
        let before = totals(lab);
        std::thread::sleep(Duration::from_millis(100));
        let after = totals(lab);
        (before == after)
            .then_some(after)
            .ok_or(format!("{after:?}"))
    })
    .unwrap()
}

#[test]
fn session_limits_and_look_up_are_one_exchange_and_one_pipeline_to_each_redis() {
    let lab = LAB.turn();
    let token = lab.login("web", "ada", &[]).unwrap();
    let request = with_cookie("/api/products/7", "sid", &token);
    let mut client = lab.client(0);
    assert_eq!(client.send(&request).unwrap().status, 200);
    // The store that follows the first answer is an exchange too.
    eventually("a hit", true, || {
        let answer = client.send(&request).unwrap();
        answer.all("cache-status").join(",").contains("hit")
    });

    let mut before = at_rest(&lab);
    for n in 0..5 {
        let answer = client.send(&request).unwrap();
        assert_eq!(answer.status, 200);
        let status = answer.all("cache-status").join(",");
        assert!(status.contains("hit"), "{status}");
        let limits = answer.all("ratelimit").join(",");
        assert!(
            limits.contains("per-ip") && limits.contains("per-user"),
            "{limits}"
        );
        eventually("the exchange is counted", before[0] + 1, || sent(&lab));
        let now = at_rest(&lab);
        let grown: Vec<u64> = now.iter().zip(before).map(|(a, b)| a - b).collect();
        // Session and limits go to the state Redis in one pipeline, the look-up to the cache in another.
        assert_eq!(grown[..3], [1, 1, 2], "request {n}: {grown:?}");
        assert_eq!(grown[3], grown[4] + grown[5], "request {n}: {grown:?}");
        assert_eq!(grown[5], 1, "request {n}: {grown:?}");
        assert!((2..=3).contains(&grown[4]), "request {n}: {grown:?}");
        before = now;
    }
}

#[test]
fn a_token_that_cannot_be_good_makes_no_exchange() {
    let lab = LAB.turn();
    let good = lab.login("web", "ada", &[]).unwrap();
    let other = lab.login("other", "ada", &[]).unwrap();
    let before = at_rest(&lab);
    let mut client = lab.client(0);
    assert_eq!(client.get("/api/products/7").unwrap().status, 401);

    let flipped = |at: usize| {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        bytes
    };
    let mut bad: Vec<Vec<u8>> = (0..good.len()).map(flipped).collect();
    bad.extend([
        good[1..].into(),
        good[..good.len() - 1].into(),
        format!("{good}A").into_bytes(),
        format!("{good}=").into_bytes(),
        vec![b'A'; 10_000],
        vec![b'\xff'; good.len()],
        "-".repeat(good.len()).into_bytes(),
        good.to_ascii_uppercase().into_bytes(),
        other.clone().into_bytes(),
        Vec::new(),
    ]);
    for token in &bad {
        let request = with_cookie("/api/products/7", "sid", token);
        let answer = client.send(&request).unwrap();
        let text = String::from_utf8_lossy(token);
        assert_eq!(answer.status, 401, "{text}");
        let kind = answer.get("content-type");
        assert_eq!(kind.as_deref(), Some("application/problem+json"), "{text}");
        assert!(answer.get("www-authenticate").is_some(), "{text}");
    }
    // The right token in the wrong place is none.
    for request in [
        with_cookie("/api/products/7", "SID", &good),
        with_cookie("/api/products/7", "other", &other),
        Request::get(format!("/api/products/7?sid={good}")),
        Request::get("/api/products/7").field("authorization", format!("Bearer {good}")),
    ] {
        assert_eq!(client.send(&request).unwrap().status, 401, "{request:?}");
    }
    assert_eq!(at_rest(&lab), before);
    let good = with_cookie("/api/products/7", "sid", &good);
    assert_eq!(client.send(&good).unwrap().status, 200);
}

#[test]
fn a_token_past_its_deadline_makes_no_exchange() {
    let lab = LAB.turn();
    let token = lab.login("brief", "ada", &[]).unwrap();
    let request = with_cookie("/brief", "brief", &token);
    let mut client = lab.client(0);
    let live = client.send(&request).unwrap().status;
    assert!(live == 200 || live == 401, "{live}");
    // Around the deadline Redis is still asked: the token says whole seconds.
    eventually("rejected without an exchange", true, || {
        let before = sent(&lab);
        let answer = client.send(&request).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        answer.status == 401 && sent(&lab) == before
    });
    let before = work(&lab.redis());
    for _ in 0..20 {
        let answer = client.send(&request).unwrap();
        assert_eq!(answer.status, 401);
        let cookie = answer.all("set-cookie").join(",");
        assert!(
            cookie.contains("Max-Age=0"),
            "the browser forgets it: {cookie}"
        );
    }
    assert_eq!(work(&lab.redis()), before);
}

#[test]
fn a_flood_of_forged_tokens_does_not_reach_redis() {
    let lab = LAB.turn();
    let good = lab.login("web", "ada", &[]).unwrap();
    let before = at_rest(&lab);
    let refused = tidegate_e2e::crowd(20, |i| {
        let mut client = lab.client(0);
        let forged = |n: usize| format!("{}{i:03}{n:04}", &good[..good.len() - 7]);
        let refused = |n: &usize| {
            let request = with_cookie("/api/products/7", "sid", forged(*n));
            client.send(&request).unwrap().status == 401
        };
        (0..100).filter(refused).count()
    });
    assert_eq!(refused.iter().sum::<usize>(), 2_000);
    assert_eq!(at_rest(&lab), before);
    eventually("all are counted", true, || {
        lab.stat("tidegate.session.web.rejected").unwrap() >= 2_000
    });
}

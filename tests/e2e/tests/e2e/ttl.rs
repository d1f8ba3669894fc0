//! Every key of both Redises has a TTL, at every moment.

use crate::kit::{SOON, with_cookie};
use std::time::Duration;
use tidegate_e2e::{Lab, Load, Reply, Request, wait};
use tidegate_stack::redis::Server;

const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 5s }
sessions:
  web: { cookie: sid }
limits:
  window: { algorithm: fixed_window, limit: 5, window: 1s, key: ['header:x-key'], on_error: deny }
  bucket: { algorithm: token_bucket, limit: 5, window: 1s, burst: 9, key: ['header:x-key'], on_error: deny }
  wide:   { algorithm: fixed_window, limit: 50, window: 1s, key: [client.ip], on_error: deny }
caches:
  catalog: { tags_header: surrogate-key }
policies:
  all: { session: { use: web, required: false }, limits: [window, bucket, wide], cache: catalog }
default_policy: all
";

/// Keys without a TTL.
fn without_ttl(redis: &Server) -> Vec<String> {
    let script = "local r = {} for _, k in ipairs(redis.call('KEYS', '*')) do \
                  if redis.call('PTTL', k) == -1 then r[#r + 1] = k end end return r";
    let reply = redis.call(&["EVAL", script, "0"]).unwrap();
    assert!(!matches!(reply, Reply::Error(_)), "{reply:?}");
    reply.items().iter().map(Reply::text).collect()
}

fn count(redis: &Server) -> i64 {
    redis.call(&["DBSIZE"]).unwrap().int().unwrap()
}

#[test]
fn no_key_is_ever_without_a_ttl() {
    let lab = Lab::new(POLICY);
    let tokens: Vec<String> = (0..8)
        .map(|n| lab.login("web", &format!("user-{n}"), &[]).unwrap())
        .collect();
    let addresses = lab.endpoints().unwrap().envoys;
    let load = Load::start(&addresses, 8, move |client, n| {
        let target = format!("/api/products/{}", n % 40);
        let request = match n % 5 {
            0 => Request::new("PUT", target).field("sec-fetch-site", "same-origin"),
            1 => Request::get(format!("/vary?on=accept-language&n={}", n % 7)),
            _ => with_cookie(&target, "sid", &tokens[client]),
        };
        request
            .field("x-key", format!("key-{}", n % 20))
            .field("accept-language", format!("l{}", n % 3))
    });
    let start = wait::now();
    let mut scans = 0;
    let mut most = (0, 0);
    while start.elapsed() < Duration::from_secs(3) {
        for redis in [lab.redis(), lab.redis_cache()] {
            assert_eq!(without_ttl(&redis), [""; 0], "{}", redis.address());
        }
        most = (
            most.0.max(count(&lab.redis())),
            most.1.max(count(&lab.redis_cache())),
        );
        scans += 1;
    }
    for n in 0..4 {
        let users = format!("/v1/users/user-{n}/sessions?realm=web");
        assert_eq!(lab.admin().delete(&users).unwrap().status, 200);
    }
    let purge = serde_json::json!({ "tag": "products" });
    assert_eq!(
        lab.admin().post("/v1/cache/purge", &purge).unwrap().status,
        200
    );
    for redis in [lab.redis(), lab.redis_cache()] {
        assert_eq!(without_ttl(&redis), [""; 0], "{}", redis.address());
    }
    load.reaches(200);
    let tally = load.stop();
    assert!(tally.errors.is_empty(), "{tally:?}");
    assert_eq!(
        tally.of(200) + tally.of(204) + tally.of(429),
        tally.total,
        "{tally:?}"
    );
    assert!(tally.of(200) > 50 && tally.of(429) > 0, "{tally:?}");
    assert!(
        scans >= 5 && most.0 >= 20 && most.1 >= 20,
        "{scans} scans of {most:?} keys"
    );
}

/// A key that lost its TTL, whoever took it, gets one at its next hit.
#[test]
fn a_lost_ttl_is_repaired_at_the_next_hit() {
    let lab = Lab::new(POLICY);
    let token = lab.login("web", "ada", &[]).unwrap();
    let request = with_cookie("/api/products/1", "sid", &token).field("x-key", "k");
    let mut client = lab.client(0);
    assert_eq!(client.send(&request).unwrap().status, 200);
    let persist =
        "for _, k in ipairs(redis.call('KEYS', '*')) do redis.call('PERSIST', k) end return 0";
    lab.redis().call(&["EVAL", persist, "0"]).unwrap();
    assert!(!without_ttl(&lab.redis()).is_empty());
    wait::until("repaired", SOON, || {
        let status = client.send(&request).unwrap().status;
        assert!(status == 200 || status == 429, "{status}");
        let left = without_ttl(&lab.redis());
        // The user's epoch and index are no part of a look-up: they live on, which keeps revocations true.
        let hit: Vec<&String> = left
            .iter()
            .filter(|key| !key.starts_with("tg:u:"))
            .collect();
        if hit.is_empty() {
            Ok(())
        } else {
            Err(format!("{hit:?}"))
        }
    })
    .unwrap();
}

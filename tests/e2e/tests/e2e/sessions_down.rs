//! Sessions while nobody can tell: Redis is down.

use crate::kit::{eventually, seen, with_cookie};
use tidegate_e2e::{Lab, Request};

const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 1s }
sessions:
  web: { cookie: sid }
policies:
  web:   { session: web }
  maybe: { session: { use: web, required: false } }
routes:
  - { match: { path_prefix: /web }, policy: web }
  - { match: { path_prefix: /maybe }, policy: maybe }
";

fn spoofed(target: &str, token: &str) -> Request {
    with_cookie(target, "sid", token)
        .field("x-session-user", "root")
        .field("x-session-state", "valid")
}

#[test]
fn unknown_is_neither_valid_nor_absent_and_ends_without_a_restart() {
    let mut lab = Lab::new(POLICY);
    let token = lab.login("web", "ada", &[]).unwrap();
    let request = with_cookie("/web", "sid", &token);
    assert_eq!(lab.client(0).send(&request).unwrap().status, 200);

    lab.kill("redis-state-0").unwrap();
    let mut client = lab.client(0);
    for _ in 0..20 {
        let answer = client.send(&spoofed("/web", &token)).unwrap();
        assert_eq!(answer.status, 503);
        let wait: u64 = answer.get("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait));
        assert!(answer.get("set-cookie").is_none(), "{answer:?}");
        assert_eq!(answer.json().unwrap()["reason"], "session-unavailable");
    }
    // Who cannot be told is not let in as whoever he says he is.
    let answer = client.send(&spoofed("/maybe", &token)).unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(seen(&answer, "x-session-state"), ["unknown"]);
    assert!(!answer.text().contains("root"), "{}", answer.text());
    let answer = client.send(&spoofed("/public", &token)).unwrap();
    assert!(!answer.text().contains("root"), "{}", answer.text());
    assert!(seen(&answer, "x-session-state").is_empty());
    // What needs no Redis is still decided.
    assert_eq!(client.get("/web").unwrap().status, 401);

    lab.revive("redis-state-0").unwrap();
    eventually("the same session", 200, || {
        client.send(&request).unwrap().status
    });
    // Workers write their counts at their next tick.
    eventually("counted", true, || {
        lab.stat("tidegate.session.web.unknown").unwrap() >= 20
    });
}

/// Whatever Redis holds or answers that is no session: nobody can tell, and nothing of it is shown.
#[test]
fn what_is_no_session_in_redis_is_unknown() {
    let lab = Lab::new(POLICY);
    let redis = lab.redis();
    let plants: [&[&[u8]]; 5] = [
        &[b"SET", b"KEY", b"text"],
        &[b"LPUSH", b"KEY", b"a"],
        &[b"HSET", b"KEY", b"v", b"\xff\x00garbage"],
        &[b"HSET", b"KEY", b"v", b"", b"e", b"1", b"d", b"x"],
        &[b"HSET", b"KEY", b"d", b"-1"],
    ];
    for (n, plant) in plants.into_iter().enumerate() {
        let before = crate::kit::keys(&redis);
        let token = lab.login("web", &format!("user-{n}"), &[]).unwrap();
        let after = crate::kit::keys(&redis);
        let session = after
            .difference(&before)
            .find(|key| key.starts_with(b"tg:s:"))
            .unwrap();
        if plant[0] != b"HSET" {
            redis.call(&[b"DEL".as_slice(), session]).unwrap();
        }
        let command: Vec<&[u8]> = plant
            .iter()
            .map(|part| {
                if *part == b"KEY" {
                    session.as_slice()
                } else {
                    part
                }
            })
            .collect();
        redis.call(&command).unwrap();
        let request = with_cookie("/web", "sid", &token);
        let answer = lab.client(0).send(&request).unwrap();
        assert_eq!(answer.status, 503, "plant {n}: {}", answer.text());
        assert!(answer.get("set-cookie").is_none(), "plant {n}");
        let told = answer.text();
        assert!(
            !told.contains("garbage") && !told.contains("tg:s"),
            "plant {n}: {told}"
        );
        redis.call(&[b"DEL".as_slice(), session]).unwrap();
        let answer = lab.client(0).send(&request).unwrap();
        assert_eq!(answer.status, 401, "plant {n} is gone");
    }
    // Workers write their counts at their next tick.
    eventually("counted", true, || {
        lab.stat("tidegate.session.web.unknown").unwrap() >= 5
    });
}

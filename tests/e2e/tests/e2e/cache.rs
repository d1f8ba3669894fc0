//! What is stored and what is not, over three Envoys.

use crate::cache_kit::{HOST, LAB, ask, cache_status, get, is_hit, warm};
use crate::kit::{SOON, eventually};
use tidegate_e2e::{Lab, Reply, Request, crowd};

/// URLs of stored objects that contain `part`.
fn stored(lab: &Lab, part: &str) -> Vec<String> {
    let script = "local r = {} for _, k in ipairs(redis.call('KEYS', 'tg:c:*')) do \
                  local u = redis.call('HGET', k, 'u') \
                  for _, f in ipairs(redis.call('HKEYS', k)) do \
                  if u and string.find(u, ARGV[1], 1, true) and string.sub(f, 1, 2) == 'o:' then r[#r + 1] = u end \
                  end end return r";
    let reply = lab
        .redis_cache()
        .call(&["EVAL", script, "0", part])
        .unwrap();
    reply.items().iter().map(Reply::text).collect()
}

#[test]
fn a_miss_is_stored_and_then_a_hit_at_every_envoy() {
    let lab = LAB.turn();
    let first = ask(&lab, 0, &get("/api/products/hit"));
    assert_eq!(first.status, 200);
    assert_eq!(cache_status(&first), "tidegate; fwd=miss; stored");
    assert!(first.get("age").is_none());
    warm(&lab, &get("/api/products/hit"));
    // A request that overtook the store has filled it again.
    let first = ask(&lab, 0, &get("/api/products/hit"));
    let before = lab.upstream_count("/api/products/hit").unwrap();
    for envoy in 0..3 {
        let hit = ask(&lab, envoy, &get("/api/products/hit"));
        let status = cache_status(&hit);
        let ttl: u64 = status
            .strip_prefix("tidegate; hit; ttl=")
            .unwrap()
            .parse()
            .unwrap();
        let age: u64 = hit.get("age").unwrap().parse().unwrap();
        assert!((1..=60).contains(&ttl) && age <= 60, "{status}, age {age}");
        assert_eq!(hit.text(), first.text());
        for field in ["content-type", "cache-control", "surrogate-key"] {
            assert_eq!(hit.all(field), first.all(field), "{field}");
        }
    }
    assert_eq!(lab.upstream_count("/api/products/hit").unwrap(), before);
    // Another host or query is another resource.
    let elsewhere = Request::get("/api/products/hit").field("host", "other.example");
    assert!(!is_hit(&ask(&lab, 0, &elsewhere)));
    assert!(!is_hit(&ask(&lab, 0, &get("/api/products/hit?a"))));
}

#[test]
fn variants_are_kept_apart() {
    let lab = LAB.turn();
    let request =
        |language: &str| get("/vary?on=accept-language").field("accept-language", language);
    for language in ["en", "de"] {
        warm(&lab, &request(language));
    }
    for (envoy, language) in [(0, "en"), (1, "de"), (2, "en"), (0, "de")] {
        let answer = ask(&lab, envoy, &request(language));
        assert!(is_hit(&answer), "{language}: {}", cache_status(&answer));
        assert_eq!(answer.json().unwrap()["value"], language);
    }
    let none = ask(&lab, 0, &get("/vary?on=accept-language"));
    assert!(!is_hit(&none));
    // What varies by everything is never found again.
    let all = get("/headers?cache-control=max-age%3D60&vary=*");
    never_stored(&lab, &all, "vary: *");
}

/// Asks twice: the answers are two, and none of them claims to be stored.
fn never_stored(lab: &Lab, request: &Request, why: &str) {
    let bodies = [0, 1, 2].map(|envoy| {
        let answer = ask(lab, envoy, request);
        assert_eq!(answer.status, 200, "{why}");
        let status = cache_status(&answer);
        assert!(
            !status.contains("hit") && !status.contains("stored"),
            "{why}: {status}"
        );
        answer.text()
    });
    assert!(bodies[0] != bodies[1] && bodies[1] != bodies[2], "{why}");
}

#[test]
fn what_may_not_be_shared_is_not_stored() {
    let lab = LAB.turn();
    for (n, fields) in [
        "cache-control=private,max-age%3D60",
        "cache-control=no-store",
        "cache-control=no-cache,max-age%3D60",
        "cache-control=max-age%3D0",
        "cache-control=max-age%3D60&cache-control=private",
        "cache-control=s-maxage%3D0,max-age%3D60",
        "cache-control=max-age%3D60&set-cookie=theirs%3D1",
        "cache-control=max-age%3D60&x-session-user=mallory",
    ]
    .into_iter()
    .enumerate()
    {
        never_stored(&lab, &get(&format!("/headers?{fields}&n={n}")), fields);
    }
    never_stored(&lab, &get("/set-cookie"), "a cookie");
    let authorized =
        get("/headers?cache-control=max-age%3D60&a=1").field("authorization", "Basic eA==");
    never_stored(&lab, &authorized, "authorization");
    let fat = get("/headers?cache-control=max-age%3D60&fat=1").body("x");
    never_stored(&lab, &fat, "a request body");
    let no_store =
        get("/headers?cache-control=max-age%3D60&ns=1").field("cache-control", "no-store");
    never_stored(&lab, &no_store, "the request's no-store");
    let post = Request::new("POST", "/headers?cache-control=max-age%3D60&p=1").field("host", HOST);
    never_stored(&lab, &post, "POST");
    // With permission an answer to a request with Authorization may be shared (RFC 9111, 3.5).
    let public =
        get("/headers?cache-control=public,max-age%3D60&a=2").field("authorization", "Basic eA==");
    warm(&lab, &public);
}

#[test]
fn statuses_that_one_odd_request_can_provoke_are_not_stored() {
    let lab = LAB.turn();
    for status in [400, 413, 431, 500, 502, 503] {
        let target = format!("/status/{status}");
        for envoy in 0..2 {
            let answer = ask(&lab, envoy, &get(&target));
            assert_eq!(answer.status, status);
            assert!(
                !cache_status(&answer).contains("stored"),
                "{}",
                cache_status(&answer)
            );
        }
        assert_eq!(lab.upstream_count(&target).unwrap(), 2, "{target}");
    }
}

#[test]
fn head_and_conditions_are_answered_from_store() {
    let lab = LAB.turn();
    let target = "/headers?cache-control=max-age%3D60&etag=%22v1%22&content-type=text/plain";
    warm(&lab, &get(target));
    let full = ask(&lab, 0, &get(target));
    let head = ask(&lab, 1, &Request::new("HEAD", target).field("host", HOST));
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert!(is_hit(&head), "{}", cache_status(&head));
    assert_eq!(
        head.get("content-length"),
        Some(full.body.len().to_string())
    );
    assert_eq!(head.get("etag"), full.get("etag"));
    for (tag, status) in [
        ("\"v1\"", 304),
        ("W/\"v1\"", 304),
        ("*", 304),
        ("\"v0\", \"v1\"", 304),
        ("\"v2\"", 200),
    ] {
        let answer = ask(&lab, 2, &get(target).field("if-none-match", tag));
        assert_eq!(answer.status, status, "{tag}");
        assert!(is_hit(&answer), "{tag}: {}", cache_status(&answer));
        assert_eq!(answer.get("etag").as_deref(), Some("\"v1\""));
        assert_eq!(answer.body.is_empty(), status == 304);
    }
    // A HEAD that misses stores nothing and does not keep a GET from it.
    let head = Request::new("HEAD", "/api/products/head").field("host", HOST);
    assert_eq!(ask(&lab, 0, &head).status, 200);
    warm(&lab, &get("/api/products/head"));
}

#[test]
fn answers_too_large_are_passed_on_whole_and_not_stored() {
    let lab = LAB.turn();
    let size = (64 << 10) + 1;
    for envoy in 0..2 {
        let answer = ask(&lab, envoy, &get(&format!("/size?n={size}")));
        assert_eq!(answer.body.len(), size);
        assert!(!is_hit(&answer));
    }
    assert_eq!(lab.upstream_count("/size").unwrap(), 2);
    // Exactly as much as fits.
    let fits = get(&format!("/size?n={}", 64 << 10));
    warm(&lab, &fits);
    assert_eq!(ask(&lab, 2, &fits).body, ask(&lab, 0, &fits).body);
}

#[test]
fn nothing_of_a_body_that_broke_off_is_stored() {
    let lab = LAB.turn();
    // "HTTP/1.1 200 OK", max-age, and then: a length that is never reached, a chunk without an end.
    let head = "HTTP/1.1 200 OK\r\ncache-control: public, max-age=60\r\n";
    let hex = |text: &str| text.bytes().map(|b| format!("{b:02x}")).collect::<String>();
    let short = hex(&format!("{head}content-length: 100\r\n\r\nhalf"));
    let chunked = hex(&format!(
        "{head}transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"
    ));
    let bad_chunk = hex(&format!(
        "{head}transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n"
    ));
    let targets = [
        "/reset?after=0".to_owned(),
        "/reset?after=1".into(),
        "/reset?after=1000".into(),
        "/reset?after=70000".into(),
        format!("/raw?hex={short}&then=close"),
        format!("/raw?hex={short}&then=reset"),
        format!("/raw?hex={chunked}&then=close"),
        format!("/raw?hex={chunked}&then=reset"),
        format!("/raw?hex={bad_chunk}&then=close"),
    ];
    for target in &targets {
        // Side by side: Envoy takes a second to close the connection of each.
        crowd(3, |envoy| {
            let mut client = lab.client(u16::try_from(envoy).unwrap()).timeout(SOON);
            // A broken answer, or a 502 when Envoy had not begun it: never a whole one.
            let target = format!("{target}&n={envoy}");
            if let Ok(answer) = client.send(&get(&target)) {
                assert!(answer.status >= 500, "{target}: {answer:?}");
                assert!(!is_hit(&answer), "{target}");
            }
        });
    }
    eventually("all reached the upstream", 15, || {
        lab.upstream_count("/raw").unwrap()
    });
    for part in ["/reset", "/raw"] {
        assert_eq!(stored(&lab, part), [""; 0]);
    }
    // What is stored is found that way.
    warm(&lab, &get("/api/products/whole"));
    assert_eq!(stored(&lab, "/whole").len(), 1);
}

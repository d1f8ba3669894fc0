//! What the rules of RFC 9111 need of the proxy: validation, failures of the upstream, ranges, messages that only
//! pass.

use crate::cache_kit::{cache_status, is_hit};
use crate::kit::{SOON, eventually};
use crate::origin::{Act, answer, text};
use crate::rules_kit::{ask, connect, expire, get, reconfigure, start, store};
use serde_json::json;
use std::io::{Read, Write};
use std::time::Duration;
use tidegate_e2e::{Request, wait};

#[test]
fn rfc9111_4_3_the_upstream_validates_what_is_stored() {
    let (origin, lab) = start();
    origin.does(|_| {
        answer(
            200,
            &["etag: \"v1\"", "cache-control: max-age=60", "x-a: 1"],
            "first",
        )
    });
    store(&lab, "/validated");
    expire(&lab);
    origin.take();
    origin.does(|head| {
        assert!(head.contains("if-none-match: \"v1\"\r\n"), "{head}");
        answer(
            304,
            &["etag: \"v1\"", "cache-control: max-age=60", "x-a: 2"],
            "",
        )
    });
    let validated = ask(&lab, &get("/validated"));
    assert_eq!(
        (validated.status, validated.text().as_str()),
        (200, "first")
    );
    assert_eq!(validated.get("x-a").as_deref(), Some("2"));
    let status = cache_status(&validated);
    assert!(
        status.starts_with("tidegate; fwd=stale; fwd-status=304; ttl="),
        "{status}"
    );
    assert!(status.ends_with("; stored"), "{status}");
    eventually("freshened", true, || is_hit(&ask(&lab, &get("/validated"))));
    let hit = ask(&lab, &get("/validated"));
    assert_eq!(hit.get("x-a").as_deref(), Some("2"));
    // The client's own condition is answered from what is stored, and does not reach the upstream.
    expire(&lab);
    origin.take();
    let own = ask(&lab, &get("/validated").field("if-none-match", "\"other\""));
    assert_eq!((own.status, own.text().as_str()), (200, "first"));
    // What the answer before freshened is stored behind it: were it to land afterwards, all would be fresh.
    store(&lab, "/validated");
    expire(&lab);
    let own = ask(&lab, &get("/validated").field("if-none-match", "\"v1\""));
    assert_eq!((own.status, own.body.len()), (304, 0));
    assert!(origin.take().iter().all(|head| !head.contains("other")));
    // Changed: the new answer goes to the client, and takes the place of the old one.
    store(&lab, "/validated");
    expire(&lab);
    origin.does(|_| {
        answer(
            200,
            &["etag: \"v2\"", "cache-control: max-age=60"],
            "second",
        )
    });
    assert_eq!(ask(&lab, &get("/validated")).text(), "second");
    eventually("replaced", true, || {
        let hit = ask(&lab, &get("/validated"));
        is_hit(&hit) && hit.text() == "second"
    });
}

#[test]
fn what_is_purged_softly_is_validated_or_used_stale_where_it_may_be() {
    let (origin, lab) = start();
    let ways = [
        json!({ "url": "http://rules.example/soft", "soft": true }),
        json!({ "prefix": "/so", "soft": true }),
        json!({ "all": true, "soft": true }),
    ];
    origin.does(|head| match head.contains("if-none-match: \"v1\"\r\n") {
        true => answer(304, &["etag: \"v1\"", "cache-control: max-age=60"], ""),
        false => answer(200, &["etag: \"v1\"", "cache-control: max-age=60"], "kept"),
    });
    for way in ways {
        store(&lab, "/soft");
        let purged = lab.admin().post("/v1/cache/purge", &way).unwrap();
        assert_eq!(purged.json().unwrap()["purged"], 1, "{way}");
        let validated = ask(&lab, &get("/soft"));
        assert_eq!(validated.text(), "kept");
        let status = cache_status(&validated);
        assert!(
            status.starts_with("tidegate; fwd=stale; fwd-status=304; ttl="),
            "{way}: {status}"
        );
    }
    // It stands in for a failure as any stale answer does.
    let fields = ["cache-control: max-age=60, stale-if-error=600"];
    origin.does(move |_| answer(200, &fields, "good"));
    store(&lab, "/soft/sie");
    let way = json!({ "prefix": "/soft/sie", "soft": true });
    lab.admin().post("/v1/cache/purge", &way).unwrap();
    origin.does(|_| answer(503, &[], "bad"));
    assert_eq!(ask(&lab, &get("/soft/sie")).text(), "good");
}

#[test]
fn rfc5861_4_a_failing_upstream_is_stood_in_for() {
    let (origin, lab) = start();
    let fields = ["cache-control: max-age=60, stale-if-error=600"];
    origin.does(move |_| answer(200, &fields, "good"));
    store(&lab, "/sie");
    expire(&lab);
    for status in [500, 502, 503, 504] {
        origin.does(move |_| answer(status, &[], "bad"));
        let stale = ask(&lab, &get("/sie"));
        assert_eq!(
            (stale.status, stale.text().as_str()),
            (200, "good"),
            "{status}"
        );
        let said = cache_status(&stale);
        assert!(
            said.contains(&format!("fwd-status={status}")) && said.contains("stale-if-error"),
            "{said}"
        );
    }
    origin.does(|_| Act::Drop);
    for _ in 0..3 {
        let stale = ask(&lab, &get("/sie"));
        assert_eq!(
            (stale.status, stale.text().as_str()),
            (200, "good"),
            "dropped"
        );
        let head = Request::new("HEAD", "/sie").field("host", "rules.example");
        let head = ask(&lab, &head);
        assert_eq!((head.status, head.body.len()), (200, 0), "dropped, HEAD");
    }
    // A body that breaks off is no failure that could be stood in for any more, and replaces nothing.
    let torn = "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 100\r\n\r\nhalf";
    origin.does(move |_| Act::SayAndEnd(torn.to_owned()));
    assert!(lab.client(0).timeout(SOON).send(&get("/sie")).is_err());
    origin.does(|_| Act::Drop);
    // On one connection: the message is whole.
    let mut client = lab.client(0).timeout(SOON);
    for _ in 0..3 {
        assert_eq!(client.send(&get("/sie")).unwrap().text(), "good");
    }
    // What forbids it, and what does not know of it, are not stood in for.
    origin.does(|_| {
        answer(
            200,
            &["cache-control: max-age=60, must-revalidate, stale-if-error=600"],
            "x",
        )
    });
    store(&lab, "/strict");
    expire(&lab);
    origin.does(|_| answer(503, &[], "bad"));
    assert_eq!(ask(&lab, &get("/strict")).status, 503);
    origin.does(|_| Act::Drop);
    assert_eq!(ask(&lab, &get("/strict")).status, 503);
}

/// How much Envoy asks of its upstream at once is what spares an origin whose cache is cold (README, Protecting the
/// origin). Beyond it Envoy answers itself, and that is a failure like the upstream's own.
#[test]
fn rfc5861_4_an_upstream_that_envoy_spares_is_stood_in_for() {
    let (origin, mut lab) = start();
    let fields = ["cache-control: max-age=60, stale-if-error=600"];
    origin.does(move |_| answer(200, &fields, "good"));
    store(&lab, "/spared");
    expire(&lab);
    reconfigure(&mut lab, |config| {
        let text = config.to_string();
        let none = text.replace("\"max_requests\":8192", "\"max_requests\":0");
        *config = none.parse().unwrap();
    });
    origin.take();
    for _ in 0..10 {
        assert_eq!(ask(&lab, &get("/cold")).status, 503);
        let stale = ask(&lab, &get("/spared"));
        assert_eq!((stale.status, stale.text().as_str()), (200, "good"));
        let said = cache_status(&stale);
        assert!(
            said.contains("fwd-status=503") && said.contains("stale-if-error"),
            "{said}"
        );
    }
    assert_eq!(origin.take().len(), 0);
}

#[test]
fn a_large_body_streams_through_while_it_is_copied() {
    const BYTES: usize = 1 << 20;
    let (origin, lab) = start();
    let pause = Duration::from_millis(1_500);
    let body: String = (0..BYTES)
        .map(|n| char::from(b'a' + (n % 26) as u8))
        .collect();
    let whole = text(200, &["cache-control: max-age=60"], &body);
    let (first, rest) = whole.split_at(whole.len() - BYTES / 2);
    let (first, rest) = (first.to_owned(), rest.to_owned());
    origin.does(move |_| Act::SayInTwo(first.clone(), pause, rest.clone()));
    let mut client = connect(&lab);
    client
        .write_all(b"GET /big HTTP/1.1\r\nhost: rules.example\r\nconnection: close\r\n\r\n")
        .unwrap();
    let begun = wait::now();
    let mut seen = Vec::new();
    let mut piece = vec![0; 64 << 10];
    let mut half_after = None;
    loop {
        let n = client.read(&mut piece).unwrap();
        if n == 0 {
            break;
        }
        seen.extend_from_slice(&piece[..n]);
        if half_after.is_none() && seen.len() > BYTES / 2 {
            half_after = Some(begun.elapsed());
        }
    }
    // The first half was there before the upstream said the second.
    assert!(half_after.unwrap() < pause, "{half_after:?}");
    assert!(begun.elapsed() >= pause);
    assert!(seen.ends_with(body.as_bytes()), "{} bytes", seen.len());
    eventually("stored", true, || is_hit(&ask(&lab, &get("/big"))));
    assert_eq!(ask(&lab, &get("/big")).text(), body);
}

#[test]
fn rfc9110_14_parts_of_a_stored_answer() {
    let (origin, lab) = start();
    origin.does(|_| {
        answer(
            200,
            &[
                "etag: \"v1\"",
                "cache-control: max-age=60",
                "content-type: text/x",
            ],
            "0123456789",
        )
    });
    store(&lab, "/part");
    origin.take();
    let mut client = lab.client(0).timeout(SOON);
    for (range, status, body, content_range) in [
        ("bytes=2-4", 206, "234", "bytes 2-4/10"),
        ("bytes=-2", 206, "89", "bytes 8-9/10"),
        ("bytes=99-", 416, "", "bytes */10"),
        ("bytes=0-", 206, "0123456789", "bytes 0-9/10"),
    ] {
        let part = client.send(&get("/part").field("range", range)).unwrap();
        assert_eq!(
            (part.status, part.text().as_str()),
            (status, body),
            "{range}"
        );
        assert_eq!(part.get("content-range").as_deref(), Some(content_range));
        // The next request on the same connection is answered too.
        assert_eq!(client.send(&get("/part")).unwrap().text(), "0123456789");
    }
    let other = get("/part")
        .field("range", "bytes=0-1")
        .field("if-range", "\"v0\"");
    assert_eq!(client.send(&other).unwrap().status, 200);
    assert!(origin.take().is_empty());
}

#[test]
fn interim_answers_and_trailers_pass_and_break_nothing() {
    let (origin, lab) = start();
    origin.does(|_| {
        let last = text(200, &["cache-control: max-age=60"], "body");
        Act::Say(format!(
            "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\nx-early: 1\r\n\r\n{last}"
        ))
    });
    let mut raw = connect(&lab);
    raw.write_all(b"GET /early HTTP/1.1\r\nhost: rules.example\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut all = String::new();
    raw.read_to_string(&mut all).unwrap();
    assert!(
        all.starts_with("HTTP/1.1 103 ") && all.contains("HTTP/1.1 200 ") && all.ends_with("body"),
        "{all}"
    );
    store(&lab, "/early");
    let hit = ask(&lab, &get("/early"));
    assert_eq!((hit.text().as_str(), hit.get("x-early")), ("body", None));
    // Trailers that Envoy does not pass on (it has to be told to) end nothing but the message.
    origin.does(|_| {
        Act::Say(
            "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ntransfer-encoding: chunked\r\n\r\n\
             4\r\nbody\r\n0\r\nx-trailer: 1\r\n\r\n"
                .to_owned(),
        )
    });
    let mut client = lab.client(0).timeout(SOON);
    for _ in 0..3 {
        assert_eq!(client.send(&get("/trailers")).unwrap().text(), "body");
    }
}

#[test]
fn the_key_and_the_query_of_a_policy() {
    let (origin, lab) = start();
    origin.does(|head| {
        let tenant = head
            .lines()
            .find(|line| line.starts_with("x-tenant:"))
            .unwrap_or("none")
            .to_owned();
        answer(200, &[], &tenant)
    });
    for tenant in ["a", "b"] {
        let request = get("/user?b=1&utm_source=x&a=2").field("x-tenant", tenant);
        eventually("a hit", true, || is_hit(&ask(&lab, &request)));
        assert_eq!(ask(&lab, &request).text(), format!("x-tenant: {tenant}"));
        let same = get("/user?a=2&b=1&utm_campaign=y").field("x-tenant", tenant);
        assert!(is_hit(&ask(&lab, &same)));
    }
    assert!(
        !is_hit(&ask(&lab, &get("/user?a=2&b=1"))),
        "without a tenant"
    );
    for head in origin.take() {
        assert!(head.starts_with("get /user?a=2&b=1 http/1.1"), "{head}");
    }
}

#[test]
fn damaged_records_of_any_version_are_replaced() {
    let (origin, lab) = start();
    origin.does(|_| answer(200, &["cache-control: max-age=60"], "good"));
    store(&lab, "/version");
    for version in 0..5 {
        let script = format!(
            "for _, k in ipairs(redis.call('KEYS', 'tg:c:*')) do \
             for _, f in ipairs(redis.call('HKEYS', k)) do if string.sub(f, 1, 2) == 'o:' then \
             local r = redis.call('HGET', k, f) \
             redis.call('HSET', k, f, string.char({version}) .. string.sub(r, 2, -2) .. '!') end end end return 1"
        );
        lab.redis_cache().call(&["EVAL", &script, "0"]).unwrap();
        let passed = ask(&lab, &get("/version"));
        assert_eq!((passed.status, passed.text().as_str()), (200, "good"));
        assert!(!is_hit(&passed), "{version}");
        store(&lab, "/version");
    }
}

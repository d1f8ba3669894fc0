//! Invalidation: by unsafe methods, by the admin API, by Pub/Sub; and what should not be in Redis at all.

use crate::cache_kit::{HOST, LAB, ask, cache_status, get, is_hit, warm};
use crate::kit::{eventually, keys};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tidegate_e2e::{Lab, Reply, Request, Response, crowd};

pub(crate) fn version(answer: &Response) -> u64 {
    answer.json().unwrap()["version"].as_u64().unwrap()
}

fn gone_everywhere(lab: &Lab, target: &str) {
    for envoy in 0..3 {
        // A miss fills, so each Envoy is asked for a stored object only by the first.
        let answer = ask(lab, envoy, &get(target));
        assert_eq!(answer.status, 200);
        if envoy == 0 {
            assert!(!is_hit(&answer), "{target}: {}", cache_status(&answer));
        }
    }
}

#[test]
fn after_a_change_is_acknowledged_no_envoy_serves_the_old_body() {
    nothing_older_than_what_is_acknowledged(&LAB.turn(), "/api/products/changing");
}

/// 60 changes at one Envoy after the other, while nine clients ask all of them.
pub(crate) fn nothing_older_than_what_is_acknowledged(lab: &Lab, target: &str) {
    warm(lab, &get(target));
    let (acknowledged, hits, done) = (AtomicU64::new(1), AtomicU64::new(0), AtomicBool::new(false));
    let methods = ["PUT", "POST", "PATCH", "DELETE"];
    crowd(10, |i| {
        let mut client = lab.client(u16::try_from(i % 3).unwrap());
        if i == 0 {
            for n in 0..60_usize {
                let change = Request::new(methods[n % 4], target).field("host", HOST);
                let answer = lab
                    .client(u16::try_from(n % 3).unwrap())
                    .send(&change)
                    .unwrap();
                assert_eq!(answer.status, 204);
                acknowledged.fetch_add(1, Ordering::SeqCst);
                // Give the readers time to fill it again, so that there is something to invalidate.
                let goal = hits.load(Ordering::SeqCst) + 3;
                for _ in 0..100 {
                    if hits.load(Ordering::SeqCst) >= goal {
                        break;
                    }
                    std::thread::sleep(std::time::Duration::from_millis(2));
                }
            }
            done.store(true, Ordering::SeqCst);
            return;
        }
        while !done.load(Ordering::SeqCst) {
            let least = acknowledged.load(Ordering::SeqCst);
            let answer = client.send(&get(target)).unwrap();
            let seen = version(&answer);
            assert!(
                seen >= least,
                "version {seen} after {least} was acknowledged: {}",
                cache_status(&answer)
            );
            if is_hit(&answer) {
                hits.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    assert!(
        hits.load(Ordering::SeqCst) >= 60,
        "{hits:?} hits prove nothing"
    );
    assert_eq!(version(&ask(lab, 2, &get(target))), 61);
}

#[test]
fn a_failed_change_invalidates_nothing() {
    let lab = LAB.turn();
    for (target, hit) in [("/status/404", true), ("/api/products/unsafe", false)] {
        let stored = get(target);
        if hit {
            // A stored 404 stays after a PUT that was answered 404.
            eventually("stored", true, || {
                cache_status(&ask(&lab, 0, &stored)).contains("; hit")
            });
        } else {
            warm(&lab, &stored);
        }
        ask(&lab, 1, &Request::new("PUT", target).field("host", HOST));
        assert_eq!(is_hit(&ask(&lab, 2, &stored)), hit, "{target}");
    }
}

fn publish(lab: &Lab, name: &str) {
    let channel = format!("tg:cache:invalidate:{name}");
    // Either server may be told; every bridge listens on both.
    for redis in [lab.redis(), lab.redis_cache()] {
        let heard = redis.call(&["PUBLISH", &channel, ""]).unwrap();
        assert!(matches!(heard, Reply::Integer(_)), "{heard:?}");
    }
}

#[test]
fn a_publish_evicts_by_url_by_path_and_by_tag() {
    let lab = LAB.turn();
    let ways = [
        format!("http://{HOST}/api/products/p1?q=1"),
        "/api/products/p1?q=1".to_owned(),
        "tag:product-p1".to_owned(),
    ];
    let target = "/api/products/p1?q=1";
    for way in &ways {
        warm(&lab, &get(target));
        warm(&lab, &get("/api/products/bystander"));
        publish(&lab, way);
        eventually(way, false, || is_hit(&ask(&lab, 1, &get(target))));
        assert!(
            is_hit(&ask(&lab, 2, &get("/api/products/bystander"))),
            "{way}"
        );
    }
    // What names nothing is passed over and stops nothing.
    warm(&lab, &get(target));
    for odd in [
        "",
        "tag:",
        "http://",
        "x",
        "http://a b/",
        "tag:\u{0}",
        "/../..",
        "*",
    ] {
        publish(&lab, odd);
    }
    publish(&lab, "tag:products");
    eventually("still listening", false, || {
        is_hit(&ask(&lab, 0, &get("/api/products")))
    });
}

#[test]
fn a_publish_on_one_redis_alone_is_enough() {
    let lab = LAB.turn();
    let target = "/api/products/one-side";
    for redis in [lab.redis(), lab.redis_cache()] {
        warm(&lab, &get(target));
        let channel = format!("tg:cache:invalidate:http://{HOST}{target}");
        redis.call(&["PUBLISH", &channel, ""]).unwrap();
        eventually(redis.address(), false, || {
            is_hit(&ask(&lab, 0, &get(target)))
        });
    }
}

#[test]
fn the_admin_api_purges_by_url_by_tag_and_by_prefix() {
    let lab = LAB.turn();
    let targets = ["/api/products/a1", "/api/products/a2", "/api/products/a2?x"];
    let ways: [(Value, usize); 7] = [
        (
            json!({ "url": format!("http://{HOST}/api/products/a1") }),
            1,
        ),
        (json!({ "url": "/api/products/a2?x" }), 1),
        (json!({ "tag": "product-a2" }), 2),
        (json!({ "tag": "products" }), 3),
        (
            json!({ "group": { "origin": format!("http://{HOST}/"), "name": "a" } }),
            0,
        ),
        (json!({ "prefix": "/api/products/a" }), 3),
        (
            json!({ "prefix": format!("http://{HOST}/api/products/a2") }),
            2,
        ),
    ];
    for (i, (way, purged)) in ways.into_iter().enumerate() {
        lab.admin()
            .post("/v1/cache/purge", &json!({ "prefix": "/api" }))
            .unwrap();
        for target in targets {
            warm(&lab, &get(target));
        }
        let bridge = u16::try_from(i % 2).unwrap();
        let answer = lab.admin_of(bridge).post("/v1/cache/purge", &way).unwrap();
        assert_eq!(
            (answer.status, answer.json().unwrap()["purged"].clone()),
            (200, purged.into()),
            "{way}"
        );
        let hits = targets
            .iter()
            .filter(|target| is_hit(&ask(&lab, 2, &get(target))));
        assert_eq!(hits.count(), targets.len() - purged, "{way}");
    }
    for target in targets {
        warm(&lab, &get(target));
    }
    let answer = lab
        .admin()
        .post("/v1/cache/purge", &json!({ "all": true }))
        .unwrap();
    assert!(answer.json().unwrap()["purged"].as_u64() >= Some(3));
    for target in targets {
        assert!(!is_hit(&ask(&lab, 1, &get(target))), "{target}");
    }
    for bad in [
        json!({}),
        json!({ "url": "" }),
        json!({ "tag": "" }),
        json!({ "url": "/a", "tag": "b" }),
        json!({ "all": false }),
        json!({ "all": true, "tag": "b" }),
        json!({ "group": { "origin": "nowhere", "name": "a" } }),
    ] {
        assert_eq!(
            lab.admin().post("/v1/cache/purge", &bad).unwrap().status,
            400,
            "{bad}"
        );
    }
    gone_everywhere(&lab, "/api/products/never-asked");
}

#[test]
fn rfc9875_the_admin_api_purges_a_group_of_one_origin() {
    let lab = LAB.turn();
    let target = "/headers?cache-control=max-age%3D60&cache-groups=%22shop%22";
    warm(&lab, &get(target));
    let here = format!("http://{HOST}/any/page");
    for (origin, name, purged) in [
        ("http://other.example/", "shop", 0),
        (&here, "other", 0),
        (&here, "shop", 1),
        (&here, "shop", 0),
    ] {
        let group = json!({ "group": { "origin": origin, "name": name } });
        let answer = lab.admin().post("/v1/cache/purge", &group).unwrap();
        assert_eq!(answer.json().unwrap()["purged"], purged, "{group}");
    }
    assert!(!is_hit(&ask(&lab, 1, &get(target))));
}

/// The key of the one object that is stored while `fill` runs.
fn stored_key(lab: &Lab, fill: impl Fn()) -> Vec<u8> {
    let before = keys(&lab.redis_cache());
    fill();
    let after = keys(&lab.redis_cache());
    let mut fresh = after
        .difference(&before)
        .filter(|key| key.starts_with(b"tg:c:"));
    let key = fresh.next().unwrap().clone();
    assert!(fresh.next().is_none());
    key
}

#[test]
fn an_object_that_cannot_be_read_is_a_miss_counted_and_removed() {
    let lab = LAB.turn();
    let redis = lab.redis_cache();
    let errors = || lab.stat("tidegate.cache.catalog.error").unwrap();
    for (n, how) in ["flip", "cut", "empty", "random", "long"]
        .into_iter()
        .enumerate()
    {
        let target = format!("/api/products/damaged-{n}");
        let key = stored_key(&lab, || warm(&lab, &get(&target)));
        let all = redis.call(&[b"HGETALL".as_slice(), &key]).unwrap();
        let object = all
            .items()
            .chunks(2)
            .find(|pair| pair[0].text().starts_with("o:"))
            .unwrap();
        let Reply::Text(mut record) = object[1].clone() else {
            panic!("{object:?}");
        };
        match how {
            "flip" => *record.last_mut().unwrap() ^= 1,
            "cut" => record.truncate(record.len() / 2),
            "empty" => record.clear(),
            "random" => record = (0..200_u8).map(|i| i.wrapping_mul(97)).collect(),
            _ => record.extend([0; 100]),
        }
        let field = object[0].text();
        redis
            .call(&[b"HSET".as_slice(), &key, field.as_bytes(), &record])
            .unwrap();
        let before = errors();
        let answer = ask(&lab, 0, &get(&target));
        assert_eq!(answer.status, 200, "{how}");
        assert!(!is_hit(&answer), "{how}");
        assert_eq!(answer.json().unwrap()["version"], 1, "{how}");
        eventually("counted", true, || errors() > before);
        // The damaged one does not stand in the way of a good one.
        warm(&lab, &get(&target));
    }
}

#[test]
fn a_key_of_another_type_in_the_place_of_an_object_is_a_miss_and_goes() {
    let lab = LAB.turn();
    let redis = lab.redis_cache();
    for (n, plant) in [
        ["SET", "KEY", "x"].as_slice(),
        &["LPUSH", "KEY", "x"],
        &["HSET", "KEY", "u", "elsewhere"],
        &["HSET", "KEY", "o:x", "y"],
    ]
    .into_iter()
    .enumerate()
    {
        let target = format!("/api/products/planted-{n}");
        let key = stored_key(&lab, || warm(&lab, &get(&target)));
        redis.call(&[b"DEL".as_slice(), &key]).unwrap();
        let command: Vec<&[u8]> = plant
            .iter()
            .map(|part| {
                if *part == "KEY" {
                    key.as_slice()
                } else {
                    part.as_bytes()
                }
            })
            .collect();
        redis.call(&command).unwrap();
        for envoy in 0..3 {
            assert_eq!(ask(&lab, envoy, &get(&target)).status, 200, "{plant:?}");
        }
        if n != 2 {
            warm(&lab, &get(&target));
        }
        redis.call(&[b"DEL".as_slice(), &key]).unwrap();
    }
}

//! Objects in the memory of workers: answered without anybody being asked, and gone everywhere when a change or
//! a purge is answered.

use crate::cache_kit::{HOST, cache_status, get, is_hit};
use crate::invalidation::nothing_older_than_what_is_acknowledged;
use crate::kit::{SOON, Shared, eventually};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tidegate_e2e::{Lab, Response, crowd, wait};
use tidegate_stack::fault::Faults;

const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 1s }
caches:
  catalog: { max_body: 64KiB, tags_header: surrogate-key, ttl: 50s, l1: 4MiB }
policies:
  shop: { cache: catalog }
default_policy: shop
";

static LAB: Shared = Shared::new(|| Lab::with(POLICY, |spec| spec.envoys = 3));

/// Connections, so that every worker of every Envoy has some.
const CLIENTS: usize = 24;

fn count(lab: &Lab, event: &str) -> u64 {
    lab.stat(&format!("tidegate.cache.catalog.{event}"))
        .unwrap()
}

fn from_memory(answer: &Response) -> bool {
    cache_status(answer).ends_with("; detail=l1")
}

/// What all clients are answered at once.
fn all(lab: &Lab, target: &str) -> Vec<Response> {
    crowd(CLIENTS, |i| {
        let envoy = u16::try_from(i).unwrap() % lab.spec().envoys;
        let mut client = lab.client(envoy).timeout(SOON);
        client.send(&get(target)).unwrap()
    })
}

/// Every worker has it in memory, as far as many connections tell; the body.
fn remembered(lab: &Lab, target: &str) -> String {
    eventually("all answer from memory", true, || {
        all(lab, target).iter().all(from_memory)
    });
    lab.client(0).send(&get(target)).unwrap().text()
}

#[test]
fn a_hit_in_memory_makes_no_exchange() {
    let lab = LAB.turn();
    let target = "/api/products/remembered";
    remembered(&lab, target);
    let before = lab.stat("tidegate.exchange.sent").unwrap();
    let mut asked = 0;
    for _ in 0..10 {
        for answer in all(&lab, target) {
            assert!(is_hit(&answer), "{}", cache_status(&answer));
            asked += u64::from(!from_memory(&answer));
        }
    }
    // A worker whose thread stands still for 200 ms asks Redis until it has heard from a bridge again.
    assert!(asked <= 40, "{asked} of 240");
    eventually("only those were exchanges", before + asked, || {
        lab.stat("tidegate.exchange.sent").unwrap()
    });
}

#[test]
fn c1_after_a_change_is_acknowledged_no_worker_serves_the_old_body() {
    nothing_older_than_what_is_acknowledged(&LAB.turn(), "/api/products/l1-changing");
}

#[test]
fn c1_after_a_purge_is_answered_no_worker_serves_the_old_body() {
    let lab = LAB.turn();
    let target = "/fill/purged?control=max-age%3D50&tag=l1-tag";
    let ways: [Value; 4] = [
        json!({ "url": format!("http://{HOST}{target}") }),
        json!({ "tag": "l1-tag" }),
        json!({ "prefix": "/fill/purged" }),
        json!({ "prefix": format!("http://{HOST}/") }),
    ];
    for (i, way) in ways.iter().cycle().take(8).enumerate() {
        let old = remembered(&lab, target);
        let bridge = u16::try_from(i % 2).unwrap();
        let begun = wait::now();
        let answer = lab.admin_of(bridge).post("/v1/cache/purge", way).unwrap();
        let took = begun.elapsed();
        assert_eq!(answer.status, 200, "{way}");
        for answer in all(&lab, target) {
            assert_ne!(answer.text(), old, "{way}, {took:?} after it began");
        }
        assert!(took < Duration::from_secs(1), "{way}: {took:?}");
    }
}

#[test]
fn c1_a_purge_waits_for_workers_that_hear_nothing() {
    let lab = Lab::with(POLICY, |spec| spec.faults = true);
    let target = "/fill/unheard?control=max-age%3D50";
    let url = json!({ "url": format!("http://{HOST}{target}") });
    for _ in 0..3 {
        let old = remembered(&lab, target);
        let mut stalled = Faults::default();
        stalled.down.stall = true;
        for link in ["envoy-bridge-0", "envoy-bridge-1"] {
            lab.faults().set(link, &stalled).unwrap();
        }
        let begun = wait::now();
        let answer = lab.admin().post("/v1/cache/purge", &url).unwrap();
        let took = begun.elapsed();
        assert_eq!(answer.status, 200);
        // Bridges are not heard, so the upstream is asked.
        for answer in all(&lab, target) {
            assert_ne!(answer.text(), old, "{took:?} after it began");
        }
        assert!(took < Duration::from_secs(1), "{took:?}");
        lab.faults().heal("").unwrap();
    }
}

#[test]
fn c1_a_purge_holds_while_bridges_go_and_come_back() {
    let mut lab = Lab::with(POLICY, |spec| spec.envoys = 2);
    let target = "/fill/killed?control=max-age%3D50";
    let url = json!({ "url": format!("http://{HOST}{target}") });
    let everybody = |lab: &Lab| {
        crowd(16, |i| {
            let mut client = lab.client(u16::try_from(i % 2).unwrap()).timeout(SOON);
            client.send(&get(target)).unwrap().text()
        })
    };
    for round in 0..4 {
        for _ in 0..20 {
            everybody(&lab);
        }
        let old = everybody(&lab);
        let (dies, lives) = (format!("bridge-{}", round % 2), 1 - round % 2);
        lab.kill(&dies).unwrap();
        let answer = lab.admin_of(lives).post("/v1/cache/purge", &url).unwrap();
        assert_eq!(answer.status, 200);
        for body in everybody(&lab) {
            assert!(!old.contains(&body), "round {round}: {body}");
        }
        lab.revive(&dies).unwrap();
    }
    assert!(count(&lab, "hit_l1") > 100, "memory was used");
}

/// Without a receipt, hence some time later.
#[test]
fn a_bare_publish_reaches_every_memory() {
    let lab = LAB.turn();
    let target = "/fill/published?control=max-age%3D50";
    let old = remembered(&lab, target);
    let channel = format!("tg:cache:invalidate:http://{HOST}{target}");
    lab.redis_cache().call(&["PUBLISH", &channel, ""]).unwrap();
    eventually("nobody has the old one", true, || {
        all(&lab, target).iter().all(|answer| answer.text() != old)
    });
}

/// Fills under way while purges are answered: what was read before is not kept after.
#[test]
fn c3_purges_under_load_leave_nothing_old_behind() {
    let lab = LAB.turn();
    let target = "/api/products/l1-load";
    let url = json!({ "url": format!("http://{HOST}{target}") });
    let (changed, done) = (AtomicU64::new(1), AtomicBool::new(false));
    let version = |answer: &Response| answer.json().unwrap()["version"].as_u64().unwrap();
    let before = count(&lab, "hit_l1");
    crowd(13, |i| {
        if i == 0 {
            // The upstream is changed past the proxy, then the purge makes it known.
            let upstream = lab.endpoints().unwrap().upstream;
            for _ in 0..40 {
                let put = tidegate_e2e::Request::new("PUT", target);
                tidegate_e2e::Client::new(&upstream).send(&put).unwrap();
                let answer = lab.admin().post("/v1/cache/purge", &url).unwrap();
                assert_eq!(answer.status, 200);
                changed.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(25));
            }
            done.store(true, Ordering::SeqCst);
            return;
        }
        let mut client = lab.client(u16::try_from(i % 3).unwrap()).timeout(SOON);
        while !done.load(Ordering::SeqCst) {
            let least = changed.load(Ordering::SeqCst);
            let seen = version(&client.send(&get(target)).unwrap());
            assert!(seen >= least, "version {seen} after {least} was purged");
        }
    });
    assert!(count(&lab, "hit_l1") > before + 100, "memory was used");
}

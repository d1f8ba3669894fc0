//! The fault proxies are on every link and do what they are told; what the parts then do is other modules' matter.

use crate::kit::eventually;
use std::time::{Duration, Instant};
use tidegate_e2e::{Lab, RedisKind, SAMPLE};
use tidegate_stack::fault::{Accept, Direction, Faults};

fn up(up: Direction) -> Faults {
    Faults {
        up,
        ..Faults::default()
    }
}

#[test]
fn every_link_is_used_and_heals() {
    let lab = Lab::with(SAMPLE, |spec| spec.faults = true);
    let api = lab.endpoints().unwrap().faults;
    assert!(api.is_some_and(|api| api.starts_with("http://127.0.0.1:")));
    assert_eq!(lab.client(0).get("/api/cart").unwrap().status, 200);
    lab.client(0).get("/api/products").unwrap();

    let links = lab.faults().describe("").unwrap();
    let links = links["links"].as_array().unwrap();
    let names: Vec<_> = links
        .iter()
        .map(|link| link["name"].as_str().unwrap())
        .collect();
    let expected = [
        "client-envoy-0",
        "envoy-bridge-0",
        "envoy-bridge-1",
        "bridge-redis-0",
        "bridge-cache",
    ];
    assert_eq!(names, expected);
    for link in links {
        assert!(link["accepted"].as_u64().unwrap() > 0, "nobody uses {link}");
    }

    // Bridge and Redis stop hearing each other: a limit that is asked there cannot be decided in time.
    lab.faults()
        .set(
            "bridge-redis-*",
            &up(Direction {
                stall: true,
                ..Direction::default()
            }),
        )
        .unwrap();
    let errors = lab.stat("tidegate.limit.per-ip.error").unwrap();
    lab.client(0).get("/api/cart").unwrap();
    eventually("counted", true, || {
        lab.stat("tidegate.limit.per-ip.error").unwrap() > errors
    });
    lab.faults().heal("").unwrap();
    tidegate_e2e::wait::until("decisions again", Duration::from_secs(10), || {
        let answer = lab.client(0).get("/api/cart").map_err(|e| e.to_string())?;
        if answer.get("ratelimit").is_some() {
            Ok(())
        } else {
            Err(answer.text())
        }
    })
    .unwrap();

    // Clients wait as long as the link says.
    lab.faults()
        .set(
            "client-envoy-0",
            &up(Direction {
                delay_ms: 150,
                ..Direction::default()
            }),
        )
        .unwrap();
    #[expect(clippy::disallowed_methods, reason = "real time is what is tested")]
    let before = Instant::now();
    lab.client(0).get("/echo").unwrap();
    assert!(before.elapsed() >= Duration::from_millis(150));
    lab.faults()
        .set(
            "client-envoy-0",
            &Faults {
                accept: Accept::Reset,
                ..Faults::default()
            },
        )
        .unwrap();
    assert!(lab.client(0).get("/echo").is_err());
}

#[test]
fn the_proxies_stand_before_cluster_nodes_too() {
    let lab = Lab::with(SAMPLE, |spec| {
        spec.faults = true;
        spec.redis = RedisKind::Cluster;
    });
    assert_eq!(lab.client(0).get("/api/cart").unwrap().status, 200);
    let slots = lab.redis().call(&["CLUSTER", "SLOTS"]).unwrap();
    let announced: Vec<i64> = slots
        .items()
        .iter()
        .map(|range| range.items()[2].items()[1].int().unwrap())
        .collect();
    let proxies: Vec<i64> = (0..6)
        .map(|i| i64::from(lab.spec().state_fault_port(i)))
        .collect();
    assert!(
        announced.iter().all(|port| proxies.contains(port)),
        "{announced:?}"
    );
}

//! Starting and ending.

use crate::program::{gone, program};
use serde_json::Value;
use tidegate_e2e::{Client, Lab, RedisKind, SAMPLE};
use tidegate_stack::Endpoints;

fn up(port: u16) -> (String, Endpoints) {
    let output = program("up", port).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let line = String::from_utf8(output.stdout).unwrap();
    let endpoints = serde_json::from_str(&line).unwrap();
    (line, endpoints)
}

#[test]
fn up_says_where_everything_is_and_down_leaves_nothing() {
    let port = 12_000;
    let (line, endpoints) = up(port);
    assert_eq!(line.lines().count(), 1, "{line}");
    let json: Value = serde_json::from_str(&line).unwrap();
    for key in [
        "envoys",
        "envoy_admin",
        "bridges",
        "redis",
        "redis_cache",
        "upstream",
        "admin_token_file",
    ] {
        assert!(json.get(key).is_some(), "{key} is not in {line}");
    }
    assert_eq!(endpoints.envoys, ["http://127.0.0.1:12000"]);
    assert_eq!(endpoints.bridges.len(), 2);
    assert_eq!(
        Client::new(&endpoints.envoys[0])
            .get("/echo")
            .unwrap()
            .status,
        200
    );

    // The same name again: refused, and nothing of the first is touched.
    let again = program("up", port).output().unwrap();
    assert!(!again.status.success());
    assert!(String::from_utf8_lossy(&again.stderr).contains("make down"));
    assert_eq!(
        Client::new(&endpoints.envoys[0])
            .get("/echo")
            .unwrap()
            .status,
        200
    );

    let pids: Vec<u32> = endpoints.pids.values().copied().collect();
    assert!(pids.len() >= 6, "{line}");
    assert!(program("down", port).status().unwrap().success());
    gone(&pids);
    // Down again has nothing to do and says no error.
    assert!(program("down", port).status().unwrap().success());
}

#[test]
fn a_stack_ends_with_its_program_even_when_that_is_killed() {
    let port = 12_100;
    let mut run = program("run", port).spawn().unwrap();
    let file =
        tidegate_stack::spec::root().join(format!("target/stack/program-{port}/endpoints.json"));
    let _stale = std::fs::remove_file(&file);
    let endpoints =
        tidegate_e2e::wait::until("make run", std::time::Duration::from_secs(60), || {
            Endpoints::load(&file).map_err(|e| e.to_string())
        })
        .unwrap();
    run.kill().unwrap();
    run.wait().unwrap();
    gone(&endpoints.pids.values().copied().collect::<Vec<_>>());
}

#[test]
fn a_stack_that_cannot_start_says_why_and_leaves_nothing() {
    let error = Lab::try_with("version: 1\nnamespace: [", |_| {})
        .unwrap_err()
        .to_string();
    assert!(error.contains("not YAML"), "{error}");

    // Another's server on one of our ports would answer in place of ours.
    let mut port = 0;
    let mut other = None;
    let error = Lab::try_with(SAMPLE, |spec| {
        port = spec.port;
        other = Some(std::net::TcpListener::bind(("127.0.0.1", spec.cache_port())).unwrap());
    });
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains(&format!("port {}", port + 70))
    );
}

#[test]
fn killed_parts_come_back_as_they_were() {
    let mut lab = Lab::new(SAMPLE);
    for part in lab.names() {
        let pid = lab.pid(&part).unwrap();
        lab.kill(&part).unwrap();
        assert!(lab.pid(&part).is_err());
        lab.revive(&part).unwrap();
        assert_ne!(lab.pid(&part).unwrap(), pid, "{part}");
    }
    assert_eq!(lab.client(0).get("/echo").unwrap().status, 200);
}

#[test]
fn redis_cluster_has_all_slots_and_replicas() {
    let lab = Lab::with(SAMPLE, |spec| spec.redis = RedisKind::Cluster);
    assert_eq!(lab.endpoints().unwrap().redis.len(), 6);
    let info = lab.redis().call(&["CLUSTER", "INFO"]).unwrap().text();
    assert!(info.contains("cluster_slots_ok:16384"), "{info}");
    assert_eq!(lab.client(0).get("/api/cart").unwrap().status, 200);
}

#[test]
fn redis_with_sentinels() {
    let lab = Lab::with(SAMPLE, |spec| spec.redis = RedisKind::Sentinel);
    let endpoints = lab.endpoints().unwrap();
    assert_eq!((endpoints.redis.len(), endpoints.sentinels.len()), (3, 3));
    assert_eq!(
        lab.redis().info("connected_slaves").unwrap().as_deref(),
        Some("2")
    );
    assert_eq!(lab.client(0).get("/api/cart").unwrap().status, 200);
}

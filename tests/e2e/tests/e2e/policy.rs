//! Changing the policy and the module of a running Envoy.

use crate::kit::eventually;
use crate::program::program;
use serde_json::json;
use std::fs;
use std::time::Duration;
use tidegate_e2e::{Client, Lab, Load, Request, SAMPLE, wait};
use tidegate_stack::{Endpoints, bridge, spec};

/// Custom sections (id 0) change a module's bytes and nothing else.
fn another(module: &std::path::Path, n: u8) -> Vec<u8> {
    let mut bytes = fs::read(module).unwrap();
    bytes.extend_from_slice(&[0, 6, 4, b't', b'e', b's', b't', n]);
    bytes
}

#[test]
fn five_swaps_of_policy_and_module_under_load_fail_no_request() {
    let sample = SAMPLE.replace("limit: 1200,", "limit: 1000000,");
    let mut lab = Lab::new(&sample);
    let addresses = lab.endpoints().unwrap().envoys;
    let load = Load::start(&addresses, 8, |_, n| {
        Request::get(if n % 2 == 0 { "/echo" } else { "/api/products" })
    });
    let module = bridge::module(lab.spec()).unwrap().unwrap();
    for n in 0..5_u8 {
        lab.swap(&sample.replace("limit: 100,", &format!("limit: {},", 200 + u16::from(n))))
            .unwrap();
        let fresh = lab.files().dir().join("fresh.wasm");
        fs::write(&fresh, another(&module, n)).unwrap();
        lab.apply_wasm(&fresh).unwrap();
        assert_eq!(lab.live_workers().unwrap(), (2, 2), "swap {n}");
        load.goes_on(100);
    }
    load.reaches(501);
    let tally = load.stop();
    assert!(tally.total > 500, "{tally:?}");
    assert_eq!(tally.other_than(200), 0, "{tally:?}");
    let answer = lab.client(0).get("/api/cart").unwrap();
    let policy = answer.all("ratelimit-policy").join(",");
    assert!(policy.contains("204"), "the last policy is live: {policy}");
}

#[test]
fn a_bad_policy_is_refused_with_its_reason_and_the_old_one_serves() {
    let mut lab = Lab::new(SAMPLE);
    let bad = SAMPLE.replace(
        "window: 1m, key: [client.ip]",
        "window: 0s, key: [client.ip]",
    );
    let error = lab.swap(&bad).unwrap_err().to_string();
    assert!(error.contains("limits.per-ip.window"), "{error}");
    assert_eq!(lab.client(0).get("/admin/").unwrap().status, 401);

    // The same past our own check: the filter refuses it inside Envoy.
    let mut value = lab.policy().value.clone();
    value["limits"]["per-ip"]["window"] = json!("0s");
    let error = lab.applier().unchecked(&value).unwrap_err().to_string();
    assert!(
        error.contains("refused by Envoy") && error.contains("window"),
        "{error}"
    );
    assert_eq!(lab.client(0).get("/admin/").unwrap().status, 401);
    assert_eq!(lab.live_workers().unwrap(), (2, 2));
}

/// Fields of limits that make no sense, as they reach the filter past our own check: every number a double.
#[test]
fn limits_that_cannot_be_meant_are_refused_inside_envoy() {
    let mut lab = Lab::new(SAMPLE);
    for (field, value, reason) in [
        ("cost", json!(0.5), "cost: must be a whole number"),
        ("cost", json!({ "header": "x-cost" }), "cost.max: missing"),
        (
            "apply",
            json!({ "response_status": [401, 99] }),
            "apply.response_status[1]: must be a status",
        ),
        ("enforce", json!(25), "enforce: must be a percentage"),
        ("lease", json!({ "max": "0%" }), "lease.max: must be > 0%"),
        (
            "timezone",
            json!("Europe/Berlin"),
            "timezone: only with window: day, week, month or year",
        ),
        (
            "on_denied",
            json!({ "headers": { "transfer-encoding": "chunked" } }),
            "on_denied.headers.transfer-encoding: is of the connection",
        ),
        (
            "slot_ttl",
            json!("1m"),
            "slot_ttl: only with algorithm: concurrency",
        ),
        (
            "retry_jitter",
            json!("1ms"),
            "retry_jitter: must be 1s to 1h",
        ),
    ] {
        let mut policy = lab.policy().value.clone();
        policy["limits"]["per-ip"][field] = value;
        let error = lab.applier().unchecked(&policy).unwrap_err().to_string();
        assert!(
            error.contains("refused by Envoy")
                && error.contains(&format!("limits.per-ip.{reason}")),
            "{field}: {error}"
        );
    }
    let mut policy = lab.policy().value.clone();
    policy["limits"]["per-ip"]["window"] = json!("month");
    policy["limits"]["per-ip"]["timezone"] = json!("Europe/Berln");
    let error = lab.applier().unchecked(&policy).unwrap_err().to_string();
    assert!(
        error.contains("limits.per-ip.timezone: must be the name of an IANA time zone"),
        "{error}"
    );
    assert_eq!(lab.client(0).get("/admin/").unwrap().status, 401);
    assert_eq!(lab.live_workers().unwrap(), (2, 2));

    // And what is sound is taken, with every field there is.
    let good = include_str!("../../../data/policies/ok/limits.yaml");
    lab.swap(good).unwrap();
    assert_eq!(lab.live_workers().unwrap(), (2, 2));
}

#[test]
fn route_metadata_names_the_policy_and_wins_over_routes() {
    let lab = Lab::sample();
    let answer = lab.client(0).get("/routed-by-metadata").unwrap();
    assert_eq!(answer.status, 401);
    assert_eq!(answer.json().unwrap()["policy"], "admin");
    assert_eq!(
        lab.client(0).get("/routed-by-metadata-not").unwrap().status,
        200
    );
}

#[test]
fn a_policy_that_route_metadata_names_but_nobody_wrote_refuses_the_request() {
    let lab = Lab::new("version: 1\nnamespace: tg\npolicies: { other: {} }\n");
    assert_eq!(
        lab.client(0).get("/routed-by-metadata").unwrap().status,
        500
    );
    eventually("counted", true, || {
        lab.stat("tidegate.policy_unknown").unwrap() > 0
    });
    assert_eq!(lab.client(0).get("/echo").unwrap().status, 200);
}

#[test]
fn saving_the_policy_file_of_a_stack_in_the_background_applies_it() {
    let port = 12_200;
    let file = spec::root().join("target/stack-saved-policy.yaml");
    fs::write(&file, SAMPLE).unwrap();
    let output = program("up", port).env("POLICY", &file).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let endpoints: Endpoints = serde_json::from_slice(&output.stdout).unwrap();
    let status = || {
        Client::new(&endpoints.envoys[0])
            .get("/echo")
            .unwrap()
            .status
    };
    assert_eq!(status(), 200);

    let guarded = SAMPLE.replace("path_prefix: /admin }", "path_prefix: /echo }");
    fs::write(&file, &guarded).unwrap();
    wait::until(
        "the saved policy is live",
        Duration::from_secs(10),
        || match status() {
            401 => Ok(()),
            other => Err(other.to_string()),
        },
    )
    .unwrap();

    fs::write(&file, guarded.replace("version: 1", "version: 7")).unwrap();
    let log = std::path::Path::new(&endpoints.logs).join("watch.log");
    let seen = wait::until("the refusal is logged", Duration::from_secs(10), || {
        let text = fs::read_to_string(&log).unwrap_or_default();
        if text.contains("not applied") {
            Ok(text)
        } else {
            Err(text)
        }
    })
    .unwrap();
    assert!(seen.contains("version"), "{seen}");
    assert_eq!(status(), 401);
    assert!(program("down", port).status().unwrap().success());
    fs::remove_file(file).unwrap();
}

//! What operators see: metrics, the alerts and the dashboard made of them.

use crate::harness::*;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

fn shipped(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../envoy")
        .join(name)
}

async fn scrape(bridge: &Bridge) -> String {
    bridge
        .try_admin("GET", "/metrics", &[], "")
        .await
        .unwrap()
        .text()
}

#[tokio::test]
async fn latencies_are_told_by_carrier_verb_and_script_and_queues_by_role() {
    let redis = Redis::start(&["--maxmemory", "100mb"]).await;
    let bridge = Bridge::start(&redis).await;
    for n in 0..3 {
        bridge.exchange(&[take(b"subject-metrics1", n)]).await;
    }
    bridge.store(b"http://h/x", b"body", vec![b"tag"]).await;
    let created = bridge
        .admin("POST", "/v1/sessions", r#"{"realm":"web","uid":"1"}"#)
        .await;
    assert_eq!(created.status, 201);
    let mut stream = bridge.stream().await;
    stream.greet().await;
    let text = scrape(&bridge).await;
    for line in [
        "exchange_seconds_count{carrier=\"unary\"} 6",
        "exchange_seconds_count{carrier=\"admin\"} 1",
        "exchange_seconds_bucket{le=\"+Inf\",carrier=\"unary\"} 6",
        "op_seconds_count{verb=\"LIMIT.TAKE\"} 3",
        "op_seconds_count{verb=\"CACHE.PUT\"} 1",
        "op_seconds_count{verb=\"admin\"} 1",
        "script_seconds_count{script=\"session_create\"} 1",
        "script_seconds_count{script=\"limit_take_plain\"} 3",
        "queue_commands{role=\"state\"} 0",
        "batches_in_flight{role=\"durable\"} 0",
        "pending_exchanges 0",
        "pending_exchanges_max 16384",
        "pending_bytes_max 67108864",
    ] {
        let line = format!("tidegate_bridge_{line}\n");
        assert!(text.contains(&line), "{line} in {text}");
    }
    let sum = bridge.metric("exchange_seconds_sum").await;
    assert!(sum > 0.0 && sum < 60.0, "{sum}");
}

/// Beside the path of requests, within seconds of what happens to Redis.
#[tokio::test]
async fn redis_own_word_is_told_for_every_server() {
    let mut redis = Redis::start(&["--maxmemory", "100mb"]).await;
    let bridge = Bridge::start(&redis).await;
    let server = redis.url().replace("redis+unix://", "unix:");
    let line = |name: &str, value: &str| {
        format!("tidegate_bridge_redis_{name}{{role=\"state\",server=\"{server}\"}} {value}\n")
    };
    eventually("told", async || {
        let text = scrape(&bridge).await;
        text.contains(&line("up", "1.0"))
            && text.contains(&line("primary", "1.0"))
            && text.contains(&line("memory_max_bytes", "104857600.0"))
            && text.contains(&line("evicted_keys_total", "0.0"))
    })
    .await;
    redis.stop();
    eventually("told to be down", async || {
        scrape(&bridge).await.contains(&line("up", "0.0"))
    })
    .await;
    redis.restart().await;
    eventually("told to be up", async || {
        scrape(&bridge).await.contains(&line("up", "1.0"))
    })
    .await;
}

/// Names in expressions: what a query language takes for a series of ours.
fn named(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !word(c));
    words
        .filter(|w| w.starts_with("tidegate_bridge_"))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn every_metric_of_the_alerts_and_the_dashboard_is_in_a_running_bridge() {
    let redis = Redis::start(&["--maxmemory", "100mb"]).await;
    let bridge = Bridge::start(&redis).await;
    bridge.exchange(&[take(b"subject-metrics2", 1)]).await;
    assert_eq!(bridge.admin("GET", "/nowhere", "").await.status, 404);
    eventually("redis is told of", async || {
        scrape(&bridge).await.contains("tidegate_bridge_redis_up{")
    })
    .await;
    // Certificates are told of where there are some.
    let pki = crate::data_tls::Pki::new();
    let text = scrape(&bridge).await + &scrape(&pki.bridge(&redis).await).await;
    // A family: its name, or what its kind appends to it.
    let families: BTreeSet<(&str, &str)> = (text.lines())
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .collect();
    let told = |name: &str| {
        families.iter().any(|(family, kind)| match *kind {
            "counter" => name.strip_suffix("_total") == Some(family),
            "histogram" => ["_bucket", "_sum", "_count"]
                .iter()
                .any(|end| name.strip_suffix(end) == Some(family)),
            _ => name == *family,
        })
    };
    let rules = std::fs::read_to_string(shipped("prometheus/rules.yaml")).unwrap();
    let dashboard = std::fs::read_to_string(shipped("grafana/tidegate.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    let mut exprs = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap_or(&Vec::new()) {
            exprs.push(target["expr"].as_str().unwrap().to_owned());
        }
    }
    assert!(exprs.len() > 40);
    let mut wanted = named(&exprs.join("\n"));
    let of_rules: Vec<&str> = rules
        .lines()
        .filter(|l| !l.contains("description:"))
        .collect();
    wanted.extend(named(&of_rules.join("\n")));
    assert!(wanted.len() > 35, "{wanted:?}");
    let missing: Vec<&String> = wanted.iter().filter(|name| !told(name)).collect();
    assert!(missing.is_empty(), "{missing:?} in {families:?}");
}

#[test]
fn the_alerts_fire_when_they_should_and_the_configuration_is_right() {
    for args in [
        ["check", "rules", "rules.yaml"],
        ["test", "rules", "rules.test.yaml"],
        ["check", "config", "prometheus.yaml"],
    ] {
        let output = Command::new("promtool")
            .args(args)
            .current_dir(shipped("prometheus"))
            .output()
            .expect("promtool is installed (Debian: prometheus)");
        assert!(output.status.success(), "{args:?}: {output:?}");
    }
}

/// As far as a machine can tell that does not run it.
#[test]
fn the_systemd_unit_is_right_and_gives_the_bridge_little() {
    let unit = std::fs::read_to_string(shipped("systemd/redis-bridge@.service")).unwrap();
    let installed = "/usr/local/bin/redis-bridge";
    assert!(unit.contains(installed));
    let unit = unit.replace(installed, env!("CARGO_BIN_EXE_redis-bridge"));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("redis-bridge@0.service");
    std::fs::write(&path, unit).unwrap();
    let verify = Command::new("systemd-analyze")
        .arg("verify")
        .arg(&path)
        .output();
    let verify = verify.expect("systemd-analyze is installed (Debian: systemd)");
    assert!(verify.status.success(), "{verify:?}");
    assert!(verify.stderr.is_empty(), "{verify:?}");
    // 0 is nothing, 10 is everything; above 2.0 it fails.
    let exposure = Command::new("systemd-analyze")
        .args(["security", "--offline=yes", "--threshold=20"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(
        exposure.status.success(),
        "{}",
        String::from_utf8_lossy(&exposure.stdout)
    );
}

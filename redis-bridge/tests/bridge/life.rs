//! How the process starts, what it refuses to start with, and how it leaves.

use crate::harness::*;
use tidegate::wire::ToBridge;

#[tokio::test]
async fn leaving_says_bye_answers_what_was_accepted_and_exits_zero() {
    let redis = Redis::start(&[]).await;
    let mut bridge = Bridge::start(&redis).await;
    let mut stream = bridge.stream().await;
    stream.greet().await;
    let ops = encode(&[take(b"subject-life---1", 1)]);
    stream.send(&[ToBridge::Exchange {
        id: 5,
        deadline_ms: 1000,
        trace: None,
        ops: frame_ops(&ops),
    }]);
    bridge.terminate();
    let mut all = Vec::new();
    while !all.windows(6).any(|w| w == b"+BYE\r\n") {
        all.extend(stream.receive().await.unwrap());
    }
    // On its way before the worker has read the BYE.
    stream.send(&[ToBridge::Exchange {
        id: 6,
        deadline_ms: 1000,
        trace: None,
        ops: frame_ops(&ops),
    }]);
    while [5, 6]
        .iter()
        .any(|id| !contains(&all, &format!("+R\r\n:{id}\r\n")))
    {
        all.extend(stream.receive().await.unwrap());
    }
    let socket = bridge.socket();
    stream.finish();
    assert_eq!(bridge.exit().await, Some(0), "{}", bridge.log());
    assert!(!socket.exists(), "the socket's file is removed");
}

#[tokio::test]
async fn a_worker_that_ignores_bye_does_not_keep_the_process() {
    let redis = Redis::start(&[]).await;
    let mut bridge = Bridge::start(&redis).await;
    let mut stream = bridge.stream().await;
    stream.greet().await;
    bridge.terminate();
    assert_eq!(bridge.exit().await, Some(0));
    assert_eq!(stream.status().await, "14");
}

#[tokio::test]
async fn what_must_not_be_used_is_refused_at_start_in_one_line() {
    let evicts = Redis::start(&["--maxmemory-policy", "allkeys-lru"]).await;
    let keeps = Redis::start(&[]).await;
    let (evicts_url, keeps_url) = (evicts.url(), keeps.url());
    let password = "redis://:hunter2@127.0.0.1:1";
    for (spec, reason) in [
        (
            Spec::new(&evicts_url),
            "share one Redis with maxmemory-policy allkeys-lru",
        ),
        (
            Spec {
                cache: Some(&keeps_url),
                ..Spec::new(&evicts_url)
            },
            "the state Redis (--redis) has maxmemory-policy allkeys-lru",
        ),
        (Spec::new(password), "TIDEGATE_REDIS_PASSWORD"),
        (Spec::new("http://a"), "want redis://"),
        (
            Spec {
                without: Some("TIDEGATE_ADMIN_TOKEN"),
                ..Spec::new(&keeps_url)
            },
            "TIDEGATE_ADMIN_TOKEN is not set",
        ),
        (
            Spec {
                without: Some("TIDEGATE_SESSION_KEYS"),
                ..Spec::new(&keeps_url)
            },
            "TIDEGATE_SESSION_KEYS is not set",
        ),
        (
            Spec {
                without: Some("TIDEGATE_MASTER_KEY"),
                ..Spec::new(&keeps_url)
            },
            "TIDEGATE_MASTER_KEY is not set",
        ),
        (
            Spec {
                data: "tcp",
                without: Some("TIDEGATE_BRIDGE_TOKEN"),
                ..Spec::new(&keeps_url)
            },
            "--data tcp: and tls: need a credential",
        ),
    ] {
        let (status, log) = Bridge::fails(&spec).await;
        assert_eq!(status, Some(2), "{log}");
        let lines: Vec<&str> = log
            .lines()
            .filter(|l| l.starts_with("redis-bridge: "))
            .collect();
        assert_eq!(lines.len(), 1, "{log}");
        assert!(lines[0].contains(reason), "{log}");
        assert!(!log.contains("hunter2"), "{log}");
    }
    let bridge = Bridge::spawn(&Spec {
        cache: Some(&evicts_url),
        ..Spec::new(&keeps_url)
    });
    bridge.ready().await;
}

/// S11: at the most talkative level.
#[tokio::test]
async fn no_secret_reaches_the_log() {
    let redis = Redis::start(&[]).await;
    let url = redis.url();
    let bridge = Bridge::spawn(&Spec {
        log: "trace",
        ..Spec::new(&url)
    });
    bridge.ready().await;
    let body = r#"{"realm":"web","uid":"canary-uid","data":{"k":"canary-data"}}"#;
    let created = bridge.admin("POST", "/v1/sessions", body).await.json();
    let mut stream = bridge.stream().await;
    stream.greet().await;
    let headers = [("authorization", "Bearer canary-header")];
    bridge
        .data(
            "POST",
            "/v1/exchange",
            &headers,
            &encode(&[take(b"canary-subject--", 1)]),
        )
        .await;
    bridge.data("POST", "/canary-path", &[], b"").await;
    bridge.terminate();
    let mut bridge = bridge;
    bridge.exit().await;
    let log = bridge.log();
    assert!(log.contains("serving"), "{log}");
    let token = created["token"].as_str().unwrap();
    for secret in [
        token,
        ADMIN_TOKEN,
        BRIDGE_TOKEN,
        &SESSION_KEYS[2..],
        MASTER_KEY,
        "canary",
    ] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

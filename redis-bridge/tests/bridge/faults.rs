//! Redis that is gone, back, or wrong.

use crate::fake_redis::{Answer, FakeRedis};
use crate::harness::*;
use tidegate::wire::{ToBridge, Value, resp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// B1, L2: an error while it is down, its own recovery after, no restart.
#[tokio::test]
async fn redis_gone_and_back() {
    let mut redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    bridge.exchange(&[take(b"subject-faults-1", 1)]).await;
    redis.stop();
    let answer = bridge.exchange(&[take(b"subject-faults-1", 1)]).await;
    assert!(
        answer.starts_with(b"-DOWN"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    eventually("not ready", async || {
        bridge
            .try_admin("GET", "/readyz", &[], "")
            .await
            .unwrap()
            .status
            == 503
    })
    .await;
    let created = bridge
        .admin("POST", "/v1/sessions", r#"{"realm":"web","uid":"1"}"#)
        .await;
    assert_eq!(created.status, 503, "{}", created.text());
    redis.restart().await;
    bridge.ready().await;
    let answer = bridge.exchange(&[take(b"subject-faults-1", 1)]).await;
    assert!(
        answer.starts_with(b"*3\r\n:1"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    assert!(bridge.metric("reconnects_total").await >= 1.0);
}

/// G5: who wrote that the log could not be written could not write that either, and panicked.
#[tokio::test]
async fn a_full_disk_of_the_log_costs_its_lines_and_nothing_else() {
    let redis = Redis::start(&[]).await;
    let url = redis.url();
    let bridge = Bridge::spawn(&Spec {
        log_to: Some("/dev/full"),
        ..Spec::new(&url)
    });
    bridge.ready().await;
    // Each of these is an event of the audit.
    for _ in 0..3 {
        let created = bridge
            .admin("POST", "/v1/sessions", r#"{"realm":"web","uid":"1"}"#)
            .await;
        assert_eq!(created.status, 201, "{}", created.text());
    }
    let answer = bridge.exchange(&[take(b"subject-faults-2", 1)]).await;
    assert!(
        answer.starts_with(b"*3\r\n:1"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    assert!(bridge.metric("log_lost_total").await >= 4.0);
}

/// The bridge starts without Redis, says so, and serves when it comes.
#[tokio::test]
async fn redis_comes_later() {
    let mut redis = Redis::start(&[]).await;
    redis.stop();
    let url = redis.url();
    let bridge = Bridge::spawn(&Spec::new(&url));
    eventually("healthy", async || {
        bridge
            .try_admin("GET", "/healthz", &[], "")
            .await
            .is_some_and(|r| r.status == 200)
    })
    .await;
    let reply = bridge.try_admin("GET", "/readyz", &[], "").await.unwrap();
    assert_eq!(reply.status, 503);
    redis.restart().await;
    bridge.ready().await;
}

#[tokio::test]
async fn wrong_answers_are_errors_of_their_operations_and_the_bridge_lives() {
    let fake = FakeRedis::start().await;
    fake.answer_with(Answer::Bytes(GOOD));
    let url = format!("redis://127.0.0.1:{}", fake.port);
    let bridge = Bridge::spawn(&Spec::new(&url));
    bridge.ready().await;
    for (answer, line) in [
        (Answer::Bytes(b"-OOM command not allowed\r\n"), "-REDIS OOM"),
        (
            Answer::Bytes(b"-LOADING Redis is loading\r\n"),
            "-REDIS LOADING",
        ),
        (
            Answer::Bytes(b"-READONLY You can't write\r\n"),
            "-REDIS READONLY",
        ),
        (
            Answer::Bytes(b"-WRONGTYPE Operation against\r\n"),
            "-REDIS WRONGTYPE",
        ),
        (Answer::Bytes(b"-NOPERM no\r\n"), "-REDIS NOPERM"),
        (Answer::Bytes(b"+OK\r\n"), "-SHAPE"),
        (Answer::Bytes(b"$-1\r\n"), "-SHAPE"),
        (Answer::Bytes(b"*1\r\n:1\r\n"), "-SHAPE"),
        (Answer::Bytes(b"%1\r\n+a\r\n+b\r\n"), "-SHAPE"),
        (Answer::Bytes(b"hello there\r\n"), "-DOWN"),
        (Answer::Close, "-DOWN"),
        (Answer::Nothing, "-TIMEOUT"),
    ] {
        fake.answer_with(answer.clone());
        let reply = bridge.exchange(&[take(b"subject-faults-2", 1)]).await;
        let text = String::from_utf8_lossy(&reply).into_owned();
        assert!(text.starts_with(line), "{answer:?}: {text}");
        fake.answer_with(Answer::Bytes(GOOD));
        eventually(&format!("served after {answer:?}"), async || {
            let reply = bridge.exchange(&[take(b"subject-faults-2", 1)]).await;
            matches!(resp::decode_all(&reply).unwrap()[..], [Value::Array(_)])
        })
        .await;
    }
}

/// One limit taken, 99 left.
const GOOD: &[u8] = b"*3\r\n:1\r\n:1800000000000000\r\n*5\r\n:1\r\n:99\r\n:1000\r\n:0\r\n:7\r\n";

/// B8: what takes no memory is done when there is none: a purge removes, and is told to all bridges.
#[tokio::test]
async fn a_purge_is_told_to_all_when_redis_is_full() {
    let redis = Redis::start(&["--maxmemory-policy", "noeviction"]).await;
    let bridge = Bridge::start(&redis).await;
    bridge.store(b"http://h/full", b"body", vec![b"tag"]).await;
    let gaps = bridge.series("events_total{kind=\"fleet_gap\"}").await;
    let _: String = redis.query(&["CONFIG", "SET", "maxmemory", "1"]).await;
    for body in [r#"{"url":"http://h/full"}"#, r#"{"all":true}"#] {
        let reply = bridge.admin("POST", "/v1/cache/purge", body).await;
        assert_eq!(reply.status, 200, "{body}: {}", reply.text());
    }
    let _: String = redis.query(&["CONFIG", "SET", "maxmemory", "0"]).await;
    assert!(!bridge.is_cached(b"http://h/full").await);
    assert_eq!(
        bridge.series("events_total{kind=\"fleet_gap\"}").await,
        gaps
    );
}

/// C13, S2: a primary that was cut off from its replicas does not hear of sessions that are ended where they are.
#[tokio::test]
async fn a_primary_that_takes_no_writes_says_of_no_session_that_it_lives() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    let body = r#"{"realm":"web","uid":"ada"}"#;
    let created = bridge.admin("POST", "/v1/sessions", body).await.json();
    let token = created["token"].as_str().unwrap();
    let set = async |replicas| {
        let words = ["CONFIG", "SET", "min-replicas-to-write", replicas];
        let _: String = redis.query(&words).await;
    };
    assert!(bridge.look_up("web", token).await.contains("+valid"));
    set("1").await;
    let text = bridge.look_up("web", token).await;
    assert!(text.starts_with("-REDIS NOREPLICAS"), "{text}");
    set("0").await;
    assert!(bridge.look_up("web", token).await.contains("+valid"));
}

/// faults.md, A7: a request that panics errors by itself; what others are doing goes on, and it is counted.
#[tokio::test]
async fn a7_a_panic_in_a_request_ends_that_request() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    let mut lives = bridge.stream().await;
    lives.greet().await;
    for n in 1..=3 {
        assert_eq!(bridge.trap("request").await, "", "no answer");
        assert!((bridge.metric("panics_total").await - f64::from(n)).abs() < 0.1);
    }
    lives.send(&[ToBridge::Ping { seq: 1 }]);
    assert!(lives.receive().await.is_some(), "the stream of another one");
    let answer = bridge.exchange(&[take(b"subject-faults-7", 1)]).await;
    assert!(answer.starts_with(b"*3\r\n:1"));
    let log = bridge.log();
    assert_eq!(log.matches("a connection panicked").count(), 3, "{log}");
    assert!(
        log.contains("listener/data.rs:") && log.contains("asked to"),
        "{log}"
    );
}

/// The same while a stream is read: its worker is told, and opens another one.
#[tokio::test]
async fn a7_a_panic_while_a_stream_is_read_ends_that_stream() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    let (mut lives, mut panics) = (bridge.stream().await, bridge.stream().await);
    lives.greet().await;
    panics.greet().await;
    panics.send_raw(b"\0\0\0\0\x0ex-trap: stream");
    assert_eq!(panics.status().await, "13", "INTERNAL");
    assert!((bridge.metric("panics_total").await - 1.0).abs() < 0.1);
    lives.send(&[ToBridge::Ping { seq: 1 }]);
    assert!(lives.receive().await.is_some(), "the stream of another one");
    let mut next = bridge.stream().await;
    next.greet().await;
    let log = bridge.log();
    assert!(
        log.contains("a connection panicked") && log.contains("grpc/stream.rs:"),
        "{log}"
    );
}

/// And where the core is gone, so is the process: a supervisor starts it again, and workers have another bridge.
#[tokio::test]
async fn a7_a_panic_of_the_core_ends_the_process() {
    let redis = Redis::start(&[]).await;
    let mut bridge = Bridge::start(&redis).await;
    assert_eq!(bridge.trap("core").await, "", "no answer");
    assert_eq!(bridge.exit().await, Some(101));
    assert!(
        bridge.log().contains("panicked: the bridge ends"),
        "{}",
        bridge.log()
    );
}

impl Bridge {
    /// Makes a request panic, or what owns the core; what was answered.
    async fn trap(&self, what: &str) -> String {
        let mut io = UnixStream::connect(self.socket()).await.unwrap();
        let head = format!(
            "POST /v1/exchange HTTP/1.1\r\nhost: b\r\ncontent-length: 0\r\nconnection: close\r\nx-trap: {what}\r\n\r\n"
        );
        io.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // The other side may be gone without having read everything.
        let _ = io.read_to_string(&mut answer).await;
        answer
    }
}

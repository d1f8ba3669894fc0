//! Spans of traced exchanges, as a collector gets them. Protobuf keeps texts and ids as they are, so they are
//! looked for in its bytes; tests/e2e reads the messages.

use crate::harness::*;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::Instant;

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
const PARENT: u64 = 0x00f0_67aa_0ba9_02b7;

/// Keeps every byte it is sent; answers each request with an empty 200, or never.
struct Collector {
    port: u16,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Collector {
    async fn start(answers: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((mut io, _)) = listener.accept().await {
                let kept = Arc::clone(&kept);
                tokio::spawn(async move {
                    let mut chunk = vec![0; 64 << 10];
                    while let Ok(n @ 1..) = io.read(&mut chunk).await {
                        kept.lock().unwrap().extend_from_slice(&chunk[..n]);
                        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                        if answers && io.write_all(answer).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { port, heard }
    }

    fn heard(&self) -> Vec<u8> {
        self.heard.lock().unwrap().clone()
    }

    fn has(&self, bytes: &[u8]) -> bool {
        let heard = self.heard();
        heard.windows(bytes.len()).any(|window| window == bytes)
    }
}

fn env(port: u16, delay_ms: u32) -> Vec<(&'static str, String)> {
    let endpoint = format!("http://127.0.0.1:{port}");
    vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_BSP_SCHEDULE_DELAY", delay_ms.to_string()),
    ]
}

async fn traced(bridge: &Bridge, lines: &[&str]) {
    let fields: Vec<(&str, &str)> = lines.iter().map(|line| ("traceparent", *line)).collect();
    let body = encode(&[take(b"subject-traced-1", 1)]);
    let reply = bridge.data("POST", "/v1/exchange", &fields, &body).await;
    assert_eq!(reply.status, 200, "{lines:?}: {}", reply.text());
    assert!(!reply.body.starts_with(b"-"), "{}", reply.text());
}

async fn spans(bridge: &Bridge, result: &str) -> f64 {
    let reply = bridge.try_admin("GET", "/metrics", &[], "").await.unwrap();
    let line = format!("tidegate_bridge_spans_total{{result=\"{result}\"}} ");
    let text = reply.text();
    let value = text.lines().find_map(|text| text.strip_prefix(&line));
    value.unwrap().parse().unwrap()
}

async fn start<'a>(redis: &'a str, env: &'a [(&'a str, String)]) -> Bridge {
    let bridge = Bridge::spawn(&Spec {
        env,
        ..Spec::new(redis)
    });
    bridge.ready().await;
    bridge
}

#[tokio::test]
async fn a_sampled_exchange_is_exported_and_no_other() {
    let redis = Redis::start(&[]).await;
    let collector = Collector::start(true).await;
    let mut env = env(collector.port, 50);
    let headers = (
        "OTEL_EXPORTER_OTLP_HEADERS",
        "x-collector-key=k%201".to_owned(),
    );
    env.push(headers);
    env.push((
        "OTEL_RESOURCE_ATTRIBUTES",
        "deployment.environment.name=lab".to_owned(),
    ));
    let url = redis.url();
    let bridge = start(&url, &env).await;
    let unsampled = TRACEPARENT.replace("-01", "-00");
    traced(&bridge, &[]).await;
    traced(&bridge, &[&unsampled]).await;
    traced(&bridge, &["00-nonsense"]).await;
    traced(&bridge, &[TRACEPARENT, TRACEPARENT]).await;
    traced(&bridge, &[TRACEPARENT]).await;
    eventually("exported", async || spans(&bridge, "exported").await == 2.0).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(
        spans(&bridge, "exported").await,
        2.0,
        "one exchange, one call"
    );
    for there in [
        &b"POST /v1/traces HTTP/1.1\r\n"[..],
        b"content-type: application/x-protobuf",
        b"x-collector-key: k 1",
        b"LIMIT.TAKE",
        b"limit_take_plain",
        b"redis-bridge",
        b"deployment.environment.name",
        &TRACE.to_be_bytes(),
        &PARENT.to_be_bytes(),
    ] {
        assert!(collector.has(there), "{:?}", String::from_utf8_lossy(there));
    }
    for secret in [&b"subject-traced-1"[..], b"tg:", MASTER_KEY.as_bytes()] {
        assert!(
            !collector.has(secret),
            "{:?}",
            String::from_utf8_lossy(secret)
        );
    }
}

#[tokio::test]
async fn the_end_of_the_bridge_waits_for_what_is_to_be_sent() {
    let redis = Redis::start(&[]).await;
    let collector = Collector::start(true).await;
    let (url, env) = (redis.url(), env(collector.port, 600_000));
    let mut bridge = start(&url, &env).await;
    traced(&bridge, &[TRACEPARENT]).await;
    assert!(!collector.has(&TRACE.to_be_bytes()));
    bridge.terminate();
    assert_eq!(bridge.exit().await, Some(0));
    assert!(collector.has(&TRACE.to_be_bytes()));
}

#[tokio::test]
async fn a_dead_collector_costs_no_exchange_and_is_said_once() {
    let redis = Redis::start(&[]).await;
    let mut env = env(free_port(), 10);
    env.push(("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2".to_owned()));
    env.push(("OTEL_EXPORTER_OTLP_TIMEOUT", "200".to_owned()));
    let url = redis.url();
    let bridge = start(&url, &env).await;
    for _ in 0..20 {
        traced(&bridge, &[TRACEPARENT]).await;
    }
    eventually("failures", async || spans(&bridge, "failed").await >= 4.0).await;
    assert_eq!(bridge.log().matches("spans are not taken").count(), 1);
}

#[tokio::test]
async fn a_hanging_collector_costs_no_exchange_and_not_the_end() {
    let redis = Redis::start(&[]).await;
    let collector = Collector::start(false).await;
    let mut env = env(collector.port, 10);
    env.push(("OTEL_BSP_MAX_QUEUE_SIZE", "8".to_owned()));
    let url = redis.url();
    let mut bridge = start(&url, &env).await;
    let started = Instant::now();
    for _ in 0..50 {
        traced(&bridge, &[TRACEPARENT]).await;
    }
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    eventually("dropped", async || spans(&bridge, "dropped").await >= 60.0).await;
    let asked = Instant::now();
    bridge.terminate();
    assert_eq!(bridge.exit().await, Some(0));
    assert!(
        asked.elapsed() < Duration::from_secs(7),
        "{:?}",
        asked.elapsed()
    );
    assert!(bridge.log().contains("left before all spans were sent"));
}

/// Prints what it is sent over TLS to a file, with a certificate that only `cert` vouches for.
struct TlsCollector {
    _process: Process,
    dir: tempfile::TempDir,
    port: u16,
}

impl TlsCollector {
    async fn start() -> Self {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let key = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=collector \
                   -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE \
                   -keyout key -out cert";
        let openssl = |args: &str| {
            let mut command = Command::new("openssl");
            command
                .args(args.split_whitespace())
                .current_dir(dir.path())
                .stderr(Stdio::null());
            command
        };
        assert!(
            openssl(key)
                .status()
                .expect("openssl is installed")
                .success()
        );
        let serve = format!("s_server -quiet -accept 127.0.0.1:{port} -cert cert -key key");
        let out = std::fs::File::create(dir.path().join("heard")).unwrap();
        // It ends with its input.
        let child = openssl(&serve).stdin(Stdio::piped()).stdout(out).spawn();
        let process = Process::of(child.unwrap());
        eventually("a TLS server", async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port))
                .await
                .is_ok()
        })
        .await;
        Self {
            _process: process,
            dir,
            port,
        }
    }

    fn has(&self, bytes: &[u8]) -> bool {
        let heard = std::fs::read(self.dir.path().join("heard")).unwrap();
        heard.windows(bytes.len()).any(|window| window == bytes)
    }
}

#[tokio::test]
async fn a_collector_behind_tls_is_known_by_its_certificate() {
    let redis = Redis::start(&[]).await;
    let url = redis.url();
    let collector = TlsCollector::start().await;
    let mut env = vec![
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            format!("https://127.0.0.1:{}", collector.port),
        ),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "500".to_owned()),
        ("OTEL_BSP_SCHEDULE_DELAY", "10".to_owned()),
    ];
    let stranger = start(&url, &env).await;
    traced(&stranger, &[TRACEPARENT]).await;
    eventually("refused", async || spans(&stranger, "failed").await == 2.0).await;
    assert!(!collector.has(b"POST"));

    let cert = collector.dir.path().join("cert").display().to_string();
    env.push(("SSL_CERT_FILE", cert));
    let bridge = start(&url, &env).await;
    traced(&bridge, &[TRACEPARENT]).await;
    eventually("heard", async || collector.has(&TRACE.to_be_bytes())).await;
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_meant_is_refused_at_the_start() {
    let redis = Redis::start(&[]).await;
    let url = redis.url();
    let env = [("OTEL_EXPORTER_OTLP_ENDPOINT", "not a url".to_owned())];
    let (status, log) = Bridge::fails(&Spec {
        env: &env,
        ..Spec::new(&url)
    })
    .await;
    assert_eq!(status, Some(2), "{log}");
    assert!(log.contains("spans: OTEL_EXPORTER_OTLP_*"), "{log}");
}

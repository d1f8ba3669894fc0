//! The data listener over TLS: who is let in, who is not and why, and certificates that are replaced.

#[path = "../../../tests/pki/mod.rs"]
mod pki;

use crate::harness::*;
use pki::{Ca, For, Leaf, When, replace};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const NAME: &str = "redis-bridge";

/// A CA, and files of its signing for a bridge.
pub(crate) struct Pki {
    ca: Ca,
    dir: TempDir,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let (ca, dir) = (Ca::new("ca"), tempfile::tempdir().unwrap());
        ca.server(NAME).store(dir.path(), "bridge");
        replace(&dir.path().join("ca.pem"), &ca.pem());
        Self { ca, dir }
    }

    fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn args(&self, with_ca: bool) -> Vec<String> {
        let files = [
            ("--data-cert", "bridge.pem"),
            ("--data-key", "bridge.key"),
            ("--data-ca", "ca.pem"),
        ];
        files[..if with_ca { 3 } else { 2 }]
            .iter()
            .flat_map(|(flag, file)| {
                [
                    flag.to_string(),
                    self.dir().join(file).display().to_string(),
                ]
            })
            .collect()
    }

    /// A bridge that wants certificates of its clients, and no token.
    pub(crate) async fn bridge(&self, redis: &Redis) -> Bridge {
        let (url, args) = (redis.url(), self.args(true));
        let bridge = Bridge::spawn(&Spec {
            data: "tls",
            without: Some("TIDEGATE_BRIDGE_TOKEN"),
            args: &args,
            ..Spec::new(&url)
        });
        bridge.ready().await;
        bridge
    }
}

/// A connection that believes `ca`, and shows `leaf`.
async fn connect(
    bridge: &Bridge,
    ca: &Ca,
    leaf: Option<&Leaf>,
    alpn: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap();
    roots.add(root).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match leaf {
        Some(leaf) => {
            let cert = CertificateDer::from_pem_slice(leaf.cert.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![cert], key).unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    let io = TcpStream::connect(("127.0.0.1", bridge.tcp.unwrap())).await?;
    let name = ServerName::try_from(NAME).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, io).await
}

/// The status of an exchange on such a connection; `None` when it is not let in.
async fn status(bridge: &Bridge, ca: &Ca, leaf: Option<&Leaf>, token: &str) -> Option<u16> {
    let io = connect(bridge, ca, leaf, b"http/1.1").await.ok()?;
    let body = encode(&[take(b"subject-data-tls", 1)]);
    let token = format!("Bearer {token}");
    let headers = [("authorization", token.as_str())];
    let reply = request(io, "POST", "/v1/exchange", &headers, &body).await?;
    Some(reply.status)
}

/// Handshakes that failed for this reason.
async fn failures(bridge: &Bridge, reason: &str) -> f64 {
    let name = format!("handshake_failures_total{{reason=\"{reason}\"}}");
    bridge.series(&name).await
}

async fn fails_for(bridge: &Bridge, reason: &str, ca: &Ca, leaf: Option<&Leaf>) {
    let before = failures(bridge, reason).await;
    assert_eq!(status(bridge, ca, leaf, "").await, None, "{reason}");
    eventually(reason, async || {
        failures(bridge, reason).await == before + 1.0
    })
    .await;
}

#[tokio::test]
async fn a_certificate_of_the_ca_is_the_credential_and_nothing_else_is_let_in() {
    let (redis, pki) = (Redis::start(&[]).await, Pki::new());
    let bridge = pki.bridge(&redis).await;
    let before = redis.calls_of_a_start().await;
    let other = Ca::new("other");
    // Of the same name, and so told from ours by its signature alone.
    let namesake = Ca::new("ca");
    for (reason, leaf) in [
        ("no_certificate", None),
        ("unknown_ca", Some(other.client("envoy"))),
        ("unknown_ca", Some(namesake.client("envoy"))),
        (
            "expired",
            Some(pki.ca.sign("envoy", For::ClientAuth, When::Ended)),
        ),
        (
            "not_yet_valid",
            Some(pki.ca.sign("envoy", For::ClientAuth, When::Soon)),
        ),
        ("bad_certificate", Some(pki.ca.server("envoy"))),
    ] {
        fails_for(&bridge, reason, &pki.ca, leaf.as_ref()).await;
    }
    // Who does not believe the bridge tells it so.
    let client = pki.ca.client("envoy");
    fails_for(&bridge, "own_unknown_ca", &other, Some(&client)).await;
    let plain = TcpStream::connect(("127.0.0.1", bridge.tcp.unwrap())).await;
    let reply = request(plain.unwrap(), "POST", "/v1/exchange", &[], b"").await;
    assert!(reply.is_none(), "{reply:?}");
    assert_eq!(failures(&bridge, "protocol").await, 1.0);
    assert_eq!(redis.data_calls().await, before);
    let log = bridge.log();
    assert!(
        log.contains("a handshake failed reason=\"expired\""),
        "{log}"
    );

    assert_eq!(status(&bridge, &pki.ca, Some(&client), "").await, Some(200));
    let io = connect(&bridge, &pki.ca, Some(&client), b"h2")
        .await
        .unwrap();
    assert_eq!(io.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut stream = Stream::open(io, &[]).await;
    stream.greet().await;
    let unspoken = connect(&bridge, &pki.ca, Some(&client), b"spdy").await;
    assert!(unspoken.is_err());
}

#[tokio::test]
async fn without_a_ca_the_credential_decides_and_with_both_both_do() {
    let (redis, pki) = (Redis::start(&[]).await, Pki::new());
    let (url, client) = (redis.url(), pki.ca.client("envoy"));
    for with_ca in [false, true] {
        let args = pki.args(with_ca);
        let bridge = Bridge::spawn(&Spec {
            data: "tls",
            args: &args,
            ..Spec::new(&url)
        });
        bridge.ready().await;
        let asked = async |leaf, token| status(&bridge, &pki.ca, leaf, token).await;
        let nameless = (!with_ca).then_some(200);
        assert_eq!(asked(None, BRIDGE_TOKEN).await, nameless);
        assert_eq!(asked(Some(&client), BRIDGE_TOKEN).await, Some(200));
        assert_eq!(asked(Some(&client), "wrong").await, Some(401));
    }
}

#[tokio::test]
async fn what_would_let_in_nobody_or_everybody_is_refused_at_start() {
    let (redis, pki) = (Redis::start(&[]).await, Pki::new());
    let url = redis.url();
    let (both, cert) = (pki.args(false), pki.args(false)[..2].to_vec());
    let garbage = pki.dir().join("garbage.pem").display().to_string();
    std::fs::write(&garbage, "garbage").unwrap();
    let broken = [&both[..], &["--data-ca".to_owned(), garbage]].concat();
    for (data, args, without, reason) in [
        ("tls", &[][..], None, "needs --data-cert and --data-key"),
        ("tls", &cert[..], None, "needs --data-cert and --data-key"),
        (
            "tls",
            &both[..],
            Some("TIDEGATE_BRIDGE_TOKEN"),
            "or with tls: --data-ca",
        ),
        (
            "tls",
            &broken[..],
            None,
            "garbage.pem: holds no certificate",
        ),
        ("tcp", &both[..], None, "go with --data tls:"),
        ("unix", &both[..], None, "go with --data tls:"),
    ] {
        let (status, log) = Bridge::fails(&Spec {
            data,
            args,
            without,
            ..Spec::new(&url)
        })
        .await;
        assert_eq!(status, Some(2), "{log}");
        assert!(log.contains(reason), "{reason}: {log}");
    }
}

/// I1: the certificate and the CA are replaced while it runs; connections that live are left alone.
#[tokio::test]
async fn certificates_are_replaced_while_the_bridge_runs() {
    let (redis, pki) = (Redis::start(&[]).await, Pki::new());
    let bridge = pki.bridge(&redis).await;
    let old = pki.ca.client("envoy");
    let io = connect(&bridge, &pki.ca, Some(&old), b"h2").await.unwrap();
    let mut lives = Stream::open(io, &[]).await;
    lives.greet().await;
    let served = async |stream: &mut Stream, id| {
        let ops = encode(&[take(b"subject-data-tls", 1)]);
        stream.send(&[tidegate::wire::ToBridge::Exchange {
            id,
            deadline_ms: 1000,
            trace: None,
            ops: frame_ops(&ops),
        }]);
        let answer = stream.receive().await.unwrap();
        contains(&answer, &format!("+R\r\n:{id}\r\n"))
    };
    assert!(served(&mut lives, 1).await);

    // Half of a rotation, garbage, and what is not valid yet: the old ones stay.
    let next = Ca::new("next");
    let fresh = next.server(NAME);
    let stale = async |wanted: f64| {
        eventually("stale", async || {
            bridge.metric("certificate_files_stale").await == wanted
        })
        .await;
    };
    for (cert, key) in [
        (fresh.cert.as_str(), None),
        ("garbage", None),
        (
            &pki.ca.sign(NAME, For::ServerAuth, When::Soon).cert,
            Some("of another"),
        ),
    ] {
        let kept = std::fs::read_to_string(pki.dir().join("bridge.key")).unwrap();
        let before = std::fs::read_to_string(pki.dir().join("bridge.pem")).unwrap();
        if let Some(key) = key {
            replace(&pki.dir().join("bridge.key"), key);
        }
        replace(&pki.dir().join("bridge.pem"), cert);
        stale(1.0).await;
        assert_eq!(status(&bridge, &pki.ca, Some(&old), "").await, Some(200));
        replace(&pki.dir().join("bridge.key"), &kept);
        replace(&pki.dir().join("bridge.pem"), &before);
        stale(0.0).await;
    }
    let log = bridge.log();
    assert!(log.contains("its certificates stay as they were"), "{log}");

    let until = async |of: &str| {
        let name = format!("certificate_expiration_timestamp_seconds{{certificate=\"{of}\"}}");
        bridge.series(&name).await
    };
    let (own_before, ca_before) = (until("own").await, until("ca").await);
    assert!(own_before > 1.7e9 && ca_before > 1.7e9);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let (fresh, new) = (next.server(NAME), next.client("envoy"));
    // Both CAs, then the new certificate, then the old CA goes: nobody is refused on the way.
    replace(
        &pki.dir().join("ca.pem"),
        &format!("{}{}", pki.ca.pem(), next.pem()),
    );
    eventually("both are let in", async || {
        status(&bridge, &pki.ca, Some(&new), "").await == Some(200)
    })
    .await;
    assert_eq!(status(&bridge, &pki.ca, Some(&old), "").await, Some(200));
    fresh.store(pki.dir(), "bridge");
    eventually("the new certificate is shown", async || {
        status(&bridge, &next, Some(&old), "").await == Some(200)
    })
    .await;
    replace(&pki.dir().join("ca.pem"), &next.pem());
    eventually("the old CA is forgotten", async || {
        status(&bridge, &next, Some(&old), "").await.is_none()
    })
    .await;
    assert_eq!(status(&bridge, &next, Some(&new), "").await, Some(200));
    assert!(failures(&bridge, "unknown_ca").await >= 1.0);
    assert!(until("own").await > own_before, "it ends later");
    // Its certificate would not be taken any more.
    assert!(served(&mut lives, 2).await);
}

/// What its clients would refuse is shown all the same, and told.
#[tokio::test]
async fn a_certificate_that_has_ended_is_told_and_taken_back_when_it_is_replaced() {
    let (redis, pki) = (Redis::start(&[]).await, Pki::new());
    let ended = pki.ca.sign(NAME, For::ServerAuth, When::Ended);
    ended.store(pki.dir(), "bridge");
    let bridge = pki.bridge(&redis).await;
    let client = pki.ca.client("envoy");
    fails_for(&bridge, "own_expired", &pki.ca, Some(&client)).await;
    assert_eq!(bridge.metric("certificate_files_stale").await, 1.0);
    pki.ca.server("elsewhere").store(pki.dir(), "bridge");
    eventually("another name", async || {
        status(&bridge, &pki.ca, Some(&client), "").await;
        failures(&bridge, "own_refused").await > 0.0
    })
    .await;
    pki.ca.server(NAME).store(pki.dir(), "bridge");
    eventually("let in", async || {
        status(&bridge, &pki.ca, Some(&client), "").await == Some(200)
    })
    .await;
    assert_eq!(bridge.metric("certificate_files_stale").await, 0.0);
}

/// X4: strangers who say nothing, or begin and say no more, lose their place and are counted, and a client
/// gets in while they try.
#[tokio::test]
async fn handshakes_that_go_nowhere_do_not_keep_others_out() {
    let (redis, pki) = (Redis::start(&[]).await, Pki::new());
    let bridge = pki.bridge(&redis).await;
    let client = pki.ca.client("envoy");
    let io = connect(&bridge, &pki.ca, Some(&client), b"h2")
        .await
        .unwrap();
    let mut lives = Stream::open(io, &[]).await;
    lives.greet().await;
    let mut held = Vec::new();
    for n in 0..400 {
        let mut io = TcpStream::connect(("127.0.0.1", bridge.tcp.unwrap()))
            .await
            .unwrap();
        // The head of a record of 512 bytes, a client's first, and then no more.
        if n % 2 == 0 {
            io.write_all(b"\x16\x03\x01\x02\x00\x01").await.unwrap();
        }
        held.push(io);
    }
    let getting_in = status(&bridge, &pki.ca, Some(&client), "");
    // 200 of them have turns of 64 at a time, three seconds each.
    let got_in = tokio::time::timeout(Duration::from_secs(20), getting_in).await;
    assert_eq!(got_in.unwrap(), Some(200));
    eventually("all are given up", async || {
        failures(&bridge, "timeout").await == 400.0
    })
    .await;
    drop(held);
    let garbage = b"GET / HTTP/1.1\r\n\r\n".repeat(1 << 16);
    let mut io = TcpStream::connect(("127.0.0.1", bridge.tcp.unwrap()))
        .await
        .unwrap();
    let _closed = io.write_all(&garbage).await;
    eventually("no TLS", async || {
        failures(&bridge, "protocol").await == 1.0
    })
    .await;
}

//! Redis over TLS, and logins that change while the bridge runs.

use crate::harness::*;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tempfile::TempDir;

/// A certificate authority and what it signed.
struct Pki(TempDir);

impl Pki {
    fn new() -> Self {
        let pki = Self(tempfile::tempdir().unwrap());
        pki.ca("ca");
        pki.ca("other-ca");
        pki.sign("server", "subjectAltName=IP:127.0.0.1");
        pki.sign("elsewhere", "subjectAltName=DNS:redis.elsewhere.example");
        pki.sign("client", "subjectAltName=DNS:bridge");
        pki
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn ca(&self, name: &str) {
        self.openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            &format!("/CN={name}"),
            "-keyout",
            &format!("{name}.key"),
            "-out",
            &format!("{name}.pem"),
        ]);
    }

    fn sign(&self, name: &str, extension: &str) {
        self.openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            &format!("/CN={name}"),
            "-addext",
            extension,
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-keyout",
            &format!("{name}.key"),
            "-out",
            &format!("{name}.pem"),
        ]);
    }

    fn openssl(&self, args: &[&str]) {
        let output = Command::new("openssl")
            .args(args)
            .current_dir(self.0.path())
            .output();
        let output = output.expect("openssl is installed");
        assert!(output.status.success(), "{output:?}");
    }

    /// A server that speaks nothing but TLS and wants a certificate of its clients.
    async fn server(&self, certificate: &str, args: &[&str]) -> (u16, Process) {
        let port = free_port();
        let dir = self.path(&format!("redis-{port}"));
        std::fs::create_dir(&dir).unwrap();
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--bind", "127.0.0.1"])
            .args(["--tls-port", &port.to_string(), "--tls-auth-clients", "yes"])
            .arg("--tls-cert-file")
            .arg(self.path(&format!("{certificate}.pem")))
            .arg("--tls-key-file")
            .arg(self.path(&format!("{certificate}.key")))
            .arg("--tls-ca-cert-file")
            .arg(self.path("ca.pem"))
            .args(args)
            .current_dir(dir)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let process = Process::of(child);
        eventually("redis answers over TLS", async || {
            self.cli(port, &["PING"]).contains("PONG")
        })
        .await;
        (port, process)
    }

    fn cli(&self, port: u16, words: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &port.to_string(), "--tls", "--insecure"])
            .arg("--cert")
            .arg(self.path("client.pem"))
            .arg("--key")
            .arg(self.path("client.key"))
            .args(words)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn args(&self, ca: &str) -> Vec<String> {
        [
            ("--redis-ca", ca),
            ("--redis-cert", "client.pem"),
            ("--redis-key", "client.key"),
        ]
        .iter()
        .flat_map(|(flag, file)| [(*flag).to_owned(), self.path(file).display().to_string()])
        .collect()
    }
}

fn spawn(url: &str, args: &[String], env: &[(&str, String)]) -> Bridge {
    Bridge::spawn(&Spec {
        args,
        env,
        ..Spec::new(url)
    })
}

/// Connections that were not opened for this reason.
async fn failures(bridge: &Bridge, reason: &str) -> u64 {
    let Some(reply) = bridge.try_admin("GET", "/metrics", &[], "").await else {
        return 0;
    };
    let start = format!("tidegate_bridge_connect_failures_total{{reason=\"{reason}\"}} ");
    let text = reply.text();
    let count = text.lines().find_map(|line| line.strip_prefix(&start));
    count.unwrap().parse().unwrap()
}

const COUNTED: &[u8] = b"*3\r\n:1";

#[tokio::test]
async fn both_sides_show_certificates_and_neither_takes_a_wrong_one() {
    let pki = Pki::new();
    let (port, _server) = pki.server("server", &[]).await;
    let url = format!("rediss://127.0.0.1:{port}");
    let bridge = spawn(&url, &pki.args("ca.pem"), &[]);
    bridge.ready().await;
    let answer = bridge.exchange(&[take(b"subject-tls----1", 1)]).await;
    assert!(answer.starts_with(COUNTED), "{answer:?}");

    let (elsewhere, _named_otherwise) = pki.server("elsewhere", &[]).await;
    let elsewhere = format!("rediss://127.0.0.1:{elsewhere}");
    let nameless = pki.args("ca.pem")[..2].to_vec();
    let refused = [
        ("another CA", spawn(&url, &pki.args("other-ca.pem"), &[])),
        ("another name", spawn(&elsewhere, &pki.args("ca.pem"), &[])),
        ("no certificate of ours", spawn(&url, &nameless, &[])),
    ];
    for (why, bridge) in &refused {
        eventually(why, async || failures(bridge, "tls").await > 0).await;
        let reply = bridge.try_admin("GET", "/readyz", &[], "").await.unwrap();
        assert_eq!(reply.status, 503, "{why}");
        let answer = bridge.exchange(&[take(b"subject-tls----2", 1)]).await;
        assert!(answer.starts_with(b"-DOWN"), "{why}");
    }
    // What is no certificate is refused at start.
    let garbage = pki.path("garbage.pem");
    std::fs::write(&garbage, "garbage").unwrap();
    let args = vec!["--redis-ca".to_owned(), garbage.display().to_string()];
    let (status, log) = Bridge::fails(&Spec {
        args: &args,
        ..Spec::new(&url)
    })
    .await;
    assert_eq!(status, Some(2), "{log}");
    assert!(log.contains("garbage.pem: "), "{log}");
}

/// I1: a CA that is replaced in its file is believed, without a restart.
#[tokio::test]
async fn a_ca_is_rotated_while_the_bridge_runs() {
    let pki = Pki::new();
    let (port, _server) = pki.server("server", &[]).await;
    std::fs::copy(pki.path("other-ca.pem"), pki.path("current.pem")).unwrap();
    let url = format!("rediss://127.0.0.1:{port}");
    let bridge = spawn(&url, &pki.args("current.pem"), &[]);
    eventually("refused", async || failures(&bridge, "tls").await > 0).await;
    // Half of a rotation: it stays as it was.
    std::fs::write(pki.path("current.pem"), "half").unwrap();
    eventually("told", async || {
        bridge.log().contains("the login stays as it was")
    })
    .await;
    replace(
        &pki.path("current.pem"),
        &std::fs::read_to_string(pki.path("ca.pem")).unwrap(),
    );
    bridge.ready().await;
}

#[tokio::test]
async fn a_cluster_speaks_tls() {
    let pki = Pki::new();
    let bus = free_port().to_string();
    let cluster = [
        "--cluster-enabled",
        "yes",
        "--tls-cluster",
        "yes",
        "--cluster-port",
        &bus,
    ];
    let (port, _server) = pki.server("server", &cluster).await;
    pki.cli(port, &["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    eventually("the cluster is whole", async || {
        pki.cli(port, &["CLUSTER", "INFO"])
            .contains("cluster_state:ok")
    })
    .await;
    let url = format!("rediss-cluster://127.0.0.1:{port}");
    let bridge = spawn(&url, &pki.args("ca.pem"), &[]);
    bridge.ready().await;
    let answer = bridge.exchange(&[take(b"subject-tls----3", 1)]).await;
    assert!(answer.starts_with(COUNTED), "{answer:?}");
    let health = format!("redis_cluster_ok{{role=\"state\",server=\"127.0.0.1:{port}\"}} 1.0");
    eventually("its health is told", async || {
        let reply = bridge.try_admin("GET", "/metrics", &[], "").await;
        reply.unwrap().text().contains(&health)
    })
    .await;
}

/// As secret managers do: written beside, and moved over.
fn replace(path: &Path, text: &str) {
    let fresh = path.with_extension("fresh");
    std::fs::write(&fresh, text).unwrap();
    std::fs::rename(fresh, path).unwrap();
}

/// Exchanges without pause; how many, and how many of them failed.
struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<Vec<String>>,
}

impl Load {
    fn start(bridge: &Arc<Bridge>) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let done = Arc::<AtomicU64>::default();
        let (stopped, counted, bridge) = (Arc::clone(&stop), Arc::clone(&done), Arc::clone(bridge));
        let task = tokio::spawn(async move {
            let mut failed = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let answer = bridge.exchange(&[take(b"subject-rotation", 0)]).await;
                if !answer.starts_with(COUNTED) {
                    failed.push(String::from_utf8_lossy(&answer).into_owned());
                }
                counted.fetch_add(1, Ordering::Relaxed);
            }
            failed
        });
        Self { stop, done, task }
    }

    async fn more(&self) {
        let before = self.done.load(Ordering::Relaxed);
        eventually("more exchanges", async || {
            self.done.load(Ordering::Relaxed) > before + 20
        })
        .await;
    }

    async fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap()
    }
}

const RULES: [&str; 4] = ["on", "~*", "&*", "+@all"];

/// I2: connections that live become the new user; the old one can then be removed, and nothing fails.
#[tokio::test]
async fn a_user_is_rotated_under_load_without_a_failed_exchange() {
    let bus = free_port().to_string();
    let cluster = [
        "--cluster-enabled",
        "yes",
        "--port",
        "0",
        "--cluster-port",
        &bus,
    ];
    for (name, args) in [("standalone", &[][..]), ("cluster", &cluster[..])] {
        let (redis, port) = match name {
            "standalone" => (Redis::start(args).await, None),
            _ => {
                let port = free_port();
                let text = port.to_string();
                let args = [&args[..2], &["--port", &text], &args[4..]].concat();
                let redis = Redis::start(&args).await;
                let _: String = redis
                    .query(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"])
                    .await;
                eventually("the cluster is whole", async || {
                    let info: String = redis.query(&["CLUSTER", "INFO"]).await;
                    info.contains("cluster_state:ok")
                })
                .await;
                (redis, Some(port))
            }
        };
        for user in ["first", "second"] {
            let words = [&["ACL", "SETUSER", user][..], &RULES[..], &[">secret"]].concat();
            let _: String = redis.query(&words).await;
        }
        let dir = tempfile::tempdir().unwrap();
        let (user, password) = (dir.path().join("user"), dir.path().join("password"));
        replace(&user, "first\n");
        replace(&password, "secret\n");
        let env = [
            ("TIDEGATE_REDIS_USER_FILE", user.display().to_string()),
            (
                "TIDEGATE_REDIS_PASSWORD_FILE",
                password.display().to_string(),
            ),
        ];
        let url = match port {
            Some(port) => format!("redis-cluster://127.0.0.1:{port}"),
            None => redis.url(),
        };
        let bridge = Arc::new(spawn(&url, &[], &env));
        bridge.ready().await;
        let load = Load::start(&bridge);
        load.more().await;
        replace(&user, "second\n");
        let deciding = async || {
            let clients: String = redis.query(&["CLIENT", "LIST"]).await;
            let evalsha = |line: &&str| line.contains("cmd=evalsha") || line.contains("cmd=time");
            let of = |user: &str| {
                clients
                    .lines()
                    .filter(evalsha)
                    .filter(|l| l.contains(user))
                    .count()
            };
            (of("user=first"), of("user=second"))
        };
        eventually("the connections are the second user's", async || {
            matches!(deciding().await, (0, 1..))
        })
        .await;
        let _: i64 = redis.query(&["ACL", "DELUSER", "first"]).await;
        load.more().await;
        assert_eq!(load.end().await, Vec::<String>::new(), "{name}");
        assert!(!bridge.log().contains("secret"), "{}", bridge.log());
    }
}

/// I2: a password that Redis changed first is an outage of Redis, not of sessions, and ends by itself
/// when the file has the new one.
#[tokio::test]
async fn a_changed_password_is_picked_up_from_its_file() {
    let redis = Redis::start(&[]).await;
    let set = async |password: &str| {
        let rules = [
            &["ACL", "SETUSER", "bridge", "resetpass"][..],
            &RULES[..],
            &[password],
        ];
        let _: String = redis.query(&rules.concat()).await;
    };
    set(">one").await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    replace(&file, "one");
    let env = [
        ("TIDEGATE_REDIS_USER", "bridge".to_owned()),
        ("TIDEGATE_REDIS_PASSWORD_FILE", file.display().to_string()),
    ];
    let bridge = spawn(&redis.url(), &[], &env);
    bridge.ready().await;
    set(">two").await;
    let _: i64 = redis.query(&["CLIENT", "KILL", "USER", "bridge"]).await;
    eventually("it is down", async || {
        let answer = bridge.exchange(&[take(b"subject-password", 0)]).await;
        answer.starts_with(b"-DOWN")
    })
    .await;
    eventually("the reason is told", async || {
        failures(&bridge, "login").await > 0
    })
    .await;
    let started = tokio::time::Instant::now();
    replace(&file, "two");
    eventually("it is back", async || {
        let answer = bridge.exchange(&[take(b"subject-password", 0)]).await;
        answer.starts_with(COUNTED)
    })
    .await;
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}

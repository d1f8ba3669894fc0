//! Redis Cluster and Sentinel.

use crate::doctor;
use crate::harness::*;
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Redis servers on TCP ports of their own.
struct Servers {
    ports: Vec<u16>,
    dir: TempDir,
    processes: Vec<Process>,
    args: Vec<Vec<String>>,
}

impl Servers {
    async fn start(count: usize, args: impl Fn(&[u16], usize) -> Vec<String>) -> Self {
        let ports: Vec<u16> = (0..count).map(|_| free_port()).collect();
        let mut servers = Self {
            dir: tempfile::tempdir().unwrap(),
            processes: Vec::new(),
            args: Vec::new(),
            ports,
        };
        for at in 0..count {
            let args = args(&servers.ports, at);
            servers.spawn(servers.ports[at], &args).await;
            servers.args.push(args);
        }
        servers
    }

    /// A Cluster of three that notice a failure after two seconds; `coverage`: whether it takes no commands then.
    async fn three_shards(coverage: &str) -> Self {
        let servers = Self::start(3, |_, _| {
            // The bus listens on the port plus a number of ours, so both are free.
            let bus = free_port().to_string();
            [
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                &bus,
                "--cluster-node-timeout",
                "2000",
                "--cluster-require-full-coverage",
                coverage,
            ]
            .map(str::to_owned)
            .to_vec()
        })
        .await;
        servers.cluster().await;
        servers
    }

    /// A primary, its replica and, the third process, a sentinel that misses the primary after so long; the
    /// sentinel's port.
    async fn under_a_sentinel(down_after_ms: u32) -> (Self, u16) {
        let mut servers = Self::start(2, |ports, at| match at {
            0 => Vec::new(),
            _ => vec![
                "--replicaof".to_owned(),
                "127.0.0.1".to_owned(),
                ports[0].to_string(),
            ],
        })
        .await;
        let (primary, sentinel) = (servers.ports[0], free_port());
        let config = servers.dir.path().join("sentinel.conf");
        let text = format!(
            "sentinel monitor main 127.0.0.1 {primary} 1\n\
             sentinel down-after-milliseconds main {down_after_ms}\n\
             sentinel failover-timeout main 3000\n"
        );
        std::fs::write(&config, text).unwrap();
        let args = [config.display().to_string(), "--sentinel".to_owned()];
        servers.spawn(sentinel, &args).await;
        (servers, sentinel)
    }

    fn nodes(&self) -> Vec<String> {
        let ports = self.ports.iter();
        ports.map(|port| format!("127.0.0.1:{port}")).collect()
    }

    /// Makes one Cluster of them, without replicas.
    async fn cluster(&self) {
        let created = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(self.nodes())
            .arg("--cluster-yes")
            .output()
            .unwrap();
        assert!(created.status.success(), "{created:?}");
        for port in &self.ports {
            eventually("the cluster is whole", async || {
                let info: String = query(*port, &["CLUSTER", "INFO"]).await.unwrap();
                info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384")
            })
            .await;
        }
    }

    /// Starts the last one again, as it was.
    async fn again(&mut self, at: usize) {
        let (port, args) = (self.ports[at], self.args[at].clone());
        self.spawn(port, &args).await;
    }

    async fn spawn(&mut self, port: u16, args: &[String]) {
        let dir = self.dir.path().join(port.to_string());
        std::fs::create_dir_all(&dir).unwrap();
        let child = Command::new("redis-server")
            .args(args)
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
            ])
            .current_dir(dir)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        self.processes.push(Process::of(child));
        eventually("redis answers", async || {
            query::<String>(port, &["PING"]).await.is_ok()
        })
        .await;
    }
}

async fn query<T: redis::FromRedisValue>(port: u16, words: &[&str]) -> redis::RedisResult<T> {
    let client = redis::Client::open(("127.0.0.1", port))?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let mut command = redis::Cmd::new();
    for word in words {
        command.arg(word);
    }
    command.query_async(&mut connection).await
}

#[tokio::test]
async fn a_cluster_serves_every_verb_and_every_purge() {
    // The bus listens on the port plus a number of ours, so both are free.
    let servers = Servers::start(3, |_, _| {
        let bus = free_port().to_string();
        ["--cluster-enabled", "yes", "--cluster-port", &bus]
            .map(str::to_owned)
            .to_vec()
    })
    .await;
    servers.cluster().await;
    let url = format!("redis-cluster://{}", servers.nodes().join(","));
    let bridge = Bridge::spawn(&Spec::new(&url));
    bridge.ready().await;

    let (status, report) = doctor::run(&mut doctor::doctor(&url, &url));
    assert_eq!(status, Some(1));
    let of = |check: &str| {
        doctor::bad(&report)
            .into_iter()
            .filter(|one| one.0 == check)
            .count()
    };
    assert_eq!(
        (of("replicas"), of("cluster-size"), of("cluster-slots")),
        (3, 0, 0),
        "{report:#}"
    );
    assert_eq!(of("acl-needed"), 0, "{report:#}");

    let subjects: Vec<[u8; 16]> = (0..40_u8).map(|n| [n; 16]).collect();
    let ops: Vec<_> = subjects.iter().map(|subject| take(subject, 1)).collect();
    for round in 1..=3 {
        let answer = bridge.exchange(&ops).await;
        let values = tidegate::wire::resp::decode_all(&answer).unwrap();
        for value in values {
            let reply = tidegate::wire::reply::LimitReply::parse(&value, 1);
            let reply = reply.unwrap_or_else(|_| panic!("{value:?} in round {round}"));
            assert_eq!(reply.limits[0].available, 1_000_000 - round);
        }
        // The next round finds no script on any node, and still counts once.
        for port in &servers.ports {
            let _: String = query(*port, &["SCRIPT", "FLUSH"]).await.unwrap();
        }
    }

    let urls: Vec<String> = (0..12)
        .map(|n| format!("http://h{}/api/{n}", n % 2))
        .collect();
    for (n, url) in urls.iter().enumerate() {
        let tag: &[u8] = if n % 3 == 0 { b"third" } else { b"other" };
        bridge.store(url.as_bytes(), b"body", vec![tag]).await;
    }
    for (body, purged) in [
        (r#"{"tag":"third"}"#, 4),
        (r#"{"url":"/api/1"}"#, 1),
        (r#"{"prefix":"http://h0/api/"}"#, 4),
        (r#"{"prefix":"/"}"#, 3),
    ] {
        let reply = bridge.admin("POST", "/v1/cache/purge", body).await;
        assert_eq!(reply.json()["purged"], purged, "{body}");
    }

    let body = r#"{"realm":"web","uid":"42"}"#;
    assert_eq!(bridge.admin("POST", "/v1/sessions", body).await.status, 201);
    let gone = bridge
        .admin("DELETE", "/v1/users/42/sessions?realm=web", "")
        .await;
    assert_eq!(gone.json()["sessions"], 1);
}

/// Readiness follows a Cluster that takes no commands, and comes back by itself.
#[tokio::test]
async fn a_cluster_whose_slots_nobody_serves_is_not_ready_until_they_are_served() {
    let mut servers = Servers::three_shards("yes").await;
    let url = format!("redis-cluster://{}", servers.nodes().join(","));
    let bridge = Bridge::spawn(&Spec::new(&url));
    bridge.ready().await;
    let readiness = async || {
        let reply = bridge.try_admin("GET", "/readyz", &[], "").await.unwrap();
        (reply.status, reply.text())
    };
    let counts = async || {
        let subjects: Vec<[u8; 16]> = (0..40_u8).map(|n| [n; 16]).collect();
        let ops: Vec<_> = subjects.iter().map(|subject| take(subject, 0)).collect();
        let answer = bridge.exchange(&ops).await;
        answer.windows(7).filter(|w| *w == b"*3\r\n:1\r").count()
    };
    assert_eq!(counts().await, 40);

    for how in ["killed", "frozen"] {
        let down = tokio::time::Instant::now();
        match how {
            "killed" => drop(servers.processes.remove(2)),
            _ => servers.processes[2].signal("-STOP"),
        }
        eventually("not ready", async || readiness().await.0 == 503).await;
        let (_, reason) = readiness().await;
        assert!(reason.contains("the redis cluster is down"), "{reason}");
        // The node timeout, until the others agree, and two beats.
        assert!(down.elapsed().as_secs() < 10, "{:?}", down.elapsed());
        assert_eq!(counts().await, 0, "{how}");
        let live = bridge.try_admin("GET", "/healthz", &[], "").await.unwrap();
        assert_eq!(live.status, 200);
        match how {
            "killed" => servers.again(2).await,
            _ => servers.processes[2].signal("-CONT"),
        }
        eventually("ready again", async || readiness().await.0 == 200).await;
        eventually("all slots are served", async || counts().await == 40).await;
    }

    // Two of three: the one that is left may be on the small side of a partition.
    let gone = &servers.processes[1..];
    gone.iter().for_each(|server| server.signal("-STOP"));
    eventually("cut off", async || readiness().await.1.contains("cut off")).await;
    assert_eq!(bridge.metric("cut_off").await, 1.0);
    gone.iter().for_each(|server| server.signal("-CONT"));
    eventually("ready again", async || readiness().await.0 == 200).await;
    eventually("all slots are served", async || counts().await == 40).await;
    assert_eq!(bridge.metric("cut_off").await, 0.0);
}

/// The library's client of a Cluster is one task for all nodes; while it looked for a new primary, which could be for
/// ever, no shard was served.
#[tokio::test]
async fn a_primary_that_is_gone_is_the_business_of_its_own_slots_only() {
    let mut servers = Servers::three_shards("no").await;
    let url = format!("redis-cluster://{}", servers.nodes().join(","));
    let bridge = Bridge::spawn(&Spec::new(&url));
    bridge.ready().await;
    let subjects: Vec<[u8; 16]> = (0..60_u8).map(|n| [n; 16]).collect();
    let is_served = async |subject: &[u8; 16]| {
        let answer = bridge.exchange(&[take(subject, 1)]).await;
        answer.starts_with(b"*3\r\n:1\r")
    };
    for how in ["killed", "frozen"] {
        match how {
            "killed" => drop(servers.processes.remove(2)),
            _ => servers.processes[2].signal("-STOP"),
        }
        let all = subjects.iter().map(&is_served);
        let all = futures_util::future::join_all(all).await;
        let served = subjects.iter().zip(all).filter(|(_, served)| *served);
        let served: Vec<[u8; 16]> = served.map(|(subject, _)| *subject).collect();
        assert!((30..50).contains(&served.len()), "{} of 60", served.len());
        let begun = tokio::time::Instant::now();
        while begun.elapsed() < Duration::from_secs(4) {
            let all = subjects.iter().map(|subject| {
                let lives = served.contains(subject);
                let is_served = &is_served;
                async move { lives.then_some(is_served(subject).await) }
            });
            let all = futures_util::future::join_all(all).await;
            assert!(!all.contains(&Some(false)), "{how}: {all:?}");
            // The others' requests are what it was about.
            let gone = subjects.iter().filter(|subject| !served.contains(subject));
            let gone = futures_util::future::join_all(gone.map(&is_served)).await;
            assert!(!gone.contains(&true), "{how}");
        }
        match how {
            "killed" => servers.again(2).await,
            _ => servers.processes[2].signal("-CONT"),
        }
        for subject in &subjects {
            eventually("all are served again", async || is_served(subject).await).await;
        }
    }
}

#[tokio::test]
async fn a_sentinel_failover_is_followed() {
    let (servers, sentinel) = Servers::under_a_sentinel(5_000).await;
    let (primary, replica) = (servers.ports[0], servers.ports[1]);
    let url = format!("redis-sentinel://127.0.0.1:{sentinel}/main");
    let bridge = Bridge::spawn(&Spec::new(&url));
    bridge.ready().await;
    let op = [take(b"subject-sentinel", 1)];
    assert!(bridge.exchange(&op).await.starts_with(b"*3\r\n:1"));
    eventually("replicated", async || {
        let keys: i64 = query(replica, &["DBSIZE"]).await.unwrap();
        let known: String = query(sentinel, &["INFO", "sentinel"]).await.unwrap();
        let primary: String = query(primary, &["INFO", "replication"]).await.unwrap();
        // The limit, and the number of what bridges have told.
        keys == 2 && known.contains("slaves=1") && primary.contains("state=online")
    })
    .await;

    let (status, report) = doctor::run(&mut doctor::doctor(&url, &url));
    assert_eq!(status, Some(1));
    let of = |check: &str| {
        doctor::bad(&report)
            .into_iter()
            .filter(|one| one.0 == check)
            .count()
    };
    assert_eq!(
        (of("sentinels"), of("reachable"), of("replication")),
        (1, 0, 0),
        "{report:#}"
    );
    // Of both servers, the replica too.
    assert_eq!(of("aof"), 2, "{report:#}");
    eventually("failover begun", async || {
        query::<String>(sentinel, &["SENTINEL", "FAILOVER", "main"])
            .await
            .is_ok()
    })
    .await;
    eventually("promoted", async || {
        let address: Vec<String> =
            query(sentinel, &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"])
                .await
                .unwrap();
        address[1] == replica.to_string()
    })
    .await;
    eventually("the new primary counts", async || {
        let answer = bridge.exchange(&op).await;
        let calls: String = query(replica, &["INFO", "commandstats"]).await.unwrap();
        answer.starts_with(b"*3\r\n:1") && calls.contains("cmdstat_evalsha")
    })
    .await;
}

/// A primary that hangs keeps its connections; the sentinels say who takes its place.
#[tokio::test]
async fn a_primary_that_hangs_is_left_the_moment_the_sentinels_agree() {
    let (servers, sentinel) = Servers::under_a_sentinel(1_000).await;
    eventually("the replica is known", async || {
        let known: String = query(sentinel, &["INFO", "sentinel"]).await.unwrap();
        known.contains("slaves=1")
    })
    .await;
    let url = format!("redis-sentinel://127.0.0.1:{sentinel}/main");
    let bridge = Bridge::spawn(&Spec::new(&url));
    bridge.ready().await;
    let op = [take(b"subject-hanging1", 1)];
    assert!(bridge.exchange(&op).await.starts_with(b"*3\r\n:1"));

    let client = redis::Client::open(("127.0.0.1", sentinel)).unwrap();
    let mut heard = client.get_async_pubsub().await.unwrap();
    heard.subscribe("+switch-master").await.unwrap();
    servers.processes[0].signal("-STOP");
    let told = futures_util::StreamExt::next(&mut heard.on_message()).await;
    assert!(told.is_some());
    let switched = tokio::time::Instant::now();
    eventually("the new primary counts", async || {
        bridge.exchange(&op).await.starts_with(b"*3\r\n:1")
    })
    .await;
    let took = switched.elapsed();
    // L2 says 0.5 s; a busy machine is given more.
    assert!(took.as_millis() < 2500, "{took:?} after +switch-master");
    assert_eq!(bridge.metric("switches_total").await, 1.0);
    servers.processes[0].signal("-CONT");
}

/// C13: the sentinels are silent, and the primary hears no replica: another one may have been promoted. Either alone
/// says nothing.
#[tokio::test]
async fn a_primary_that_is_cut_off_with_the_bridge_is_asked_nothing() {
    let (servers, sentinel) = Servers::under_a_sentinel(60_000).await;
    let (primary, url) = (
        servers.ports[0],
        format!("redis-sentinel://127.0.0.1:{sentinel}/main"),
    );
    eventually("the replica follows", async || {
        let info: String = query(primary, &["INFO", "replication"]).await.unwrap();
        info.contains("state=online")
    })
    .await;
    let bridge = Bridge::spawn(&Spec::new(&url));
    bridge.ready().await;
    let op = [take(b"subject-cut-off1", 1)];
    let counts = async || bridge.exchange(&op).await.starts_with(b"*3\r\n:1");
    let readiness = async || {
        let reply = bridge.try_admin("GET", "/readyz", &[], "").await.unwrap();
        (reply.status, reply.text())
    };
    let (replica, sentinel) = (&servers.processes[1], &servers.processes[2]);
    // Longer than it takes to miss the sentinel or the replica.
    let a_while = Duration::from_secs(4);
    for one in [sentinel, replica] {
        one.signal("-STOP");
        let until = tokio::time::Instant::now() + a_while;
        while tokio::time::Instant::now() < until {
            assert!(counts().await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        one.signal("-CONT");
        tokio::time::sleep(Duration::from_secs(2)).await;
    }

    for back in [sentinel, replica] {
        sentinel.signal("-STOP");
        replica.signal("-STOP");
        eventually("cut off", async || !counts().await).await;
        let before: String = query(primary, &["INFO", "commandstats"]).await.unwrap();
        let (status, reason) = readiness().await;
        assert_eq!(
            (status, reason.contains("cut off")),
            (503, true),
            "{reason}"
        );
        assert_eq!(bridge.metric("cut_off").await, 1.0);
        let body = r#"{"realm":"web","uid":"42"}"#;
        assert_eq!(bridge.admin("POST", "/v1/sessions", body).await.status, 503);
        let body = r#"{"prefix":"/"}"#;
        assert_eq!(
            bridge.admin("POST", "/v1/cache/purge", body).await.status,
            503
        );
        assert!(!counts().await);
        let after: String = query(primary, &["INFO", "commandstats"]).await.unwrap();
        assert_eq!(evalshas(&before), evalshas(&after));
        back.signal("-CONT");
        eventually("asked again", counts).await;
        assert_eq!(bridge.metric("cut_off").await, 0.0);
        eventually("ready again", async || readiness().await.0 == 200).await;
        sentinel.signal("-CONT");
        replica.signal("-CONT");
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    assert_eq!(bridge.metric("switches_total").await, 0.0);
}

/// C13: who was cut off while the sentinels promoted another primary asks what it has missed. The old primary goes on
/// as one: nobody has told it.
#[tokio::test]
async fn a_promotion_that_nobody_heard_of_is_asked_for() {
    let mut servers = Servers::start(2, |_, _| Vec::new()).await;
    let (old, new, sentinel) = (servers.ports[0], servers.ports[1], free_port());
    let config = servers.dir.path().join("sentinel.conf");
    let args = [config.display().to_string(), "--sentinel".to_owned()];
    let knows = |primary: u16, epoch: u8| {
        let text = format!(
            "sentinel monitor main 127.0.0.1 {primary} 1\nsentinel config-epoch main {epoch}\n"
        );
        std::fs::write(&config, text).unwrap();
    };
    knows(old, 1);
    servers.spawn(sentinel, &args).await;
    let url = format!("redis-sentinel://127.0.0.1:{sentinel}/main");
    let bridge = Bridge::spawn(&Spec::new(&url));
    bridge.ready().await;
    let op = [take(b"subject-unheard1", 1)];
    assert!(bridge.exchange(&op).await.starts_with(b"*3\r\n:1"));
    assert_eq!(bridge.metric("switches_total").await, 0.0);

    servers.processes.pop();
    knows(new, 2);
    servers.spawn(sentinel, &args).await;
    eventually("the new primary counts", async || {
        let answer = bridge.exchange(&op).await;
        let calls: String = query(new, &["INFO", "commandstats"]).await.unwrap();
        answer.starts_with(b"*3\r\n:1") && calls.contains("cmdstat_evalsha")
    })
    .await;
    assert_eq!(bridge.metric("switches_total").await, 1.0);

    // One that knows only of the election before is not believed.
    servers.processes.pop();
    knows(old, 1);
    servers.spawn(sentinel, &args).await;
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    let role: Vec<redis::Value> = query(old, &["ROLE"]).await.unwrap();
    assert!(!role.is_empty());
    let before: String = query(old, &["INFO", "commandstats"]).await.unwrap();
    assert!(bridge.exchange(&op).await.starts_with(b"*3\r\n:1"));
    let after: String = query(old, &["INFO", "commandstats"]).await.unwrap();
    assert_eq!(evalshas(&before), evalshas(&after));
}

fn evalshas(stats: &str) -> Option<&str> {
    stats
        .lines()
        .find(|line| line.starts_with("cmdstat_evalsha"))
}

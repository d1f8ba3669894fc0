//! Processes and the smallest clients that can speak to them.

mod ops;

pub(crate) use crate::ports::free_port;
pub(crate) use ops::*;

use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tidegate::wire::frame::Hello;
use tidegate::wire::{Op, PROTOCOL, ToBridge};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Instant;

pub(crate) const ADMIN_TOKEN: &str = "admin-token-7c1e";
pub(crate) const BRIDGE_TOKEN: &str = "bridge-token-93ab";
pub(crate) const SESSION_KEYS: &str = "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
pub(crate) const MASTER_KEY: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8";

/// A process that ends with the test.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn of(child: Child) -> Self {
        Self(child)
    }

    /// `kill -SIGNAL`.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.0.id().to_string();
        let status = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) struct Redis {
    process: Option<Process>,
    dir: TempDir,
    args: Vec<String>,
}

impl Redis {
    pub(crate) async fn start(args: &[&str]) -> Self {
        let mut redis = Self {
            process: None,
            dir: tempfile::tempdir().unwrap(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
        };
        redis.restart().await;
        redis
    }

    pub(crate) fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    pub(crate) fn stop(&mut self) {
        self.process = None;
    }

    pub(crate) async fn restart(&mut self) {
        self.stop();
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(self.socket())
            .args(&self.args)
            .current_dir(self.dir.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        self.process = Some(Process(child));
        eventually("redis answers", async || self.connect().await.is_ok()).await;
    }

    pub(crate) async fn connect(&self) -> redis::RedisResult<redis::aio::MultiplexedConnection> {
        let client = redis::Client::open(format!("unix://{}", self.socket().display()))?;
        client.get_multiplexed_async_connection().await
    }

    pub(crate) async fn query<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(word);
        }
        let mut connection = self.connect().await.unwrap();
        command.query_async(&mut connection).await.unwrap()
    }

    /// [`Redis::data_calls`] of a bridge that nobody has asked anything: what it tells other bridges once it listens. It
    /// is ready before that, and on a busy machine long before; what it does not hear back within 300 ms it says again.
    pub(crate) async fn calls_of_a_start(&self) -> Vec<String> {
        const SAID_AGAIN: Duration = Duration::from_millis(350);
        let mut calls = Vec::new();
        eventually("its own beat, heard", async || {
            let before = std::mem::replace(&mut calls, self.data_calls().await);
            tokio::time::sleep(SAID_AGAIN).await;
            !calls.is_empty() && calls == before
        })
        .await;
        calls
    }

    /// Calls of commands that touch data, by `INFO commandstats`.
    pub(crate) async fn data_calls(&self) -> Vec<String> {
        let info: String = self.query(&["INFO", "commandstats"]).await;
        let ours = [
            "cmdstat_evalsha",
            "cmdstat_eval:",
            "cmdstat_scan",
            "cmdstat_hget",
        ];
        let lines = info
            .lines()
            .filter(|line| ours.iter().any(|name| line.starts_with(name)));
        lines
            .map(|line| line.split(",usec").next().unwrap().to_owned())
            .collect()
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("redis.sock")
    }
}

pub(crate) struct Bridge {
    process: Process,
    pub(crate) dir: TempDir,
    pub(crate) admin: u16,
    /// Of its data listener, unless that is a Unix socket.
    pub(crate) tcp: Option<u16>,
}

/// How to start a bridge.
pub(crate) struct Spec<'a> {
    pub(crate) redis: &'a str,
    pub(crate) cache: Option<&'a str>,
    /// `unix`, `tcp` or `tls`: how its data listener is reached.
    pub(crate) data: &'a str,
    pub(crate) without: Option<&'a str>,
    pub(crate) log: &'a str,
    /// Where the log goes instead of the bridge's directory.
    pub(crate) log_to: Option<&'a str>,
    pub(crate) args: &'a [String],
    pub(crate) env: &'a [(&'a str, String)],
}

impl<'a> Spec<'a> {
    pub(crate) fn new(redis: &'a str) -> Self {
        Self {
            redis,
            cache: None,
            data: "unix",
            without: None,
            log: "info",
            log_to: None,
            args: &[],
            env: &[],
        }
    }
}

pub(crate) const POLICY: &str = "
version: 1
bridge: { cluster: redis-bridge, timeout: 100ms }
sessions:
  web: { cookie: __Host-sid, idle: 30m, absolute: 12h }
  api: { header: authorization, idle: 30m, absolute: 12h }
limits:
  per-ip:   { algorithm: fixed_window, limit: 100, window: 1h, key: [client.ip] }
  per-user: { algorithm: token_bucket, limit: 60, window: 1m, burst: 10, key: [session.user] }
caches:
  catalog: { ttl: 60s, max_body: 256KiB }
policies:
  api: { session: web, limits: [per-ip, per-user], cache: catalog }
routes:
  - { match: { path_prefix: / }, policy: api }
";

impl Bridge {
    /// A bridge that is ready.
    pub(crate) async fn start(redis: &Redis) -> Self {
        let url = redis.url();
        let bridge = Self::spawn(&Spec::new(&url));
        bridge.ready().await;
        bridge
    }

    pub(crate) fn spawn(spec: &Spec<'_>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (admin, tcp) = (free_port(), (spec.data != "unix").then(free_port));
        let child = command(spec, dir.path(), admin, tcp).spawn().unwrap();
        Self {
            process: Process(child),
            dir,
            admin,
            tcp,
        }
    }

    /// One that is expected to end at once: its exit status and what it wrote.
    pub(crate) async fn fails(spec: &Spec<'_>) -> (Option<i32>, String) {
        let mut bridge = Self::spawn(spec);
        let status = bridge.exit().await;
        (status, bridge.log())
    }

    pub(crate) async fn exit(&mut self) -> Option<i32> {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(10) {
            if let Some(status) = self.process.0.try_wait().unwrap() {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the bridge did not exit: {}", self.log());
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// The most memory the process ever held, MiB.
    pub(crate) fn peak_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }

    pub(crate) fn terminate(&self) {
        self.process.signal("-TERM");
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("b.sock")
    }

    pub(crate) async fn ready(&self) {
        eventually("ready", async || {
            self.try_admin("GET", "/readyz", &[], "")
                .await
                .is_some_and(|r| r.status == 200)
        })
        .await;
    }

    /// A request to the admin listener with its credential.
    pub(crate) async fn admin(&self, method: &str, path: &str, body: &str) -> Reply {
        let authorization = format!("Bearer {ADMIN_TOKEN}");
        let headers = [("authorization", authorization.as_str())];
        self.try_admin(method, path, &headers, body).await.unwrap()
    }

    pub(crate) async fn try_admin(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<Reply> {
        let io = TcpStream::connect(("127.0.0.1", self.admin)).await.ok()?;
        request(io, method, path, headers, body.as_bytes()).await
    }

    /// A request to the data listener.
    pub(crate) async fn data(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        match self.tcp {
            Some(port) => {
                let io = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                request(io, method, path, headers, body).await.unwrap()
            }
            None => {
                let io = UnixStream::connect(self.socket()).await.unwrap();
                request(io, method, path, headers, body).await.unwrap()
            }
        }
    }

    /// Operations by `POST /v1/exchange`; the answer's bytes.
    pub(crate) async fn exchange(&self, ops: &[Op<'_>]) -> Vec<u8> {
        let reply = self.data("POST", "/v1/exchange", &[], &encode(ops)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.body
    }

    /// A metric's value; the sum of its series when the name has no labels.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let reply = self.try_admin("GET", "/metrics", &[], "").await.unwrap();
        let text = reply.text();
        let lines = text.lines().filter(|line| {
            line.strip_prefix("tidegate_bridge_")
                .and_then(|line| line.strip_prefix(name))
                .is_some_and(|rest| rest.starts_with([' ', '{']))
        });
        lines
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    }

    /// One series, by its name with labels; 0 when it is not there.
    pub(crate) async fn series(&self, name: &str) -> f64 {
        let reply = self.try_admin("GET", "/metrics", &[], "").await.unwrap();
        let start = format!("tidegate_bridge_{name} ");
        let text = reply.text();
        let value = text.lines().find_map(|line| line.strip_prefix(&start));
        value.map_or(0.0, |value| value.parse().unwrap())
    }

    pub(crate) async fn stream(&self) -> Stream {
        let io = UnixStream::connect(self.socket()).await.unwrap();
        Stream::open(io, &[]).await
    }
}

fn command(spec: &Spec<'_>, dir: &Path, admin: u16, tcp: Option<u16>) -> Command {
    let policy = dir.join("policy.yaml");
    std::fs::write(&policy, POLICY).unwrap();
    let data = match tcp {
        Some(port) => format!("{}:127.0.0.1:{port}", spec.data),
        None => format!("unix:{}", dir.join("b.sock").display()),
    };
    let log = spec.log_to.map_or_else(|| dir.join("log"), PathBuf::from);
    let mut command = Command::new(env!("CARGO_BIN_EXE_redis-bridge"));
    command
        .args([
            "--log", spec.log, "serve", "--data", &data, "--redis", spec.redis,
        ])
        .args(["--admin", &format!("127.0.0.1:{admin}"), "--policy"])
        .arg(policy)
        .env_clear()
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(log).unwrap());
    command.args(spec.args).envs(spec.env.iter().cloned());
    if let Some(cache) = spec.cache {
        command.args(["--redis-cache", cache]);
    }
    for (name, value) in [
        ("TIDEGATE_ADMIN_TOKEN", ADMIN_TOKEN),
        ("TIDEGATE_BRIDGE_TOKEN", BRIDGE_TOKEN),
        ("TIDEGATE_SESSION_KEYS", SESSION_KEYS),
        ("TIDEGATE_MASTER_KEY", MASTER_KEY),
    ] {
        if spec.without != Some(name) {
            command.env(name, value);
        }
    }
    command
}

/// Waits until `check` holds; fails after half a minute.
pub(crate) async fn eventually(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !check().await {
        assert!(started.elapsed() < Duration::from_secs(30), "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// One HTTP/1.1 request on a connection of its own.
pub(crate) async fn request(
    mut io: impl AsyncRead + AsyncWrite + Unpin,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Option<Reply> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: bridge\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "content-length") {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    io.write_all(&[head.as_bytes(), body].concat()).await.ok()?;
    let mut bytes = Vec::new();
    io.read_to_end(&mut bytes).await.ok()?;
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    Some(Reply {
        status: head.split(' ').nth(1)?.parse().ok()?,
        head: head.to_ascii_lowercase(),
        body: bytes[end..].to_vec(),
    })
}

/// A decision stream, as a worker has one.
pub(crate) struct Stream {
    send: h2::SendStream<Bytes>,
    body: h2::RecvStream,
    read: Vec<u8>,
}

impl Stream {
    pub(crate) async fn open(
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        headers: &[(&str, &str)],
    ) -> Self {
        let (client, connection) = h2::client::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let mut client = client.ready().await.unwrap();
        let mut request = http::Request::post("http://bridge/tidegate.v1.Bridge/Exchange")
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (response, send) = client
            .send_request(request.body(()).unwrap(), false)
            .unwrap();
        let response = response.await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/grpc");
        Self {
            send,
            body: response.into_body(),
            read: Vec::new(),
        }
    }

    /// A stream that was greeted.
    pub(crate) async fn greet(&mut self) {
        self.send(&[hello()]);
        let message = self.receive().await.unwrap();
        assert!(message.starts_with(b"*3\r\n+WELCOME"), "{message:?}");
    }

    pub(crate) fn send(&mut self, frames: &[ToBridge<'_>]) {
        let mut message = Vec::new();
        for frame in frames {
            frame.encode(&mut message);
        }
        self.send_raw(&prefixed(&message));
    }

    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        self.send
            .send_data(Bytes::copy_from_slice(bytes), false)
            .unwrap();
    }

    pub(crate) fn finish(&mut self) {
        self.send.send_data(Bytes::new(), true).unwrap();
    }

    /// The next message; `None` at the end of the body.
    pub(crate) async fn receive(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some((head, rest)) = self.read.split_first_chunk::<5>() {
                let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
                if rest.len() >= length {
                    let message = rest[..length].to_vec();
                    self.read.drain(..5 + length);
                    return Some(message);
                }
            }
            let wait = tokio::time::timeout(Duration::from_secs(10), self.body.data());
            let chunk = wait.await.expect("an answer in time")?.unwrap();
            self.body
                .flow_control()
                .release_capacity(chunk.len())
                .unwrap();
            self.read.extend_from_slice(&chunk);
        }
    }

    /// `grpc-status`, after the body's end.
    pub(crate) async fn status(&mut self) -> String {
        while self.receive().await.is_some() {}
        let trailers = self.body.trailers().await.unwrap().expect("trailers");
        trailers["grpc-status"].to_str().unwrap().to_owned()
    }
}

/// Whether a message, which may be several frames, holds this.
pub(crate) fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|w| w == text.as_bytes())
}

pub(crate) fn hello() -> ToBridge<'static> {
    ToBridge::Hello(Hello {
        protocol: PROTOCOL,
        namespace: b"tg",
        node: b"test-node",
        worker: 7,
        version: b"0.1.0",
        digest: b"d1gest",
    })
}

pub(crate) fn prefixed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], message].concat()
}

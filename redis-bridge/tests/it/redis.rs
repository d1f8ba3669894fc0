//! A redis-server of one test, and the few bytes it takes to talk to it.

use crate::ports::free_port;
use redis_bridge::core::Value;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tidegate::wire::resp::{self, Bounds, DecodeError, Decoder, Value as Wire};

/// Ends with its owner; also when the test process is killed, because its standard input ends then.
pub(crate) struct Server {
    child: Child,
    dir: PathBuf,
}

pub(crate) struct Client {
    stream: UnixStream,
    input: Vec<u8>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with("--port 0")
    }

    /// One node of a Cluster.
    pub(crate) fn start_cluster() -> Self {
        // The bus has a port of its own.
        let (data, bus) = (free_port(), free_port());
        let options =
            format!("--bind 127.0.0.1 --port {data} --cluster-enabled yes --cluster-port {bus}");
        Self::with(&options)
    }

    /// With these options.
    pub(crate) fn with(options: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("tg-it-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let script = "redis-server $2 --unixsocket \"$1/s\" --dir \"$1\" --save '' \
                      --appendonly no >/dev/null & read -r _; kill $!; wait; rm -rf \"$1\"";
        let child = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(&dir)
            .arg(options)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child, dir }
    }

    pub(crate) fn client(&self) -> Client {
        let socket = self.dir.join("s");
        for _ in 0..500 {
            if let Ok(stream) = UnixStream::connect(&socket) {
                stream
                    .set_read_timeout(Some(Duration::from_secs(10)))
                    .unwrap();
                return Client {
                    stream,
                    input: Vec::new(),
                };
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("redis-server did not start");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

impl Client {
    pub(crate) fn call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Value {
        let mut out = Vec::new();
        resp::array(&mut out, args.len());
        for arg in args {
            resp::bulk(&mut out, arg.as_ref());
        }
        self.stream.write_all(&out).unwrap();
        loop {
            let bounds = Bounds {
                items: 1 << 20,
                ..Bounds::default()
            };
            let mut decoder = Decoder::new(&self.input, bounds);
            match decoder.next_value() {
                Ok(Some(value)) => {
                    let value = owned(&value);
                    self.input = decoder.rest().to_vec();
                    return value;
                }
                Ok(None) | Err(DecodeError::Incomplete) => {}
                Err(e) => panic!("redis answered no RESP: {e}"),
            }
            let mut chunk = [0; 16_384];
            let n = self.stream.read(&mut chunk).unwrap();
            assert!(n > 0, "redis closed the connection");
            self.input.extend(&chunk[..n]);
        }
    }
}

fn owned(value: &Wire<'_>) -> Value {
    match value {
        Wire::Array(items) => Value::Array(items.iter().map(owned).collect()),
        Wire::Bulk(bytes) => Value::Bulk(bytes.to_vec()),
        Wire::Error(line) => Value::Error(line.to_vec()),
        Wire::Integer(n) => Value::Integer(*n),
        Wire::Null => Value::Null,
        Wire::Simple(line) => Value::Simple(line.to_vec()),
    }
}

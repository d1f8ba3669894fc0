//! More than it can take: bounded memory, an answer at once, and who was served before is served on.

use crate::harness::*;
use std::process::{Command, Stdio};
use std::time::Duration;
use tidegate::wire::ToBridge;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// A worker that was there before, and what it hears now.
async fn is_served(stream: &mut Stream, id: u64) {
    let ops = encode(&[take(b"subject-overload", 1)]);
    stream.send(&[ToBridge::Exchange {
        id,
        deadline_ms: 5000,
        trace: None,
        ops: frame_ops(&ops),
    }]);
    let message = stream.receive().await.unwrap();
    let wanted = format!("+R\r\n:{id}\r\n");
    let found = message
        .windows(wanted.len())
        .any(|w| w == wanted.as_bytes());
    assert!(found, "{}", String::from_utf8_lossy(&message));
    assert!(!message.windows(5).any(|w| w == b"-BUSY"));
}

/// 40 bodies of 100 MB each, announced or not, whole or cut short.
#[tokio::test]
async fn bodies_of_100_megabytes_cost_bounded_memory() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    let mut stream = bridge.stream().await;
    stream.greet().await;
    let before = bridge.peak_mib();
    let announced = "content-length: 104857600\r\n\r\n";
    let chunked = "transfer-encoding: chunked\r\n\r\n";
    let uploads = (0..40).map(|n| {
        let socket = bridge.socket();
        tokio::spawn(async move {
            let mut io = UnixStream::connect(socket).await.unwrap();
            let framing = if n % 2 == 0 { announced } else { chunked };
            let head = format!("POST /v1/exchange HTTP/1.1\r\nhost: b\r\n{framing}");
            io.write_all(head.as_bytes()).await.unwrap();
            let (mut read, mut write) = io.into_split();
            let body = tokio::spawn(async move {
                let piece = [b'x'; 1 << 16];
                let chunk = [b"10000\r\n", &piece[..], b"\r\n"].concat();
                for _ in 0..1600 {
                    let bytes = if n % 2 == 0 { &piece[..] } else { &chunk[..] };
                    if write.write_all(bytes).await.is_err() {
                        break;
                    }
                }
            });
            let mut answer = Vec::new();
            let _closed = read.read_to_end(&mut answer).await;
            body.abort();
            let status = String::from_utf8_lossy(&answer).into_owned();
            status.split(' ').nth(1).unwrap_or("none").to_owned()
        })
    });
    let uploads: Vec<_> = uploads.collect();
    for (n, upload) in uploads.into_iter().enumerate() {
        let status = upload.await.unwrap();
        // One that is cut off while it writes may lose the answer.
        assert!(
            ["413", "503", "none"].contains(&status.as_str()),
            "{n}: {status}"
        );
    }
    is_served(&mut stream, 1).await;
    let more = bridge.peak_mib() - before;
    assert!(more < 160, "{more} MiB more than before");
    assert!(bridge.metric("refused_total").await >= 20.0);
}

/// Bodies that never end hold the budget; then others are refused at once, and taken again after it.
#[tokio::test]
async fn what_is_being_read_is_bounded_over_all_connections() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    let piece = vec![b'x'; 7 << 20];
    let mut slow = Vec::new();
    for _ in 0..9 {
        let mut io = UnixStream::connect(bridge.socket()).await.unwrap();
        let head = "POST /v1/exchange HTTP/1.1\r\nhost: b\r\ncontent-length: 8000000\r\n\r\n";
        io.write_all(head.as_bytes()).await.unwrap();
        io.write_all(&piece).await.unwrap();
        slow.push(io);
    }
    eventually("refused", async || {
        upload(&bridge, 3 << 20).await == Some(503)
    })
    .await;
    let small = bridge.exchange(&[take(b"subject-overload", 1)]).await;
    assert!(small.starts_with(b"*3\r\n:1"));
    drop(slow);
    eventually("read again", async || {
        upload(&bridge, 3 << 20).await == Some(400)
    })
    .await;
}

/// The status of a body that is no exchange; who refuses it need not read it to its end.
async fn upload(bridge: &Bridge, bytes: usize) -> Option<u16> {
    let io = UnixStream::connect(bridge.socket()).await.ok()?;
    let (mut read, mut write) = io.into_split();
    let head = format!(
        "POST /v1/exchange HTTP/1.1\r\nhost: b\r\nconnection: close\r\ncontent-length: {bytes}\r\n\r\n"
    );
    let body = [head.into_bytes(), vec![b'x'; bytes]].concat();
    let writing = tokio::spawn(async move {
        let _refused_meanwhile = write.write_all(&body).await;
        write
    });
    let mut answer = Vec::new();
    let _closed = read.read_to_end(&mut answer).await;
    writing.abort();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.split(' ').nth(1)?.parse().ok()
}

/// E10: they get no place for long, and who has one keeps it.
#[tokio::test]
async fn ten_thousand_silent_connections_cost_bounded_memory() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    let mut stream = bridge.stream().await;
    stream.greet().await;
    let before = bridge.peak_mib();
    let program = "
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
held = []
for n in range(10000):
    s = socket.socket(socket.AF_UNIX)
    s.setblocking(False)
    try:
        s.connect(sys.argv[1])
    except BlockingIOError:
        pass
    held.append(s)
print('held', flush=True)
sys.stdin.read()
";
    let mut child = Command::new("python3")
        .args(["-c", program])
        .arg(bridge.socket())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = [0; 4];
    let mut out = child.stdout.take().unwrap();
    tokio::task::spawn_blocking(move || {
        std::io::Read::read_exact(&mut out, &mut told).unwrap();
        assert_eq!(&told, b"held");
    })
    .await
    .unwrap();
    let _held = Process::of(child);
    for id in 1..20 {
        is_served(&mut stream, id).await;
    }
    // Silent ones lose their place after five seconds: another worker is greeted while they still wait.
    let other = async {
        let io = loop {
            // The queue of those who wait for a place is full.
            match UnixStream::connect(bridge.socket()).await {
                Ok(io) => break io,
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        let mut other = Stream::open(io, &[]).await;
        other.greet().await;
        is_served(&mut other, 1).await;
    };
    let greeted = tokio::time::timeout(Duration::from_secs(150), other).await;
    greeted.expect("a place in time");
    let more = bridge.peak_mib() - before;
    assert!(more < 64, "{more} MiB more than before");
}

/// I6: CVE-2023-44487. The connection that does it ends, the others do not.
#[tokio::test]
async fn streams_reset_as_soon_as_opened_end_their_connection() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    let mut stream = bridge.stream().await;
    stream.greet().await;
    let before = bridge.peak_mib();
    let io = UnixStream::connect(bridge.socket()).await.unwrap();
    let (client, connection) = h2::client::handshake(io).await.unwrap();
    let ended = tokio::spawn(connection);
    let mut client = Some(client);
    let mut opened = 0;
    while opened < 200_000 {
        let Some(Ok(mut ready)) = ready(client.take()).await else {
            break;
        };
        let request = http::Request::post("http://b/tidegate.v1.Bridge/Exchange")
            .header("content-type", "application/grpc")
            .body(())
            .unwrap();
        let Ok((_, mut body)) = ready.send_request(request, false) else {
            break;
        };
        body.send_reset(h2::Reason::CANCEL);
        client = Some(ready);
        opened += 1;
    }
    let ended = tokio::time::timeout(Duration::from_secs(10), ended).await;
    assert!(ended.is_ok(), "still open after {opened} streams");
    is_served(&mut stream, 1).await;
    let more = bridge.peak_mib() - before;
    assert!(more < 64, "{more} MiB more than before");
    eventually("all of them are gone", async || {
        bridge.metric("streams").await <= 1.0
    })
    .await;
}

type Client = h2::client::SendRequest<bytes::Bytes>;

async fn ready(client: Option<Client>) -> Option<Result<Client, h2::Error>> {
    Some(client?.ready().await)
}

/// G4: writes of 200 KiB as fast as they go, on eight connections, and a session is still looked up.
#[tokio::test]
async fn cache_writes_do_not_starve_decisions() {
    let redis = Redis::start(&["--maxmemory", "300mb"]).await;
    let bridge = std::sync::Arc::new(Bridge::start(&redis).await);
    let record = vec![7_u8; 200 << 10];
    let mut writers = Vec::new();
    for n in 0..8 {
        let (bridge, record) = (std::sync::Arc::clone(&bridge), record.clone());
        writers.push(tokio::spawn(async move {
            let url = format!("http://h/{n}");
            loop {
                let _stored_or_busy = bridge
                    .exchange(&[cache_put(url.as_bytes(), LEASE, &record, vec![])])
                    .await;
            }
        }));
    }
    let mut stream = bridge.stream().await;
    stream.greet().await;
    let mut slowest = Duration::ZERO;
    for id in 1..200 {
        let asked = tokio::time::Instant::now();
        is_served(&mut stream, id).await;
        slowest = slowest.max(asked.elapsed());
    }
    writers.iter().for_each(tokio::task::JoinHandle::abort);
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    assert!(
        bridge.metric("ops_total").await > 200.0,
        "the writers wrote"
    );
}

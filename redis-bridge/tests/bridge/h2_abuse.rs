//! I6: what HTTP/2 lets a peer do cheaply and makes a server pay for. The connection that does it ends, or is
//! heard at its own pace; memory stays, and a worker beside it is served.

use crate::harness::*;
use std::time::Duration;
use tidegate::wire::ToBridge;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
/// `:method: POST`, `:scheme: http`, `:path: /` from the static table (RFC 7541, appendix A).
const POST: &[u8] = &[0x83, 0x86, 0x84];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head[..], payload].concat()
}

/// What is sent, again and again.
struct Abuse {
    name: &'static str,
    /// After the preface, once.
    first: Vec<u8>,
    /// The frames of one round.
    round: fn(u32) -> Vec<u8>,
    /// Whether the answers are read.
    reads: bool,
    /// Whether the connection must end by it.
    ends: bool,
}

fn all() -> Vec<Abuse> {
    let settings = frame(SETTINGS, 0, 0, &[]);
    let zero_window = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let headers = |flags| frame(HEADERS, flags, 1, POST);
    vec![
        Abuse {
            name: "PING flood",
            first: settings.clone(),
            round: |n| frame(PING, 0, 0, &u64::from(n).to_be_bytes()),
            reads: false,
            ends: false,
        },
        Abuse {
            name: "PING flood, answers read",
            first: settings.clone(),
            round: |n| frame(PING, 0, 0, &u64::from(n).to_be_bytes()),
            reads: true,
            ends: false,
        },
        Abuse {
            name: "SETTINGS flood",
            first: settings.clone(),
            round: |n| frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, n as u8]),
            reads: false,
            ends: false,
        },
        Abuse {
            name: "CONTINUATION flood",
            // Never END_HEADERS.
            first: [settings.clone(), headers(0)].concat(),
            round: |_| frame(CONTINUATION, 0, 1, b"\x00\x01x\x01y"),
            reads: true,
            ends: true,
        },
        Abuse {
            name: "empty CONTINUATION flood",
            first: [settings.clone(), headers(0)].concat(),
            round: |_| frame(CONTINUATION, 0, 1, b""),
            reads: true,
            ends: true,
        },
        Abuse {
            name: "empty DATA flood",
            first: [settings.clone(), headers(4)].concat(),
            round: |_| frame(DATA, 0, 1, b""),
            reads: true,
            ends: true,
        },
        Abuse {
            name: "streams reset by the server",
            first: settings.clone(),
            // A window update of nothing is an error of its stream (RFC 9113, 6.9).
            round: |n| {
                let stream = 2 * n + 1;
                let update = frame(WINDOW_UPDATE, 0, stream, &[0; 4]);
                [frame(HEADERS, 5, stream, POST), update].concat()
            },
            reads: true,
            ends: true,
        },
        Abuse {
            name: "a frame of 16 MiB announced",
            first: settings.clone(),
            round: |_| vec![0xff, 0xff, 0xff, DATA, 0, 0, 0, 0, 1],
            reads: true,
            ends: true,
        },
        Abuse {
            name: "requests with a window of zero",
            first: zero_window,
            round: |n| frame(HEADERS, 5, 2 * n + 1, POST),
            reads: true,
            ends: false,
        },
    ]
}

/// Does it for a second, or until the connection ends; whether it ended.
async fn commit(bridge: &Bridge, abuse: &Abuse) -> (bool, u64) {
    let mut io = UnixStream::connect(bridge.socket()).await.unwrap();
    io.write_all(&[PREFACE, &abuse.first].concat())
        .await
        .unwrap();
    let (mut read, mut write) = io.into_split();
    let reads = abuse.reads;
    let reader = tokio::spawn(async move {
        let mut buffer = vec![0; 1 << 16];
        while reads && !matches!(read.read(&mut buffer).await, Ok(0) | Err(_)) {}
        // Who does not read keeps the connection all the same.
        read
    });
    let (started, mut sent) = (Instant::now(), 0);
    let mut ended = false;
    while !ended && started.elapsed() < Duration::from_secs(1) {
        let mut batch = Vec::new();
        for _ in 0..100 {
            batch.extend((abuse.round)(sent));
            sent += 1;
        }
        match timeout(Duration::from_secs(1), write.write_all(&batch)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => ended = true,
            // It is not heard any more, for it does not listen.
            Err(_) => break,
        }
    }
    if abuse.ends && !ended {
        ended = timeout(Duration::from_secs(5), reader).await.is_ok();
    } else {
        reader.abort();
    }
    (ended, u64::from(sent))
}

#[tokio::test]
async fn what_is_cheap_for_a_peer_is_cheap_for_the_bridge() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    let mut worker = bridge.stream().await;
    worker.greet().await;
    let mut id = 0;
    for abuse in all() {
        let before = bridge.peak_mib();
        let committing = commit(&bridge, &abuse);
        tokio::pin!(committing);
        let mut slowest = Duration::ZERO;
        let (ended, sent) = loop {
            let asked = Instant::now();
            let serving = async {
                id += 1;
                served(&mut worker, id).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            };
            tokio::select! {
                biased;
                () = serving => slowest = slowest.max(asked.elapsed()),
                outcome = &mut committing => break outcome,
            }
        };
        let more = bridge.peak_mib() - before;
        eprintln!(
            "{}: {sent} rounds, ended: {ended}, {more} MiB, served within {slowest:?}",
            abuse.name
        );
        if abuse.ends {
            assert!(ended, "{}: still open after {sent}", abuse.name);
        }
        assert!(more < 16, "{}: {more} MiB", abuse.name);
        assert!(
            slowest < Duration::from_secs(1),
            "{}: {slowest:?}",
            abuse.name
        );
        id += 1;
        served(&mut worker, id).await;
    }
}

/// An exchange; the answer to an earlier one that nobody waited for comes before its own.
async fn served(worker: &mut Stream, id: u64) {
    let ops = encode(&[take(b"subject-h2-abuse", 1)]);
    worker.send(&[ToBridge::Exchange {
        id,
        deadline_ms: 5000,
        trace: None,
        ops: frame_ops(&ops),
    }]);
    let wanted = format!("+R\r\n:{id}\r\n");
    while !contains(&worker.receive().await.unwrap(), &wanted) {}
}

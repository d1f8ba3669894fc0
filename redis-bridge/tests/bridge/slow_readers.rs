//! E10, X4: those who ask for much and read nothing cost what is set aside for them, and no one else.

use crate::harness::*;
use bytes::Bytes;
use std::time::Duration;
use tidegate::wire::ToBridge;
use tokio::net::UnixStream;

const READERS: usize = 1000;
/// Streams of one connection.
const EACH: usize = 20;
const OBJECT: usize = 256 << 10;
/// `listener::data::MAX_UNREAD`, MiB: of streams, and of large unary answers.
const UNREAD: u64 = 64;
/// Of each reader KiB: what it has free, what HTTP/2 holds for it, and what a stream is.
const OF_READER: u64 = 16 + 64 + 16;
/// Answers that Redis has just given, a script's copy of one, the allocator: MiB.
const SLACK: u64 = 96;

/// A worker that is served, small answers and large ones.
async fn is_served(stream: &mut Stream, id: u64) {
    let ops = encode(&[
        take(b"subject-readers1", 1),
        cache_get(b"http://h/large", LEASE),
    ]);
    stream.send(&[ToBridge::Exchange {
        id,
        deadline_ms: 5000,
        trace: None,
        ops: frame_ops(&ops),
    }]);
    loop {
        let message = stream.receive().await.unwrap();
        if contains(&message, &format!("+R\r\n:{id}\r\n")) {
            assert!(message.len() > OBJECT, "{}", message.len());
            return;
        }
    }
}

async fn h2_client(bridge: &Bridge) -> h2::client::SendRequest<Bytes> {
    let io = UnixStream::connect(bridge.socket()).await.unwrap();
    let (client, connection) = h2::client::handshake(io).await.unwrap();
    tokio::spawn(connection);
    client.ready().await.unwrap()
}

fn growth_is_bounded(bridge: &Bridge, before: u64, what: &str) {
    let (bound, peak) = (
        UNREAD + READERS as u64 * OF_READER / 1024 + SLACK,
        bridge.peak_mib(),
    );
    eprintln!("{what}: {before} MiB before, {peak} MiB at most, {bound} MiB more are allowed");
    assert!(
        peak - before < bound,
        "{what}: {before} to {peak} MiB, bound {bound}"
    );
}

#[tokio::test]
async fn a_thousand_streams_that_read_nothing_cost_bounded_memory() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    bridge
        .store(b"http://h/large", &vec![7; OBJECT], vec![])
        .await;
    let mut worker = bridge.stream().await;
    worker.greet().await;
    is_served(&mut worker, 1).await;
    let before = bridge.peak_mib();
    let ops = encode(&[cache_get(b"http://h/large", LEASE)]);
    let mut message = Vec::new();
    hello().encode(&mut message);
    let mut held = Vec::new();
    let mut asked = 1;
    for _ in 0..READERS / EACH {
        let mut client = h2_client(&bridge).await;
        for _ in 0..EACH {
            client = client.ready().await.unwrap();
            let request = http::Request::post("http://b/tidegate.v1.Bridge/Exchange")
                .header("content-type", "application/grpc")
                .body(())
                .unwrap();
            let (response, mut send) = client.send_request(request, false).unwrap();
            send.send_data(prefixed(&message).into(), false).unwrap();
            // A megabyte for each, and so a gigabyte for all.
            for id in 1..=4 {
                let mut exchange = Vec::new();
                let ask = ToBridge::Exchange {
                    id,
                    deadline_ms: 5000,
                    trace: None,
                    ops: frame_ops(&ops),
                };
                ask.encode(&mut exchange);
                send.send_data(prefixed(&exchange).into(), false).unwrap();
            }
            held.push((response, send));
        }
        held.push({
            // The connection's window is full, so its streams say nothing more; the connection stays.
            let request = http::Request::post("http://b/v1/none").body(()).unwrap();
            client = client.ready().await.unwrap();
            client.send_request(request, false).unwrap()
        });
        asked += 1;
        is_served(&mut worker, asked).await;
    }
    eventually("some are given up", async || {
        bridge.metric("slow_readers_total").await > 0.0
    })
    .await;
    for id in 1..=20 {
        is_served(&mut worker, 1000 + id).await;
    }
    growth_is_bounded(&bridge, before, "streams");
    drop(held);
}

#[tokio::test]
async fn a_thousand_unary_answers_that_nobody_reads_cost_bounded_memory() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    bridge
        .store(b"http://h/large", &vec![7; OBJECT], vec![])
        .await;
    let mut worker = bridge.stream().await;
    worker.greet().await;
    is_served(&mut worker, 1).await;
    let before = bridge.peak_mib();
    let ops = Bytes::from(encode(&[cache_get(b"http://h/large", LEASE)]));
    let mut held = Vec::new();
    for asked in 0..READERS / EACH {
        let mut client = h2_client(&bridge).await;
        let mut answers = Vec::new();
        for _ in 0..EACH {
            client = client.ready().await.unwrap();
            let request = http::Request::post("http://b/v1/exchange")
                .body(())
                .unwrap();
            let (response, mut send) = client.send_request(request, false).unwrap();
            send.send_data(ops.clone(), true).unwrap();
            answers.push(response);
        }
        for answer in answers {
            held.push(answer.await.unwrap());
        }
        is_served(&mut worker, 2 + asked as u64).await;
    }
    let refused = held.iter().filter(|answer| answer.status() == 503).count();
    let answered = held.iter().filter(|answer| answer.status() == 200).count();
    assert_eq!(refused + answered, READERS);
    // 64 MiB of them wait, and what each connection's window took.
    assert!((200..500).contains(&answered), "{answered} answered");
    // Small ones have a budget of their own.
    let small = bridge.exchange(&[take(b"subject-readers2", 1)]).await;
    assert!(small.starts_with(b"*3\r\n:1"));
    growth_is_bounded(&bridge, before, "unary");
    drop(held);
    eventually("large ones are answered again", async || {
        let reply = bridge.data("POST", "/v1/exchange", &[], &ops).await;
        reply.status == 200
    })
    .await;
}

/// Connections that were opened and say nothing keep what they have, and it is little.
#[tokio::test]
async fn idle_connections_cost_little() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    let before = bridge.peak_mib();
    let mut held = Vec::new();
    for _ in 0..500 {
        held.push(h2_client(&bridge).await);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let more = bridge.peak_mib() - before;
    eprintln!("500 idle connections: {more} MiB");
    // 64 KiB each.
    assert!(more < 32, "{more} MiB for 500 idle connections");
    let small = bridge.exchange(&[take(b"subject-readers3", 1)]).await;
    assert!(small.starts_with(b"*3\r\n:1"));
}

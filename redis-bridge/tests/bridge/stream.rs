//! The gRPC stream.

use crate::harness::*;
use tidegate::wire::{FromBridge, MAX_MESSAGE, ToBridge, Value};

fn exchange<'a>(id: u64, ops: &'a [u8]) -> ToBridge<'a> {
    ToBridge::Exchange {
        id,
        deadline_ms: 1000,
        trace: None,
        ops: frame_ops(ops),
    }
}

#[tokio::test]
async fn a_worker_is_greeted_answered_and_listed() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    let mut stream = bridge.stream().await;
    stream.greet().await;

    let ops = encode(&[take(b"subject-stream-1", 1), take(b"subject-stream-1", 1)]);
    stream.send(&[ToBridge::Ping { seq: 3 }, exchange(9, &ops)]);
    let mut pong = false;
    let mut values = None;
    while values.is_none() || !pong {
        let message = stream.receive().await.unwrap();
        for frame in FromBridge::decode_all(&message).unwrap() {
            match frame {
                FromBridge::Pong { seq: 3, time_us } => {
                    // Redis' clock; 0 until the bridge has asked for it.
                    pong = time_us > 1_700_000_000_000_000;
                    if !pong {
                        assert_eq!(time_us, 0);
                        stream.send(&[ToBridge::Ping { seq: 3 }]);
                    }
                }
                FromBridge::Reply { id: 9, values: got } => values = Some(got.len()),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(values, Some(2));

    let streams = bridge.admin("GET", "/v1/streams", "").await.json();
    let stream_info = &streams["streams"][0];
    assert_eq!(stream_info["node"], "test-node");
    assert_eq!(stream_info["digest"], "d1gest");

    stream.finish();
    assert_eq!(stream.status().await, "0");
    eventually("forgotten", async || bridge.metric("streams").await == 0.0).await;
}

#[tokio::test]
async fn one_bad_operation_spoils_no_other() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    let mut stream = bridge.stream().await;
    stream.greet().await;
    let mut ops = b"*1\r\n$7\r\nFLUSHDB\r\n".to_vec();
    ops.extend(encode(&[take(b"subject-stream-2", 1)]));
    stream.send(&[exchange(1, &ops)]);
    let message = stream.receive().await.unwrap();
    let frames = FromBridge::decode_all(&message).unwrap();
    let [FromBridge::Reply { values, .. }] = frames.as_slice() else {
        panic!("{frames:?}");
    };
    assert!(matches!(values[0], Value::Error(line) if line.starts_with(b"VERB")));
    assert!(matches!(values[1], Value::Array(_)));
}

#[tokio::test]
async fn a_stream_that_breaks_the_protocol_is_closed_and_the_bridge_lives() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    let mut too_long = vec![0];
    too_long.extend(u32::try_from(MAX_MESSAGE + 1).unwrap().to_be_bytes());
    for (bytes, status) in [
        (prefixed(b"garbage"), "3"),
        (prefixed(b"*1\r\n+PING\r\n"), "3"),
        (prefixed(b"*2\r\n+PING\r\n:1\r\n"), "3"),
        (vec![1, 0, 0, 0, 0], "12"),
        (too_long, "8"),
    ] {
        let mut stream = bridge.stream().await;
        stream.send_raw(&bytes);
        assert_eq!(stream.status().await, status, "{bytes:?}");
    }
    let mut cut = bridge.stream().await;
    cut.send_raw(&prefixed(b"*2\r\n+PING")[..8]);
    cut.finish();
    assert_eq!(cut.status().await, "3", "ends inside a message");

    let mut stream = bridge.stream().await;
    stream.greet().await;
}

#[tokio::test]
async fn another_namespace_is_refused_with_its_reason() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    let mut stream = bridge.stream().await;
    let ToBridge::Hello(hello) = hello() else {
        unreachable!()
    };
    stream.send(&[ToBridge::Hello(tidegate::wire::frame::Hello {
        namespace: b"other",
        ..hello
    })]);
    let message = stream.receive().await.unwrap();
    assert!(message.starts_with(b"*2\r\n+REFUSED"), "{message:?}");
    assert_eq!(stream.status().await, "3");
}

//! What arrives together goes to Redis together.

use crate::harness::*;
use std::sync::Arc;
use tidegate::wire::{FromBridge, ToBridge};

const STREAMS: usize = 8;
const EACH: u64 = 100;

#[tokio::test]
async fn many_exchanges_take_few_pipelines_and_few_messages() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        let mut stream = bridge.stream().await;
        stream.greet().await;
        streams.push(stream);
    }
    let ops = encode(&[take(b"subject-batching", 1)]);
    for stream in &mut streams {
        for id in 0..EACH {
            stream.send(&[ToBridge::Exchange {
                id,
                deadline_ms: 5000,
                trace: None,
                ops: frame_ops(&ops),
            }]);
        }
    }
    let mut messages = 0;
    for stream in &mut streams {
        let mut answered = 0;
        while answered < EACH {
            let message = stream.receive().await.unwrap();
            messages += 1;
            for frame in FromBridge::decode_all(&message).unwrap() {
                assert!(matches!(frame, FromBridge::Reply { .. }), "{frame:?}");
                answered += 1;
            }
        }
    }
    let all = STREAMS as u64 * EACH;
    let batches = bridge.metric("batches_total").await;
    // And one by which the bridge hears itself once it has subscribed.
    let commands = bridge.metric("commands_total").await;
    assert!((all..=all + 1).contains(&(commands as u64)), "{commands}");
    assert!(
        batches <= all as f64 / 10.0,
        "{batches} pipelines for {all} exchanges"
    );
    assert!(messages <= all / 4, "{messages} messages for {all} answers");
    let left = bridge.exchange(&[take(b"subject-batching", 0)]).await;
    assert_eq!(available(&left), 1_000_000 - all);
}

/// B7: scripts flushed under load. Every exchange is answered and counted exactly once.
#[tokio::test]
async fn noscript_is_mended_and_nothing_runs_twice() {
    let redis = Redis::start(&[]).await;
    let bridge = Arc::new(Bridge::start(&redis).await);
    let flushing = {
        let mut connection = redis.connect().await.unwrap();
        tokio::spawn(async move {
            loop {
                let _: () = redis::cmd("SCRIPT")
                    .arg("FLUSH")
                    .query_async(&mut connection)
                    .await
                    .unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(3)).await;
            }
        })
    };
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let bridge = Arc::clone(&bridge);
        workers.spawn(async move {
            for _ in 0..40 {
                let answer = bridge.exchange(&[take(b"subject-noscript", 1)]).await;
                assert!(
                    answer.starts_with(b"*3\r\n:1\r\n"),
                    "{}",
                    String::from_utf8_lossy(&answer)
                );
            }
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker.unwrap();
    }
    flushing.abort();
    let left = bridge.exchange(&[take(b"subject-noscript", 0)]).await;
    assert_eq!(available(&left), 1_000_000 - 16 * 40);
}

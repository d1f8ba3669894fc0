//! Limits through a process: paced answers, returns, overrides, and what every worker is told.

use crate::harness::*;
use std::time::Duration;
use tidegate::wire::op::{Give, LimitReturn, Take, TakeOptions};
use tidegate::wire::reply::{LimitReply, parse_returned};
use tidegate::wire::{FromBridge, Op, ToBridge, resp};
use tokio::time::Instant;

const SUBJECT: &[u8; 16] = b"subject-limits-1";

fn limit<'a>(algorithm: &'a [u8], limit: u64, options: TakeOptions<'a>) -> Take<'a> {
    Take {
        algorithm,
        subject: SUBJECT,
        id: b"limit-id",
        limit,
        window_us: 1_000_000,
        burst: 1_000_000,
        cost: 1,
        options,
    }
}

async fn taken(bridge: &Bridge, take: Take<'_>) -> LimitReply {
    let body = bridge.exchange(&[Op::LimitTake(vec![take])]).await;
    let values = resp::decode_all(&body).unwrap();
    LimitReply::parse(&values[0], 1).unwrap()
}

#[tokio::test]
async fn r6_answers_of_a_leaky_bucket_come_apart() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    let paced = limit(b"leaky_bucket", 10, TakeOptions::default());
    let begun = Instant::now();
    let ask = async |_: u8| {
        let reply = taken(&bridge, paced).await;
        (begun.elapsed(), reply)
    };
    let (a, b, c, d) = tokio::join!(ask(1), ask(2), ask(3), ask(4));
    let mut answered = [a, b, c, d];
    answered.sort_by_key(|(at, _)| *at);
    for (n, (at, reply)) in answered.iter().enumerate() {
        assert!(reply.admitted);
        let turn = Duration::from_millis(100) * u32::try_from(n).unwrap();
        // Redis' clock began a little later than this one.
        assert!(*at >= turn, "answer {n} after {at:?}");
        let late = *at - turn;
        assert!(late < Duration::from_secs(2), "answer {n} after {at:?}");
    }
    let held = bridge.metric(r#"events_total{kind="limit_held"}"#).await;
    assert_eq!(held, 3.0);
}

#[tokio::test]
async fn what_was_taken_goes_back_once() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    let slot = |slot| TakeOptions {
        slot: Some(slot),
        ..TakeOptions::default()
    };
    let slots = |id| Take {
        window_us: 60_000_000,
        ..limit(b"concurrency", 1, slot(id))
    };
    let (mine, other) = (b"slot-slot-slot-1", b"slot-slot-slot-2");
    assert!(taken(&bridge, slots(mine)).await.admitted);
    assert!(!taken(&bridge, slots(other)).await.admitted);
    let back = Op::LimitReturn(LimitReturn {
        id: b"return-return-01",
        gives: vec![Give {
            mark: 0,
            take: slots(mine),
        }],
    });
    for _ in 0..2 {
        let body = bridge.exchange(std::slice::from_ref(&back)).await;
        let values = resp::decode_all(&body).unwrap();
        assert_eq!(parse_returned(&values[0], 1), Ok(vec![1]));
    }
    assert!(taken(&bridge, slots(other)).await.admitted);
}

#[tokio::test]
async fn an_override_in_redis_counts_from_the_next_request_on() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    let own = TakeOptions {
        overridable: Some(b"per-ip"),
        ..TakeOptions::default()
    };
    let window = Take {
        window_us: 3_600_000_000,
        ..limit(b"fixed_window", 2, own)
    };
    assert!(taken(&bridge, window).await.admitted);
    assert!(taken(&bridge, window).await.admitted);
    assert!(!taken(&bridge, window).await.admitted);
    let subject: String = SUBJECT.iter().map(|b| format!("{b:02x}")).collect();
    let key = format!("tg:o:per-ip:{{{subject}}}");
    let _: String = redis.query(&["SET", &key, "5"]).await;
    let reply = taken(&bridge, window).await;
    assert_eq!((reply.admitted, reply.limits[0].limit), (true, 5));
    let _: String = redis.query(&["SET", &key, "five"]).await;
    let reply = taken(&bridge, window).await;
    assert_eq!((reply.admitted, reply.limits[0].limit), (false, 0));
}

#[tokio::test]
async fn a_reset_reaches_every_worker_of_every_bridge() {
    let redis = Redis::start(&[]).await;
    let (one, other) = (Bridge::start(&redis).await, Bridge::start(&redis).await);
    let mut streams = [one.stream().await, other.stream().await];
    for stream in &mut streams {
        stream.greet().await;
    }
    eventually("subscribed", async || {
        let clients: String = redis.query(&["CLIENT", "LIST", "TYPE", "pubsub"]).await;
        clients.matches("psub=3").count() == 2
    })
    .await;
    let path = "/v1/limits/per-ip?key=1.2.3.4";
    assert_eq!(one.admin("DELETE", path, "").await.status, 200);
    let mut told = Vec::new();
    for stream in &mut streams {
        let message = stream.receive().await.unwrap();
        for frame in FromBridge::decode_all(&message).unwrap() {
            match frame {
                FromBridge::Forget { subject } => told.push(*subject),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(told.len(), 2);
    assert_eq!(told[0], told[1]);
}

#[tokio::test]
async fn overrides_by_the_admin_api_say_what_is_wrong() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    let path = "/v1/limits/per-ip/override?key=1.2.3.4";
    for (method, path, body, status, reason) in [
        ("GET", path, "", 404, "no limit of its own"),
        ("PUT", path, r#"{"limit":5}"#, 409, "override: true"),
        ("PUT", path, r#"{"limit":"5"}"#, 400, "body"),
        (
            "PUT",
            path,
            r#"{"limit":5,"window":"1m"}"#,
            400,
            "unknown field",
        ),
        ("POST", path, "{}", 405, "GET, PUT, DELETE"),
        (
            "GET",
            "/v1/limits/nope/override?key=1",
            "",
            404,
            "no such limit",
        ),
        ("GET", "/v1/limits/per-ip/override", "", 400, "client.ip"),
    ] {
        let reply = bridge.admin(method, path, body).await;
        let text = reply.text();
        assert_eq!(reply.status, status, "{method} {path} {body}: {text}");
        assert!(text.contains(reason), "{method} {path} {body}: {text}");
    }
    let reply = bridge.admin("DELETE", path, "").await;
    assert_eq!(
        (reply.status, reply.text()),
        (200, r#"{"override":null}"#.to_owned())
    );
    let json = bridge
        .admin("GET", "/v1/limits/per-ip?key=1.2.3.4", "")
        .await
        .json();
    assert_eq!(
        (&json["quota"], &json["override"]),
        (&100.into(), &false.into())
    );
}

#[tokio::test]
async fn l7_a_bridge_that_leaves_answers_what_it_holds_for_longer_than_it_waits_otherwise() {
    let redis = Redis::start(&[]).await;
    let mut bridge = Bridge::start(&redis).await;
    // A turn each 6 s.
    let paced = Take {
        window_us: 6_000_000,
        burst: 10_000_000,
        ..limit(b"leaky_bucket", 1, TakeOptions::default())
    };
    assert!(taken(&bridge, paced).await.admitted);
    let mut stream = bridge.stream().await;
    stream.greet().await;
    let ops = encode(&[Op::LimitTake(vec![paced])]);
    stream.send(&[ToBridge::Exchange {
        id: 1,
        deadline_ms: 12_000,
        trace: None,
        ops: frame_ops(&ops),
    }]);
    eventually("held", async || bridge.metric("held").await == 1.0).await;
    bridge.terminate();
    let mut admitted = None;
    while admitted.is_none() {
        let message = stream.receive().await.expect("an answer");
        for frame in FromBridge::decode_all(&message).unwrap() {
            if let FromBridge::Reply { id: 1, values } = frame {
                admitted = Some(LimitReply::parse(&values[0], 1).unwrap().admitted);
            }
        }
    }
    assert_eq!(admitted, Some(true));
    assert_eq!(bridge.exit().await, Some(0));
}

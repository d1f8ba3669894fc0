//! `POST /v1/exchange`.

use crate::harness::*;

#[tokio::test]
async fn operations_are_answered_in_order_errors_by_themselves() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    let mut body = encode(&[take(b"subject-unary--1", 1)]);
    body.extend(b"*1\r\n$4\r\nEVAL\r\n*2\r\n$10\r\nLIMIT.TAKE\r\n$1\r\nx\r\n:5\r\n");
    body.extend(encode(&[take(b"subject-unary--1", 2)]));
    let reply = bridge.data("POST", "/v1/exchange", &[], &body).await;
    assert_eq!(reply.status, 200);
    assert!(
        reply
            .head
            .contains("content-type: application/vnd.tidegate.resp")
    );
    let values = tidegate::wire::resp::decode_all(&reply.body).unwrap();
    assert_eq!(values.len(), 5);
    for (at, code) in [(1, "VERB"), (2, "A"), (3, "SHAPE")] {
        let text = format!("{:?}", values[at]);
        let tidegate::wire::Value::Error(line) = values[at] else {
            panic!("{text}");
        };
        assert!(line.starts_with(code.as_bytes()), "{text}");
    }
    let left = bridge.exchange(&[take(b"subject-unary--1", 0)]).await;
    assert_eq!(available(&left), 1_000_000 - 3);
}

#[tokio::test]
async fn what_is_no_exchange_is_refused_and_nothing_reaches_redis() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    let before = redis.calls_of_a_start().await;
    let ok = encode(&[]);
    for (headers, body, status) in [
        (&[][..], &b"*1\r\n$4\r\nPI"[..], 400),
        (&[], b"SET a b\r\n", 400),
        (&[], b"*2147483647\r\n", 400),
        (&[], b"$536870912\r\n", 400),
        (&[("x-tidegate-timeout-ms", "0")], &ok, 400),
        (&[("x-tidegate-timeout-ms", "60001")], &ok, 400),
        (&[("x-tidegate-timeout-ms", "+5")], &ok, 400),
        (&[("x-tidegate-namespace", "other")], &ok, 421),
        (&[("content-length", "8388609")], b"", 413),
    ] {
        let reply = bridge.data("POST", "/v1/exchange", headers, body).await;
        assert_eq!(reply.status, status, "{headers:?} {}", reply.text());
        assert!(reply.head.contains("application/problem+json"));
    }
    let nested = "*1\r\n".repeat(100_000);
    let reply = bridge
        .data("POST", "/v1/exchange", &[], nested.as_bytes())
        .await;
    assert_eq!(reply.status, 400);
    let unknown = b"*2\r\n$8\r\nFLUSHALL\r\n$0\r\n\r\n*1\r\n$15\r\nSESSION.CREATE_\r\n";
    let reply = bridge.data("POST", "/v1/exchange", &[], unknown).await;
    assert_eq!(reply.text().matches("-VERB").count(), 2, "{}", reply.text());
    let no_ttl = cache_put_with_ttl(b"0");
    let reply = bridge.data("POST", "/v1/exchange", &[], &no_ttl).await;
    assert!(reply.text().starts_with("-TTL"), "{}", reply.text());
    assert_eq!(redis.data_calls().await, before);
}

fn cache_put_with_ttl(ttl: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let args: [&[u8]; 10] = [
        b"CACHE.PUT",
        b"http://a/b",
        b"field-of-16-byte",
        b"",
        b"lease-of-16-byte",
        b"field-of-16-byte",
        b"0",
        b"0",
        ttl,
        b"x",
    ];
    tidegate::wire::resp::array(&mut out, args.len());
    for arg in args {
        tidegate::wire::resp::bulk(&mut out, arg);
    }
    out
}

/// X7, I8: no byte of a client becomes Redis syntax or steers a slot.
#[tokio::test]
async fn hostile_bytes_in_values_are_only_bytes() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    let record: &[u8] = b"\r\n*1\r\n$8\r\nFLUSHALL\r\n\0\xff{x}";
    let tag: &[u8] = b"{t}\r\nSET a b\r\n\0";
    bridge.store(b"http://a/{b}?x={}", record, vec![tag]).await;
    let answer = bridge
        .exchange(&[cache_get(b"http://a/{b}?x={}", b"lease-of-16-byte")])
        .await;
    assert!(answer.windows(record.len()).any(|w| w == record));
    bridge
        .exchange(&[take(b"\r\n{}\0\xff*1\r\n{}}{\0\0", 1)])
        .await;

    let keys: Vec<String> = redis.query(&["KEYS", "*"]).await;
    assert!(keys.len() >= 3, "{keys:?}");
    for key in keys {
        let hex = key.split(['{', '}']).nth(1).expect(&key);
        assert!(hex.bytes().all(|b| b.is_ascii_hexdigit()), "{key}");
        assert_eq!(key.matches('{').count(), 1, "{key}");
        let ttl: i64 = redis.query(&["PTTL", &key]).await;
        assert!(ttl > 0, "{key} has no TTL");
    }
}

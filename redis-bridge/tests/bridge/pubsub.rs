//! `PUBLISH {namespace}:cache:invalidate:...`.

use crate::harness::*;

#[tokio::test]
async fn a_message_on_either_redis_evicts_also_after_a_reconnect() {
    let state = Redis::start(&[]).await;
    let mut cache = Redis::start(&["--maxmemory-policy", "allkeys-lru"]).await;
    let (state_url, cache_url) = (state.url(), cache.url());
    let bridge = Bridge::spawn(&Spec {
        cache: Some(&cache_url),
        ..Spec::new(&state_url)
    });
    bridge.ready().await;
    let url: &[u8] = b"http://shop/api/a?x=1";
    subscribed(&state).await;
    subscribed(&cache).await;
    for (from, name) in [
        (&state, "http://shop/api/a?x=1"),
        (&cache, "http://SHOP/api/a?x=1"),
        (&cache, "/api/a?x=1"),
        (&state, "tag:item:1"),
    ] {
        bridge.store(url, b"body", vec![b"item:1"]).await;
        let channel = format!("tg:cache:invalidate:{name}");
        let receivers: i64 = from.query(&["PUBLISH", &channel, ""]).await;
        assert_eq!(receivers, 1, "{name}");
        eventually(name, async || !bridge.is_cached(url).await).await;
    }
    assert_eq!(bridge.metric("pubsub_messages_total").await, 4.0);

    bridge.store(b"http://shop/other", b"body", vec![]).await;
    let _: i64 = state
        .query(&["PUBLISH", "tg:cache:invalidate:nonsense", ""])
        .await;
    eventually("ignored", async || {
        bridge.metric("pubsub_ignored_total").await == 1.0
    })
    .await;
    assert!(bridge.is_cached(b"http://shop/other").await);

    cache.restart().await;
    subscribed(&cache).await;
    eventually("connected", async || {
        bridge
            .exchange(&[cache_get(url, LEASE)])
            .await
            .starts_with(b"*3\r\n+miss")
    })
    .await;
    let _: i64 = cache.query(&["DEL", "x"]).await;
    let _: String = cache.query(&["FLUSHALL"]).await;
    bridge.store(url, b"body", vec![]).await;
    let _: i64 = cache
        .query(&["PUBLISH", "tg:cache:invalidate:/api/a?x=1", ""])
        .await;
    eventually("evicted", async || !bridge.is_cached(url).await).await;
}

async fn subscribed(redis: &Redis) {
    eventually("subscribed", async || {
        redis.query::<i64>(&["PUBSUB", "NUMPAT"]).await == 3
    })
    .await;
}

/// Found by the chaos suite (M12): each invalidation waited until workers had heard of it, by the very messages that
/// were behind it. Two thousand a second were a backlog of minutes, in which pages were removed again and again, and
/// nobody who waited for another one's fill heard of it.
#[tokio::test]
async fn m12_a_flood_of_messages_is_carried_out_at_once_and_holds_up_nothing_else() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::spawn(&Spec::new(&redis.url()));
    bridge.ready().await;
    subscribed(&redis).await;
    let (url, other): (&[u8], &[u8]) = (b"http://shop/api/last", b"http://shop/api/other");
    bridge.store(url, b"body", vec![]).await;
    bridge.store(other, b"body", vec![]).await;
    let begun = tokio::time::Instant::now();
    for n in 0..3_000 {
        let name = match n % 3 {
            0 => format!("/elsewhere/{n}"),
            1 => format!("http://shop/elsewhere/{n}"),
            _ => format!("tag:elsewhere-{n}"),
        };
        let channel = format!("tg:cache:invalidate:{name}");
        let _: i64 = redis.query(&["PUBLISH", &channel, ""]).await;
    }
    let _: i64 = redis
        .query(&["PUBLISH", "tg:cache:invalidate:/api/last", ""])
        .await;
    eventually("evicted", async || !bridge.is_cached(url).await).await;
    let took = begun.elapsed();
    assert!(took < std::time::Duration::from_secs(8), "{took:?}");
    assert!(bridge.is_cached(other).await);
    assert_eq!(bridge.metric("pubsub_overflows_total").await, 0.0);
}

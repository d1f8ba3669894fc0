//! Who is not served.

use crate::harness::*;

#[tokio::test]
async fn browsers_other_methods_and_admin_verbs_are_refused_on_the_data_listener() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    let before = redis.calls_of_a_start().await;
    let body = encode(&[take(b"subject-refuse-1", 1)]);
    for (method, path, headers, status) in [
        (
            "POST",
            "/v1/exchange",
            &[("origin", "http://evil.example")][..],
            403,
        ),
        ("POST", "/v1/exchange", &[("sec-fetch-site", "none")], 403),
        (
            "POST",
            "/v1/exchange",
            &[("content-type", "text/plain")],
            415,
        ),
        (
            "POST",
            "/v1/exchange",
            &[("content-type", "multipart/form-data; boundary=x")],
            415,
        ),
        (
            "POST",
            "/tidegate.v1.Bridge/Exchange",
            &[("content-type", "text/plain")],
            415,
        ),
        ("POST", "/tidegate.v1.Bridge/Exchange", &[], 415),
        ("GET", "/v1/exchange", &[], 405),
        ("PUT", "/v1/exchange", &[], 405),
        ("GET", "/tidegate.v1.Bridge/Exchange", &[], 405),
        ("POST", "/v1/sessions", &[], 404),
        ("DELETE", "/v1/users/42/sessions", &[], 404),
        ("POST", "/v1/cache/purge", &[], 404),
        ("GET", "/metrics", &[], 404),
        ("POST", "/v1/exchange/", &[], 404),
    ] {
        let reply = bridge.data(method, path, headers, &body).await;
        assert_eq!(reply.status, status, "{method} {path} {headers:?}");
        assert!(
            reply.head.contains("application/problem+json"),
            "{}",
            reply.head
        );
    }
    assert_eq!(redis.data_calls().await, before);
    assert_eq!(bridge.metric("refused_total").await, 14.0);
}

#[tokio::test]
async fn over_tcp_only_the_whole_credential_is_served() {
    let redis = Redis::start(&[]).await;
    let url = redis.url();
    let bridge = Bridge::spawn(&Spec {
        data: "tcp",
        ..Spec::new(&url)
    });
    bridge.ready().await;
    let before = redis.calls_of_a_start().await;
    let body = encode(&[take(b"subject-refuse-2", 1)]);
    let prefix = format!("Bearer {}", &BRIDGE_TOKEN[..BRIDGE_TOKEN.len() - 1]);
    let longer = format!("Bearer {BRIDGE_TOKEN}x");
    let admin = format!("Bearer {ADMIN_TOKEN}");
    for wrong in ["", "Bearer", "Bearer x", &prefix, &longer, &admin] {
        let reply = bridge
            .data("POST", "/v1/exchange", &[("authorization", wrong)], &body)
            .await;
        assert_eq!(reply.status, 401, "{wrong:?}");
        assert!(reply.head.contains("www-authenticate: bearer"));
    }
    let reply = bridge.data("POST", "/v1/exchange", &[], &body).await;
    assert_eq!(reply.status, 401);
    assert_eq!(redis.data_calls().await, before);

    let right = format!("Bearer {BRIDGE_TOKEN}");
    let reply = bridge
        .data("POST", "/v1/exchange", &[("authorization", &right)], &body)
        .await;
    assert_eq!(reply.status, 200);
}

//! The admin API.

use crate::harness::*;

#[tokio::test]
async fn requests_and_their_statuses() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    let long = format!(r#"{{"tag":"{}"}}"#, "x".repeat(70_000));
    for (method, path, body, status) in [
        (
            "POST",
            "/v1/sessions",
            r#"{"realm":"web","uid":"42","roles":["user"],"data":{}}"#,
            201,
        ),
        ("POST", "/v1/sessions", r#"{"uid":"42"}"#, 400),
        (
            "POST",
            "/v1/sessions",
            r#"{"realm":"nope","uid":"42"}"#,
            400,
        ),
        (
            "POST",
            "/v1/sessions",
            r#"{"realm":"web","uid":"a b"}"#,
            400,
        ),
        (
            "POST",
            "/v1/sessions",
            "{\"realm\":\"web\",\"uid\":\"a\\r\\nb\"}",
            400,
        ),
        (
            "POST",
            "/v1/sessions",
            r#"{"realm":"web","uid":"42","admin":true}"#,
            400,
        ),
        (
            "POST",
            "/v1/sessions",
            r#"{"realm":"web","uid":"1","uid":"2"}"#,
            400,
        ),
        ("POST", "/v1/sessions", "[", 400),
        (
            "POST",
            "/v1/cache/purge",
            r#"{"all":true,"group":null}"#,
            400,
        ),
        ("GET", "/v1/sessions", "", 405),
        ("POST", "/v1/sessions/rotate", r#"{"token":"none"}"#, 400),
        ("POST", "/v1/sessions/rotate", r#"{"roles":[]}"#, 400),
        ("GET", "/v1/sessions/rotate", "", 405),
        (
            "POST",
            "/v1/sessions",
            r#"{"realm":"web","uid":"1","data":{"a":1,"a":2}}"#,
            400,
        ),
        ("GET", "/v1/users/42/sessions?realm=web", "", 200),
        ("GET", "/v1/users/42/sessions?realm=web&realm=api", "", 400),
        ("GET", "/v1/users/42/sessions?real=web", "", 400),
        ("GET", "/v1/users/%zz/sessions?realm=web", "", 400),
        ("PATCH", "/v1/users/42/sessions", "", 405),
        ("DELETE", "/v1/sessions/not-a-handle", "", 400),
        ("POST", "/v1/cache/purge", r#"{"tag":"x"}"#, 200),
        ("POST", "/v1/cache/purge", r#"{"url":"http://a/b"}"#, 200),
        ("POST", "/v1/cache/purge", r#"{"url":"/b"}"#, 200),
        ("POST", "/v1/cache/purge", r#"{"prefix":"/api"}"#, 200),
        ("POST", "/v1/cache/purge", r#"{"prefix":"http://a/"}"#, 200),
        ("POST", "/v1/cache/purge", r#"{"all":true}"#, 200),
        (
            "POST",
            "/v1/cache/purge",
            r#"{"all":true,"soft":true}"#,
            200,
        ),
        ("POST", "/v1/cache/purge", r#"{"tag":"x","soft":true}"#, 200),
        (
            "POST",
            "/v1/cache/purge",
            r#"{"url":"/b","soft":true}"#,
            200,
        ),
        ("POST", "/v1/cache/purge", r#"{"url":"/b","soft":1}"#, 400),
        ("POST", "/v1/cache/purge", r#"{"soft":true}"#, 400),
        (
            "POST",
            "/v1/cache/purge",
            r#"{"group":{"origin":"http://a/","name":"g"}}"#,
            200,
        ),
        (
            "POST",
            "/v1/cache/purge",
            r#"{"group":{"origin":"a","name":"g"}}"#,
            400,
        ),
        ("POST", "/v1/cache/purge", r#"{"all":false}"#, 400),
        ("POST", "/v1/cache/purge", r#"{"prefix":"api"}"#, 400),
        ("POST", "/v1/cache/purge", r#"{"url":"a b"}"#, 400),
        ("POST", "/v1/cache/purge", r#"{"tag":""}"#, 400),
        (
            "POST",
            "/v1/cache/purge",
            r#"{"tag":"x","url":"http://a/"}"#,
            400,
        ),
        ("POST", "/v1/cache/purge", "{}", 400),
        ("POST", "/v1/cache/purge", &long, 413),
        ("GET", "/v1/limits/per-ip?key=1.2.3.4", "", 200),
        ("GET", "/v1/limits/per-ip?key=nobody", "", 400),
        ("GET", "/v1/limits/per-ip", "", 400),
        ("GET", "/v1/limits/nope?key=1", "", 404),
        ("GET", "/v1/limits/per-user?key=42", "", 400),
        ("GET", "/v1/limits/per-user?key=42&realm=web", "", 200),
        ("DELETE", "/v1/limits/per-ip?key=1.2.3.4", "", 200),
        ("POST", "/v1/limits/per-ip?key=1.2.3.4", "", 405),
        ("GET", "/v1/streams", "", 200),
        ("GET", "/v2/streams", "", 404),
        ("POST", "/v1/exchange", "", 404),
    ] {
        let reply = bridge.admin(method, path, body).await;
        let text = reply.text();
        assert_eq!(reply.status, status, "{method} {path} {body:.60} {text}");
        let problem = reply.head.contains("application/problem+json");
        assert_eq!(problem, status >= 400, "{method} {path}");
        reply.json();
    }
}

#[tokio::test]
async fn without_the_credential_only_probes_are_answered() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    let half = format!("Bearer {}", &ADMIN_TOKEN[..8]);
    let other = format!("Bearer {BRIDGE_TOKEN}");
    let before = redis.calls_of_a_start().await;
    for headers in [
        &[][..],
        &[("authorization", half.as_str())],
        &[("authorization", &other)],
    ] {
        for (method, path) in [
            ("POST", "/v1/sessions"),
            ("DELETE", "/v1/users/42/sessions?realm=web"),
            ("GET", "/v1/streams"),
            ("GET", "/nothing"),
        ] {
            let reply = bridge.try_admin(method, path, headers, "").await.unwrap();
            assert_eq!(reply.status, 401, "{method} {path}");
        }
    }
    assert_eq!(redis.data_calls().await, before);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(
            bridge.try_admin("GET", path, &[], "").await.unwrap().status,
            200
        );
        let page = [("sec-fetch-mode", "no-cors")];
        assert_eq!(
            bridge
                .try_admin("GET", path, &page, "")
                .await
                .unwrap()
                .status,
            403
        );
    }
}

#[tokio::test]
async fn a_session_is_created_listed_and_revoked() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    let body = r#"{"realm":"web","uid":"alice@example.com","roles":["b","a"],"data":{"n":1}}"#;
    let created = bridge.admin("POST", "/v1/sessions", body).await.json();
    let handle = created["handle"].as_str().unwrap().to_owned();
    let token = created["token"].as_str().unwrap();
    assert!(created["expires_at"].as_str().unwrap().ends_with('Z'));

    let keys = tidegate::session::Keys::parse(SESSION_KEYS).unwrap();
    let realm = tidegate::session::RealmTag::of("web");
    let known = tidegate::session::token::verify(&keys, realm, token.as_bytes()).unwrap();
    assert_eq!(known.handle(), handle);
    let text = bridge.look_up("web", token).await;
    assert!(
        text.contains("+valid") && text.contains("alice@example.com"),
        "{text}"
    );

    let list = "/v1/users/alice%40example.com/sessions?realm=web";
    let listed = bridge.admin("GET", list, "").await.json();
    assert_eq!(listed["sessions"][0]["handle"], handle);
    let revoke = format!("/v1/sessions/{handle}");
    assert_eq!(bridge.admin("DELETE", &revoke, "").await.status, 200);
    assert_eq!(bridge.admin("DELETE", &revoke, "").await.status, 404);
    let text = bridge.look_up("web", token).await;
    assert!(text.contains("+absent"), "{text}");

    bridge.admin("POST", "/v1/sessions", body).await;
    let gone = bridge.admin("DELETE", list, "").await.json();
    assert_eq!(gone["revoked"], true);
    assert_eq!(gone["sessions"], 1);
    let listed = bridge.admin("GET", list, "").await.json();
    assert_eq!(listed["sessions"], serde_json::json!([]));
}

#[tokio::test]
async fn a_limit_is_shown_and_reset_for_the_client_it_counts() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    let text = POLICY.parse::<String>().unwrap();
    let checked = redis_bridge::check::read(&text, "policy").unwrap();
    let limit = &checked.found[0].config.limits[0];
    let subject = tidegate::limit::subject(&[&[1, 2, 3, 4]]);
    let op = tidegate::wire::Op::LimitTake(vec![tidegate::wire::op::Take {
        algorithm: limit.algorithm.name().as_bytes(),
        subject: &subject,
        id: &limit.id,
        limit: limit.limit,
        window_us: limit.window_us,
        burst: limit.burst,
        cost: 30,
        options: tidegate::wire::op::TakeOptions::default(),
    }]);
    bridge.exchange(&[op]).await;
    let path = "/v1/limits/per-ip?key=1.2.3.4";
    let shown = bridge.admin("GET", path, "").await.json();
    assert_eq!(shown["available"], 70, "{shown}");
    assert_eq!(bridge.admin("DELETE", path, "").await.status, 200);
    assert_eq!(bridge.admin("GET", path, "").await.json()["available"], 100);
    let other = bridge
        .admin("GET", "/v1/limits/per-ip?key=1.2.3.5", "")
        .await
        .json();
    assert_eq!(other["available"], 100);
}

#[tokio::test]
async fn purges_remove_what_they_name_and_nothing_else() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    let (a, b, c): (&[u8], &[u8], &[u8]) = (
        b"http://one/api/a?x=1",
        b"http://two/api/a?x=1",
        b"http://one/img/c",
    );
    for (body, purged, left) in [
        (r#"{"url":"http://ONE/api/a?x=1"}"#, 1, [false, true, true]),
        (r#"{"url":"/api/a?x=1"}"#, 2, [false, false, true]),
        (r#"{"prefix":"/api/"}"#, 2, [false, false, true]),
        (r#"{"prefix":"http://one/"}"#, 2, [false, true, false]),
        (r#"{"tag":"t"}"#, 2, [false, true, false]),
        (r#"{"tag":"unknown"}"#, 0, [true, true, true]),
    ] {
        let _: String = redis.query(&["FLUSHALL"]).await;
        bridge.store(a, b"A", vec![b"t"]).await;
        bridge.store(b, b"B", vec![]).await;
        bridge.store(c, b"C", vec![b"t", b"u"]).await;
        let reply = bridge.admin("POST", "/v1/cache/purge", body).await.json();
        assert_eq!(reply["purged"], purged, "{body}");
        for (url, left) in [a, b, c].into_iter().zip(left) {
            let url_text = String::from_utf8_lossy(url);
            assert_eq!(bridge.is_cached(url).await, left, "{body} {url_text}");
        }
    }
}

#[tokio::test]
async fn a_session_gets_other_roles_with_another_token_and_the_audit_says_so() {
    let redis = Redis::start(&[]).await;
    let bridge = Bridge::start(&redis).await;
    let body = r#"{"realm":"api","uid":"alice","roles":["user"]}"#;
    let created = bridge.admin("POST", "/v1/sessions", body).await.json();
    let old = created["token"].as_str().unwrap();
    let body = format!(r#"{{"token":"{old}","roles":["admin"]}}"#);
    let rotated = bridge.admin("POST", "/v1/sessions/rotate", &body).await;
    assert_eq!(rotated.status, 200, "{}", rotated.text());
    let rotated = rotated.json();
    assert_eq!(rotated["expires_at"], created["expires_at"]);
    assert_ne!(rotated["handle"], created["handle"]);
    let again = bridge.admin("POST", "/v1/sessions/rotate", &body).await;
    assert_eq!(again.status, 404, "the old token is dead");

    let new = rotated["token"].as_str().unwrap();
    let text = bridge.look_up("api", new).await;
    assert!(text.contains("admin") && !text.contains("user"), "{text}");

    let log = bridge.log();
    let handle = rotated["handle"].as_str().unwrap();
    let made = format!(
        "create realm=api handle={}",
        created["handle"].as_str().unwrap()
    );
    assert!(
        log.contains(&made) && log.contains("tidegate_bridge::audit"),
        "{log}"
    );
    assert!(
        log.contains("rotate realm=api") && log.contains("outcome=rotated"),
        "{log}"
    );
    for secret in [old, new, "alice"] {
        assert!(!log.contains(secret), "{log}");
    }
    let gone = bridge
        .admin("DELETE", &format!("/v1/sessions/{handle}"), "")
        .await;
    assert_eq!(gone.status, 200);
}

#[tokio::test]
async fn a_revocation_that_no_replica_has_is_202_and_repeated_until_one_has() {
    let port = free_port();
    let at = port.to_string();
    let primary = Redis::start(&["--port", &at, "--repl-diskless-sync-delay", "0"]).await;
    let replica = Redis::start(&["--replicaof", "127.0.0.1", &at]).await;
    eventually("the replica follows", async || {
        let info: String = replica.query(&["INFO", "replication"]).await;
        info.contains("master_link_status:up")
    })
    .await;
    let bridge = Bridge::start(&primary).await;
    let body = r#"{"realm":"web","uid":"42"}"#;
    let user = "/v1/users/42/sessions?realm=web";
    assert_eq!(bridge.admin("POST", "/v1/sessions", body).await.status, 201);
    eventually("a replica has it", async || {
        bridge.admin("DELETE", user, "").await.status == 200
    })
    .await;

    // The replica stops reading: it is connected, and confirms nothing.
    assert_eq!(bridge.admin("POST", "/v1/sessions", body).await.status, 201);
    let info: String = replica.query(&["INFO", "server"]).await;
    let pid = info
        .lines()
        .find_map(|line| line.strip_prefix("process_id:"));
    let pid = pid.unwrap().trim().to_owned();
    let signal = |name: &str| {
        let sent = std::process::Command::new("kill")
            .args([name, &pid])
            .status();
        assert!(sent.unwrap().success());
    };
    signal("-STOP");
    let gone = bridge.admin("DELETE", user, "").await;
    signal("-CONT");
    assert_eq!(gone.status, 202, "{}", gone.text());
    assert_eq!(gone.json()["replicated"], false);
    assert_eq!(gone.json()["sessions"], 1);
    eventually("repeated", async || {
        bridge.metric("revocations_pending").await == 0.0 && bridge.log().contains("revoke_again")
    })
    .await;
    assert_eq!(bridge.metric("revocations_given_up_total").await, 0.0);
}

//! Sessions over three Envoys: presented, sliding, revoked, told to the upstream.

use crate::kit::{SOON, Shared, eventually, keys, seen, with_cookie};
use serde_json::json;
use std::time::Duration;
use tidegate_e2e::{Lab, Request, wait};

const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 5s }
sessions:
  web:   { cookie: sid }
  app:   { header: authorization }
  brief: { cookie: brief, idle: 2s, absolute: 4s }
policies:
  web:   { session: web }
  maybe: { session: { use: web, required: false } }
  admin: { session: { use: web, roles: [admin, owner] } }
  app:   { session: app }
  brief: { session: brief }
routes:
  - { match: { path_prefix: /web }, policy: web }
  - { match: { path_prefix: /maybe }, policy: maybe }
  - { match: { path_prefix: /admin }, policy: admin }
  - { match: { path_prefix: /app }, policy: app }
  - { match: { path_prefix: /brief }, policy: brief }
";

static LAB: Shared = Shared::new(|| Lab::with(POLICY, |spec| spec.envoys = 3));

/// The statuses of `request` through every Envoy, on several connections each, so that every worker is asked.
fn everywhere(lab: &Lab, request: &Request) -> Vec<u16> {
    let clients = (0..3).flat_map(|envoy| (0..6).map(move |_| lab.client(envoy)));
    clients
        .map(|mut client| client.send(request).unwrap().status)
        .collect()
}

fn created(lab: &Lab, uid: &str, roles: &[&str]) -> (String, String) {
    let body = json!({ "realm": "web", "uid": uid, "roles": roles, "data": {} });
    let answer = lab.admin().post("/v1/sessions", &body).unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text());
    let session = answer.json().unwrap();
    let text = |name: &str| session[name].as_str().unwrap().to_owned();
    (text("token"), text("handle"))
}

/// A session of the realm `brief` and its Redis key.
fn brief(lab: &Lab, uid: &str) -> (String, Vec<u8>) {
    let before = keys(&lab.redis());
    let token = lab.login("brief", uid, &[]).unwrap();
    let after = keys(&lab.redis());
    let mut fresh = after.difference(&before);
    let session = fresh.find(|key| key.starts_with(b"tg:s:"));
    (token, session.unwrap().clone())
}

#[test]
fn a_cookie_opens_the_route_at_every_envoy_and_the_upstream_is_told_who_it_is() {
    let lab = LAB.turn();
    let (token, handle) = created(&lab, "ada@example", &["writer", "admin"]);
    let request =
        Request::get("/web/echo").field("cookie", format!("a=1;  b=\"2\"; sid={token}; c=3"));
    assert_eq!(everywhere(&lab, &request), [200; 18]);
    let answer = lab.client(0).send(&request).unwrap();
    assert_eq!(seen(&answer, "x-session-user"), ["ada@example"]);
    assert_eq!(seen(&answer, "x-session-roles"), ["admin,writer"]);
    assert_eq!(seen(&answer, "x-session-id"), [handle]);
    assert_eq!(seen(&answer, "x-session-state"), ["valid"]);
    let cookies = seen(&answer, "cookie").join("; ");
    assert!(!cookies.contains(&token), "{cookies}");
    for other in ["a=1", "b=\"2\"", "c=3"] {
        assert!(cookies.contains(other), "{cookies}");
    }
    // In a second Cookie line, as HTTP/2 sends them.
    let crumbs = Request::get("/web/echo")
        .field("cookie", "a=1")
        .field("cookie", format!("sid={token}"));
    assert_eq!(lab.client(1).send(&crumbs).unwrap().status, 200);
    // Two of our name are one too many, even when both are good.
    let twice = Request::get("/web/echo").field("cookie", format!("sid={token}; sid={token}"));
    assert_eq!(lab.client(2).send(&twice).unwrap().status, 400);
}

#[test]
fn a_bearer_token_opens_its_route_and_does_not_reach_the_upstream() {
    let lab = LAB.turn();
    let token = lab.login("app", "ci-runner", &[]).unwrap();
    let bearer = |scheme: &str| {
        Request::get("/app/echo").field("authorization", format!("{scheme} {token}"))
    };
    assert_eq!(everywhere(&lab, &bearer("Bearer")), [200; 18]);
    let answer = lab.client(0).send(&bearer("bearer")).unwrap();
    assert_eq!(seen(&answer, "x-session-user"), ["ci-runner"]);
    assert!(seen(&answer, "authorization").is_empty());
    assert_eq!(lab.client(0).send(&bearer("Basic")).unwrap().status, 401);
    let cookie = with_cookie("/web/echo", "sid", &token);
    assert_eq!(
        lab.client(0).send(&cookie).unwrap().status,
        401,
        "another realm"
    );
    let missing = lab.client(0).get("/app/echo").unwrap();
    let challenge = missing.get("www-authenticate").unwrap();
    assert!(challenge.starts_with("Bearer"), "{challenge}");
}

#[test]
fn a_revoked_session_is_refused_by_every_envoy_from_the_next_request_on() {
    let lab = LAB.turn();
    for round in 0..3 {
        let (token, handle) = created(&lab, "ada", &[]);
        let (other, _) = created(&lab, "ada", &[]);
        let request = with_cookie("/web/echo", "sid", &token);
        assert_eq!(everywhere(&lab, &request), [200; 18]);
        // The bridge that is told is not the one that will be asked by all.
        let admin = lab
            .admin_of(round % 2)
            .delete(&format!("/v1/sessions/{handle}"));
        assert_eq!(admin.unwrap().status, 200);
        assert_eq!(everywhere(&lab, &request), [401; 18]);
        let other = with_cookie("/web/echo", "sid", &other);
        assert_eq!(everywhere(&lab, &other), [200; 18]);
    }
}

#[test]
fn revoking_a_user_ends_all_its_sessions_and_no_other() {
    let lab = LAB.turn();
    let mine: Vec<String> = (0..4).map(|_| created(&lab, "grace", &[]).0).collect();
    let (theirs, _) = created(&lab, "grace2", &[]);
    let listed = lab
        .admin()
        .get("/v1/users/grace/sessions?realm=web")
        .unwrap();
    let listed = listed.json().unwrap()["sessions"].as_array().unwrap().len();
    assert_eq!(listed, 4);
    let gone = lab
        .admin()
        .delete("/v1/users/grace/sessions?realm=web")
        .unwrap();
    assert_eq!(gone.status, 200, "{}", gone.text());
    for token in &mine {
        assert_eq!(
            everywhere(&lab, &with_cookie("/web", "sid", token)),
            [401; 18]
        );
    }
    assert_eq!(
        everywhere(&lab, &with_cookie("/web", "sid", theirs)),
        [200; 18]
    );
    let (fresh, _) = created(&lab, "grace", &[]);
    assert_eq!(
        everywhere(&lab, &with_cookie("/web", "sid", fresh)),
        [200; 18]
    );
}

#[test]
fn roles_are_asked_for_after_the_session() {
    let lab = LAB.turn();
    let status = |roles: &[&str]| {
        let (token, _) = created(&lab, "ada", roles);
        let answer = lab
            .client(0)
            .send(&with_cookie("/admin", "sid", token))
            .unwrap();
        (answer.status, answer.get("set-cookie"))
    };
    assert_eq!(status(&["admin"]), (200, None));
    assert_eq!(status(&["reader", "owner"]), (200, None));
    assert_eq!(status(&["reader"]), (403, None));
    assert_eq!(status(&[]), (403, None));
    assert_eq!(status(&["administrator"]), (403, None));
    assert_eq!(lab.client(0).get("/admin").unwrap().status, 401);
}

#[test]
fn identity_fields_of_a_client_never_reach_the_upstream() {
    let lab = LAB.turn();
    let (token, _) = created(&lab, "ada", &[]);
    let spoof = |target: &str| {
        Request::get(target)
            .field("x-session-user", "root")
            .field("X-Session-User", "root")
            .field("x-session-roles", "admin")
            .field("x-session-anything", "1")
            .field("x-session-state", "valid")
    };
    for target in ["/public", "/maybe"] {
        let answer = lab.client(0).send(&spoof(target)).unwrap();
        assert_eq!(answer.status, 200);
        assert!(!answer.text().contains("root"), "{}", answer.text());
        assert!(seen(&answer, "x-session-anything").is_empty());
    }
    let answer = lab.client(0).send(&spoof("/maybe")).unwrap();
    assert_eq!(seen(&answer, "x-session-state"), ["none"]);
    let known = spoof("/web").field("cookie", format!("sid={token}"));
    let answer = lab.client(0).send(&known).unwrap();
    assert_eq!(seen(&answer, "x-session-user"), ["ada"]);
    assert_eq!(seen(&answer, "x-session-state"), ["valid"]);
    assert!(seen(&answer, "x-session-roles").is_empty());
    // Names with underscores are the same to many upstreams.
    let underscores = Request::get("/public").field("X_Session_User", "root");
    let answer = lab.client(0).send(&underscores).unwrap();
    assert!(answer.status == 400 || seen(&answer, "x_session_user").is_empty());
}

#[test]
fn huge_cookies_are_refused_or_read_in_linear_time() {
    let lab = LAB.turn();
    let (token, _) = created(&lab, "ada", &[]);
    let pairs = |n: usize| {
        (0..n)
            .map(|i| format!("k{i}=v"))
            .collect::<Vec<_>>()
            .join("; ")
    };
    let mut client = lab.client(0);
    for (cookie, wanted) in [
        ("a".repeat(64 << 10), 431),
        (format!("sid={}", "A".repeat(64 << 10)), 431),
        (format!("sid={}", "A".repeat(50 << 10)), 401),
        (pairs(5_000), 401),
        (";".repeat(50 << 10), 401),
        (" ;=".repeat(10 << 10), 401),
        (format!("{}; sid={token}", pairs(4_000)), 200),
    ] {
        let start = wait::now();
        let answer = client
            .send(&Request::get("/web").field("cookie", &cookie))
            .unwrap();
        let took = start.elapsed();
        assert_eq!(answer.status, wanted, "{} bytes", cookie.len());
        assert!(
            took < Duration::from_secs(2),
            "{} bytes took {took:?}",
            cookie.len()
        );
    }
    let mut many = Request::get("/web");
    for n in 0..90 {
        many = many.field("cookie", format!("a{n}=\u{0}").replace('\u{0}', "\u{80}"));
    }
    assert_eq!(client.send(&many).unwrap().status, 401);
    let odd = Request::get("/web").field(
        "cookie",
        [b"\xff\xfe=\x80; sid=".as_slice(), token.as_bytes()].concat(),
    );
    assert_eq!(client.send(&odd).unwrap().status, 200);
}

#[test]
fn a_session_slides_while_it_is_used_and_ends_at_its_deadline() {
    const IDLE: i64 = 2_000;
    let lab = LAB.turn();
    let redis = lab.redis();
    let ttl = |key: &[u8]| redis.call(&[b"PTTL", key]).unwrap().int().unwrap();
    let (unused, unused_key) = brief(&lab, "ada");
    let (used, key) = brief(&lab, "ada");
    let [unused, used] = [unused, used].map(|token| with_cookie("/brief", "brief", token));
    let deadline = redis.call(&[b"HGET".as_slice(), &key, b"d"]).unwrap();
    let deadline_ms = deadline.int().unwrap() / 1_000;
    let mut client = lab.client(0);
    let mut touches = 0;
    loop {
        let start = wait::now();
        let before = ttl(&key);
        let status = client.send(&used).unwrap().status;
        let after = ttl(&key);
        if status != 200 || before < 0 || after < 0 {
            break;
        }
        let ends = redis
            .call(&[b"PEXPIRETIME".as_slice(), &key])
            .unwrap()
            .int()
            .unwrap();
        assert!(
            ends < 0 || ends <= deadline_ms,
            "{ends} is past {deadline_ms}"
        );
        let took = i64::try_from(start.elapsed().as_millis()).unwrap();
        if after > before {
            touches += 1;
            // 3/4 of idle may not have been left when it was looked up.
            assert!(
                before - took < IDLE * 3 / 4,
                "{before} -> {after} in {took} ms"
            );
        }
        std::thread::sleep(Duration::from_millis(40));
    }
    assert!((1..=8).contains(&touches), "{touches} touches");
    let now = redis.call(&["TIME"]).unwrap().items()[0].int().unwrap() * 1_000;
    assert!(
        (now - deadline_ms).abs() <= 2_000,
        "ended {} ms off",
        now - deadline_ms
    );
    assert_eq!(client.send(&used).unwrap().status, 401);
    // The one that nobody used went earlier, and its key with it.
    assert_eq!(client.send(&unused).unwrap().status, 401);
    assert_eq!(ttl(&unused_key), -2);
}

#[test]
fn a_session_that_nobody_uses_dies_of_idleness() {
    let lab = LAB.turn();
    let redis = lab.redis();
    let (token, key) = brief(&lab, "idler");
    let request = with_cookie("/brief", "brief", token);
    assert_eq!(lab.client(0).send(&request).unwrap().status, 200);
    let start = wait::now();
    eventually("the end of idle", 0, || {
        redis
            .call(&[b"EXISTS", key.as_slice()])
            .unwrap()
            .int()
            .unwrap()
    });
    assert!(
        start.elapsed() < Duration::from_millis(3_500),
        "not by its deadline"
    );
    assert_eq!(lab.client(0).send(&request).unwrap().status, 401);
}

#[test]
fn ambiguous_paths_do_not_pass_a_protected_route() {
    let lab = LAB.turn();
    let client = lab.client(0);
    for path in [
        "/admin",
        "/public/../admin",
        "//admin",
        "/%61dmin",
        "/admin%2fx",
        "/admin/..%2fadmin",
        "/public/%2e%2e/admin",
        "/admin;x",
        "/admin?x=/public",
        "/public/..;/admin",
        "/adm%00in",
        "/public\\..\\admin",
        "http://x/admin",
        "/./admin",
    ] {
        let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answer = client.raw(head.as_bytes(), SOON).unwrap();
        let line = String::from_utf8_lossy(&answer)
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned();
        let refused = ["400", "401", "307"]
            .iter()
            .any(|status| line.contains(status));
        assert!(refused, "{path}: {line}");
    }
    eventually("other paths pass", 200, || {
        lab.client(0).get("/administration").unwrap().status
    });
}

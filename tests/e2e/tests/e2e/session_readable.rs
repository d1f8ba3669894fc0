//! `seal: false`: whoever reads Redis reads what sessions hold, and still nobody else writes it.

use crate::kit::{keys, with_cookie};
use tidegate_e2e::{Lab, Request};

const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 5s }
sessions:
  open:  { cookie: open, seal: false }
  other: { cookie: other }
policies:
  login: { session: { use: open, required: false, create: true } }
  open:  { session: { use: open, update: true } }
  admin: { session: { use: open, roles: [admin] } }
  other: { session: other }
routes:
  - { match: { path: /session/set }, policy: login }
  - { match: { path_prefix: /admin }, policy: admin }
  - { match: { path_prefix: /other }, policy: other }
default_policy: open
";

/// The stored values, by key.
fn values(lab: &Lab) -> Vec<(Vec<u8>, Vec<u8>)> {
    let redis = lab.redis();
    let sessions = keys(&redis).into_iter().filter(|k| k.starts_with(b"tg:s:"));
    let value = |key: Vec<u8>| {
        let value = redis.call(&[b"HGET".as_slice(), &key, b"v"]).unwrap();
        (key, value.text().into_bytes())
    };
    sessions.map(value).collect()
}

#[test]
fn readable_sessions_can_be_read_in_redis_and_not_be_forged_there() {
    let lab = Lab::new(POLICY);
    let mut client = lab.client(0);
    let data = "%7B%22cart%22:3%7D";
    let login = format!("/session/set?uid=ada&roles=user&data={data}");
    let answer = client.send(&Request::get(&login)).unwrap();
    let cookie = answer.all("set-cookie").remove(0);
    let token = cookie.strip_prefix("open=").unwrap();
    let token = token.split(';').next().unwrap().to_owned();
    let mut status = |target: &str, cookie: &str, token: &str| {
        let request = with_cookie(target, cookie, token);
        client.send(&request).unwrap().status
    };
    assert_eq!(status("/echo", "open", &token), 200);
    assert_eq!(status("/admin", "open", &token), 403);

    let [(key, value)] = &values(&lab)[..] else {
        panic!("one session");
    };
    let text = String::from_utf8(value.clone()).unwrap();
    let stored = r#"{"uid":"ada","roles":["user"],"data":{"cart":3}}"#;
    assert_eq!(text.split('\n').next(), Some(stored));
    // Other data keep the form it was made in.
    let update = "/session/update?data=%7B%22cart%22:4%7D";
    assert_eq!(status(update, "open", &token), 200);
    let text = String::from_utf8(values(&lab).remove(0).1).unwrap();
    assert!(text.contains(r#""data":{"cart":4}"#), "{text}");

    // Whoever writes to Redis cannot make it say something else: nobody knows then, which is no logout.
    let redis = lab.redis();
    let forged = text.replace("user", "admin");
    for forged in [forged.as_str(), stored] {
        let set = [b"HSET".as_slice(), key, b"v", forged.as_bytes()];
        redis.call(&set).unwrap();
        assert_eq!(status("/admin", "open", &token), 503, "{forged}");
    }
    redis
        .call(&[b"HSET".as_slice(), key, b"v", text.as_bytes()])
        .unwrap();
    assert_eq!(status("/echo", "open", &token), 200);

    // The admin API makes them as the realm says.
    for (realm, readable) in [("open", true), ("other", false)] {
        let token = lab.login(realm, "grace", &["user"]).unwrap();
        assert_eq!(status(&format!("/{realm}"), realm, &token), 200);
        let theirs = |(_, value): &(Vec<u8>, Vec<u8>)| value.windows(5).any(|w| w == b"grace");
        assert_eq!(values(&lab).iter().any(theirs), readable, "{realm}");
        lab.admin()
            .delete(&format!("/v1/users/grace/sessions?realm={realm}"))
            .unwrap();
    }
}

//! Who may speak to a bridge of a running stack, and what bytes in a value can do.

use crate::kit::{Shared, keys};
use crate::session_kit::{FREE, cost};
use tidegate_e2e::{Client, Lab, Request};

const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 5s }
sessions:
  web: { cookie: sid }
limits:
  by-name: { algorithm: fixed_window, limit: 1000, window: 1d, key: [\"header:x-name\", path] }
policies:
  web:  { session: web }
  name: { limits: [by-name] }
routes:
  - { match: { path_prefix: /name }, policy: name }
  - { match: { path_prefix: /web }, policy: web }
";

static LAB: Shared = Shared::new(|| Lab::new(POLICY));

/// The verbs of the admin API; each would reach Redis.
const ADMIN: [(&str, &str); 7] = [
    ("POST", "/v1/sessions"),
    ("GET", "/v1/users/ada/sessions?realm=web"),
    ("DELETE", "/v1/users/ada/sessions?realm=web"),
    (
        "DELETE",
        "/v1/sessions/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ),
    ("POST", "/v1/cache/purge"),
    ("GET", "/v1/limits/by-name?key=a&key=/name"),
    ("DELETE", "/v1/limits/by-name?key=a&key=/name"),
];

fn request(method: &str, target: &str) -> Request {
    let body = match target {
        "/v1/sessions" => r#"{"realm":"web","uid":"ada","roles":[],"data":{}}"#,
        "/v1/cache/purge" => r#"{"tag":"a"}"#,
        _ => "",
    };
    Request::new(method, target).body(body)
}

fn data(lab: &Lab) -> Client {
    Client::new(&lab.endpoints().unwrap().bridges[0].data)
}

#[test]
fn without_the_whole_credential_nothing_of_the_admin_api_reaches_redis() {
    let lab = LAB.turn();
    let token = lab.secrets().admin_token.clone();
    let good = format!("Bearer {token}");
    let mut wrong: Vec<Vec<String>> = vec![Vec::new(), vec![good.clone(), good.clone()]];
    let other = &lab.secrets().bridge_token;
    wrong.extend(
        [
            "",
            "Bearer",
            "Bearer ",
            &token,
            &format!("Basic {token}"),
            &good[..good.len() - 1],
            &good[..20],
            &format!("{good}x"),
            &format!("{good}, {good}"),
            &format!("Bearer {other}"),
            &format!("Bearer {}", token.to_ascii_uppercase()),
        ]
        .map(|text| vec![text.to_owned()]),
    );
    let mut client = Client::new(&lab.endpoints().unwrap().bridges[0].admin);
    let before = keys(&lab.redis());
    let spent = cost(&lab, || {
        for (method, target) in ADMIN {
            for credentials in &wrong {
                let mut request = request(method, target);
                for credential in credentials {
                    request = request.field("authorization", credential);
                }
                let answer = client.send(&request).unwrap();
                assert_eq!(answer.status, 401, "{method} {target} {credentials:?}");
                assert_eq!(answer.all("www-authenticate"), ["Bearer"]);
            }
            // Nor with it, when it is a page in somebody's browser that shows it.
            for (name, value) in [
                ("origin", "http://127.0.0.1"),
                ("sec-fetch-site", "same-origin"),
                ("sec-fetch-mode", "no-cors"),
                ("content-type", "text/plain"),
                ("content-type", "multipart/form-data; boundary=x"),
            ] {
                let request = request(method, target)
                    .field("authorization", &good)
                    .field(name, value);
                let status = client.send(&request).unwrap().status;
                let wanted = if name == "content-type" { 415 } else { 403 };
                assert_eq!(status, wanted, "{method} {target} {name}: {value}");
            }
        }
    });
    assert_eq!(spent, FREE);
    assert_eq!(keys(&lab.redis()), before);
}

#[test]
fn the_data_listener_knows_its_verbs_and_no_others() {
    let lab = LAB.turn();
    let good = format!("Bearer {}", lab.secrets().admin_token);
    let mut client = data(&lab);
    let spent = cost(&lab, || {
        for (method, target) in ADMIN {
            let request = request(method, target).field("authorization", &good);
            assert_eq!(
                client.send(&request).unwrap().status,
                404,
                "{method} {target}"
            );
        }
        for target in ["/metrics", "/readyz", "/v1/streams", "/", "/v1/exchange/x"] {
            assert_eq!(client.get(target).unwrap().status, 404, "{target}");
        }
        assert_eq!(client.get("/v1/exchange").unwrap().status, 405);
    });
    assert_eq!(spent, FREE);
}

/// An operation as it travels.
fn op(words: &[&[u8]]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend(format!("${}\r\n", word.len()).bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
    out
}

#[test]
fn a_verb_a_key_or_a_script_of_the_callers_own_is_an_error_and_is_not_sent() {
    let lab = LAB.turn();
    let redis = lab.redis();
    let before = keys(&redis);
    let scripts = || {
        redis
            .commands()
            .unwrap()
            .get("evalsha")
            .copied()
            .unwrap_or(0)
    };
    let (user, secret) = (b"user-tag-12b".as_slice(), b"a-secret-of-18-byt".as_slice());
    let ran = scripts();
    for words in [
        &[b"FLUSHALL".as_slice()][..],
        &[b"SET", b"tg:s:{x}", b"1"],
        &[b"GET", b"tg:s:{x}"],
        &[b"EVAL", b"return redis.call('KEYS','*')", b"0"],
        &[
            b"EVALSHA",
            b"0000000000000000000000000000000000000000",
            b"0",
        ],
        &[b"SESSION.CREATE", b"web", b"ada"],
        &[b"SESSION.DELETE", user],
        &[b"session.get", b"web", user, secret, b"1000", b"never"],
        &[b"SESSION.GET"],
        &[b"SESSION.GET", b"web", user, secret, b"1000"],
        &[b"SESSION.GET", b"web", user, secret, b"1000", b"sometimes"],
        &[b"SESSION.GET", b"web", user, secret, b"0", b"never"],
        &[b"SESSION.GET", b"web", user, secret, b"-1", b"never"],
        &[
            b"SESSION.GET",
            b"web",
            b"tg:s:{x}",
            secret,
            b"1000",
            b"never",
        ],
        &[b"SESSION.GET", b"web", user, b"short", b"1000", b"never"],
        &[b"\r\nFLUSHALL\r\n"],
        &[b""],
    ] {
        let request = Request::new("POST", "/v1/exchange").body(op(words));
        let answer = data(&lab).send(&request).unwrap();
        let text = answer.text();
        let name = String::from_utf8_lossy(words[0]);
        assert_eq!(answer.status, 200, "{name}: {text}");
        assert!(text.starts_with('-'), "{name}: {text}");
        assert_eq!(text.matches("\r\n").count(), 1, "{name}: {text}");
    }
    assert_eq!(scripts(), ran);
    assert_eq!(keys(&redis), before);
    // The one it knows is asked: nobody has that session.
    let good = op(&[
        b"SESSION.GET",
        b"w{e}b\r\n\0\xff",
        user,
        secret,
        b"1000",
        b"never",
    ]);
    let answer = data(&lab)
        .send(&Request::new("POST", "/v1/exchange").body(good))
        .unwrap();
    assert!(answer.text().contains("absent"), "{}", answer.text());
    assert_eq!(scripts(), ran + 1);
}

/// Bytes of a client are hashed into names: none of them ends a command or picks a Redis node.
#[test]
fn no_byte_of_a_client_becomes_part_of_a_key() {
    let lab = LAB.turn();
    let redis = lab.redis();
    let before = keys(&redis);
    let names: [&[u8]; 8] = [
        b"{",
        b"}{",
        b"{}",
        b"a{tg}b",
        b"\xff\xfe",
        b"*",
        b"\tx:y",
        b"'; redis.call('FLUSHALL') --",
    ];
    let mut client = lab.client(0);
    for name in names {
        let request = Request::get("/name").field("x-name", name);
        let answer = client.send(&request).unwrap();
        assert_eq!(answer.status, 200, "{name:?}");
        assert!(answer.get("ratelimit").is_some(), "{name:?} is counted");
    }
    // Escapes of the admin API's query are bytes too, those that no field may hold.
    for key in ["%0d%0aFLUSHALL%0d%0a", "%00", "%7b%7d", "%ff"] {
        let target = format!("/v1/limits/by-name?key={key}&key=/name");
        let status = lab.admin().delete(&target).unwrap().status;
        assert!([200, 400].contains(&status), "{key}: {status}");
    }
    for uid in ["%0d%0a", "a%00", "%7bx%7d", "..%2fada", "%ff"] {
        let target = format!("/v1/users/{uid}/sessions?realm=web");
        assert_eq!(lab.admin().delete(&target).unwrap().status, 400, "{uid}");
    }
    let after = keys(&redis);
    assert!(after.is_superset(&before), "nothing was removed");
    let fresh: Vec<String> = after
        .difference(&before)
        .map(|key| String::from_utf8(key.clone()).unwrap())
        .collect();
    assert!(fresh.len() >= names.len() - 1, "{fresh:?}");
    for key in fresh {
        let tag = key.split(['{', '}']).nth(1).unwrap_or_default();
        assert!(
            tag.len() >= 16 && tag.bytes().all(|b| b.is_ascii_hexdigit()),
            "{key}"
        );
        let plain = key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b":{}-_".contains(&b));
        assert!(plain && key.matches('{').count() == 1, "{key}");
    }
}

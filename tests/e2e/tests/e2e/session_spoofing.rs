//! What a client says about itself, in fields, trailers and names that look alike, and what the upstream gets.

use crate::kit::{SOON, eventually};
use crate::liar::frame;
use crate::recorder::Recorder;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use tidegate_e2e::{Lab, Request, wait};

const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 1s }
sessions:
  web: { cookie: sid }
policies:
  web:   { session: web }
  maybe: { session: { use: web, required: false } }
  admin: { session: { use: web, roles: [admin] } }
routes:
  - { match: { path_prefix: /web }, policy: web }
  - { match: { path_prefix: /maybe }, policy: maybe }
  - { match: { path_prefix: /admin }, policy: admin }
";

/// What is spoofed. Names with underscores Envoy refuses in heads; in trailers of HTTP/1.1 it does not look at them.
const HEAD: [(&str, &str); 6] = [
    ("x-session-user", "root"),
    ("x-session-user", "root2"),
    ("x-session-roles", "admin"),
    ("x-session-state", "valid"),
    ("x-session-nonce", "bm9uY2U"),
    ("x-session-", "root"),
];
const TRAILERS: [(&str, &str); 3] = [
    ("x-session-user", "root"),
    ("x_session_user", "root"),
    ("x-session-state", "valid"),
];

/// A chunked request of HTTP/1.1 with spoofed fields and trailers.
fn http1(path: &str, cookie: &str) -> Vec<u8> {
    let mut out = format!("POST {path} HTTP/1.1\r\nhost: x\r\nsec-fetch-site: none\r\n{cookie}");
    for (name, value) in HEAD {
        out += &format!(
            "{name}: {value}\r\n{}: {value}\r\n",
            name.to_ascii_uppercase()
        );
    }
    out += "te: trailers\r\ntrailer: x-session-user\r\ntransfer-encoding: chunked\r\n\r\n";
    out += "4\r\nbody\r\n0\r\n";
    for (name, value) in TRAILERS {
        out += &format!("{name}: {value}\r\n");
    }
    (out + "\r\n").into_bytes()
}

/// The same over HTTP/2, with prior knowledge: fields as literals (RFC 7541, 6.2.2).
fn http2(path: &str, cookie: &str) -> Vec<u8> {
    let block = |fields: &[(&str, &str)]| {
        let mut out = Vec::new();
        for (name, value) in fields {
            // All are shorter than 127 bytes, so a length is one byte.
            for (first, text) in [(&[0][..], name), (&[], value)] {
                out.extend_from_slice(first);
                out.push(u8::try_from(text.len()).unwrap());
                out.extend_from_slice(text.as_bytes());
            }
        }
        out
    };
    let mut head = vec![
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "x"),
        (":path", path),
        ("sec-fetch-site", "none"),
    ];
    head.extend(cookie.trim_end().split_once(": "));
    head.extend(HEAD);
    let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    out.extend(frame(4, 0, 0, &[]));
    out.extend(frame(1, 4, 1, &block(&head)));
    out.extend(frame(0, 0, 1, b"body"));
    // For the name with underscores Envoy would reset the stream.
    let [user, _, state] = TRAILERS;
    out.extend(frame(1, 4 | 1, 1, &block(&[user, state])));
    out
}

/// The names and values of reserved fields among lines, wherever they stand, sorted.
fn reserved(lines: &[String]) -> Vec<String> {
    let is_ours = |line: &String| {
        let line = line.to_ascii_lowercase().replace('_', "-");
        line.starts_with("x-session-")
    };
    let mut found: Vec<String> = lines.iter().filter(|line| is_ours(line)).cloned().collect();
    found.sort();
    found
}

/// Sends the request in every way; what the upstream was told, which must be the same each time.
fn told(lab: &Lab, upstream: &Recorder, path: &str, cookie: &str) -> Vec<String> {
    let mut all = Vec::new();
    for bytes in [http1(path, cookie), http2(path, cookie)] {
        let _before = upstream.take();
        let mut client = TcpStream::connect(("127.0.0.1", lab.spec().proxy_port(0))).unwrap();
        client.write_all(&bytes).unwrap();
        let lines = wait::until("the request", SOON, || match upstream.take() {
            lines if lines.is_empty() => Err("nothing".into()),
            lines => Ok(lines),
        });
        let lines = lines.unwrap_or_else(|error| {
            client.set_read_timeout(Some(SOON)).unwrap();
            let mut answer = [0; 1_024];
            let n = client.read(&mut answer).unwrap_or(0);
            panic!(
                "{path}: {error}, {:?}",
                String::from_utf8_lossy(&answer[..n])
            );
        });
        assert!(lines[0].starts_with(&format!("POST {path} ")), "{lines:?}");
        assert!(lines.iter().any(|line| line == "body"), "{lines:?}");
        all.push(reserved(&lines));
    }
    assert_eq!(all[0], all[1], "{path}");
    all.remove(0)
}

#[test]
fn the_upstream_gets_our_fields_and_no_others_whatever_way_they_come() {
    let upstream = Recorder::start();
    let mut lab = Lab::with(POLICY, |spec| {
        spec.upstream = Some(upstream.address.clone())
    });
    let session =
        json!({ "realm": "web", "uid": "ada", "roles": ["writer", "editor"], "data": {} });
    let session = lab
        .admin()
        .post("/v1/sessions", &session)
        .unwrap()
        .json()
        .unwrap();
    let field = |name: &str| session[name].as_str().unwrap().to_owned();
    let cookie = format!("cookie: sid={}\r\n", field("token"));
    let valid = [
        format!("x-session-id: {}", field("handle")),
        "x-session-roles: editor,writer".into(),
        "x-session-state: valid".into(),
        "x-session-user: ada".into(),
    ];
    let state = |state: &str| [format!("x-session-state: {state}")];
    for (path, cookie, wanted) in [
        ("/public", "", &[][..]),
        ("/public", &cookie, &[]),
        ("/maybe", "", &state("none")),
        ("/maybe", "cookie: sid=forged\r\n", &state("none")),
        ("/maybe", &cookie, &valid),
        ("/web", &cookie, &valid),
    ] {
        assert_eq!(
            told(&lab, &upstream, path, cookie),
            wanted,
            "{path} {cookie}"
        );
    }
    lab.kill("redis-state-0").unwrap();
    for (path, cookie, wanted) in [
        ("/public", cookie.as_str(), &[][..]),
        ("/maybe", "", &state("none")),
        ("/maybe", &cookie, &state("unknown")),
    ] {
        assert_eq!(
            told(&lab, &upstream, path, cookie),
            wanted,
            "{path} {cookie}"
        );
    }
    let refused = Request::get("/web").field("cookie", &cookie[8..cookie.len() - 2]);
    assert_eq!(lab.client(0).send(&refused).unwrap().status, 503);
    assert_eq!(upstream.take(), [""; 0]);
}

#[test]
fn nothing_a_client_says_about_the_path_or_the_way_changes_the_policy() {
    let lab = Lab::new(POLICY);
    let user = lab.login("web", "ada", &[]).unwrap();
    let cookie = format!("sid={user}");
    let claims: [&[(&str, &str)]; 7] = [
        &[],
        &[("x-original-url", "OTHER")],
        &[("x-rewrite-url", "OTHER"), ("x-original-uri", "OTHER")],
        &[
            ("x-envoy-original-path", "OTHER"),
            ("x-forwarded-prefix", "OTHER"),
        ],
        &[
            ("x-http-method-override", "OPTIONS"),
            ("x-method-override", "GET"),
        ],
        &[
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "other.example"),
        ],
        &[
            ("forwarded", "host=other.example;proto=https"),
            ("x-forwarded-port", "443"),
        ],
    ];
    let mut client = lab.client(0);
    for claims in claims {
        for (method, target, other, cookie, wanted) in [
            ("GET", "/admin", "/public", "", 401),
            ("GET", "/admin", "/public", cookie.as_str(), 403),
            ("GET", "/public", "/admin", "", 200),
            ("GET", "/web", "/public", "", 401),
            ("GET", "/web", "/admin", &cookie, 200),
            // Unsafe and without evidence of where it comes from, whatever it says it is.
            ("POST", "/web", "/public", &cookie, 403),
        ] {
            let mut request = Request::new(method, target).field("cookie", cookie);
            for (name, value) in claims {
                request = request.field(name, value.replace("OTHER", other));
            }
            let answer = client.send(&request).unwrap();
            assert_eq!(answer.status, wanted, "{method} {target} {claims:?}");
        }
    }
}

/// What could break out of a field is no name of a user, so no session holds it.
#[test]
fn names_that_are_no_field_value_are_refused_when_a_session_is_created() {
    let lab = Lab::new(POLICY);
    let (long, many) = ("a".repeat(129), vec!["r"; 33]);
    let before = lab.redis().call(&["DBSIZE"]).unwrap();
    let mut bad: Vec<serde_json::Value> = Vec::new();
    for text in [
        "ada\r\nx-session-user: root",
        "ada\n",
        "\rada",
        "a\0da",
        "a da",
        "a,b",
        "ada\u{7f}",
        "\u{e4}da",
        "ada\u{2028}",
        "",
        &long,
    ] {
        bad.push(json!({ "realm": "web", "uid": text, "roles": [], "data": {} }));
        bad.push(json!({ "realm": "web", "uid": "ada", "roles": ["user", text], "data": {} }));
    }
    bad.extend([
        json!({ "realm": "web", "uid": "ada", "roles": many.iter().enumerate().map(|(i, r)| format!("{r}{i}")).collect::<Vec<_>>() }),
        json!({ "realm": "web", "uid": 42 }),
        json!({ "realm": "web", "uid": "ada", "roles": "admin" }),
        json!({ "realm": "web", "uid": "ada", "admin": true }),
        json!({ "realm": "nowhere", "uid": "ada" }),
    ]);
    for body in bad {
        let answer = lab.admin().post("/v1/sessions", &body).unwrap();
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
    }
    assert_eq!(lab.redis().call(&["DBSIZE"]).unwrap(), before);
    eventually("a good one", true, || {
        lab.login("web", "a.d_a:1@x-y", &["r"]).is_ok()
    });
}

//! Requests that another site made a browser send.

use crate::kit::Shared;
use tidegate_e2e::{Lab, Request};

const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 5s }
sessions:
  web: { cookie: sid }
  app: { header: authorization }
policies:
  web:   { session: web }
  maybe: { session: { use: web, required: false } }
  app:   { session: app }
routes:
  - { match: { path_prefix: /web }, policy: web }
  - { match: { path_prefix: /maybe }, policy: maybe }
  - { match: { path_prefix: /app }, policy: app }
";

const HOST: &str = "app.example";
const OWN: &str = "http://app.example";
const EVIL: &str = "http://app.example.evil";

static LAB: Shared = Shared::new(|| Lab::new(POLICY));

/// What a browser says about where a request comes from.
type Evidence<'a> = &'a [(&'a str, &'a str)];

/// `method target` with `credential` and `evidence`.
fn request(
    method: &str,
    target: &str,
    credential: (&str, &str),
    evidence: Evidence<'_>,
) -> Request {
    let mut request = Request::new(method, target)
        .field("host", HOST)
        .field(credential.0, credential.1);
    for (name, value) in evidence {
        request = request.field(name, value);
    }
    request
}

/// How often the upstream saw these paths.
fn reached(lab: &Lab) -> u64 {
    ["/web", "/maybe", "/app"]
        .map(|path| lab.upstream_count(path).unwrap())
        .iter()
        .sum()
}

#[test]
fn an_unsafe_request_with_a_cookie_shows_where_it_comes_from() {
    let lab = LAB.turn();
    let token = lab.login("web", "ada", &[]).unwrap();
    let cookie = format!("sid={token}");
    let credential = ("cookie", cookie.as_str());
    let mut client = lab.client(0);
    let site = "sec-fetch-site";
    let rows: &[(Evidence<'_>, u16)] = &[
        // Sec-Fetch-Site decides alone where it is sent: the nine combinations.
        (&[(site, "same-origin"), ("origin", OWN)], 200),
        (&[(site, "same-origin"), ("origin", EVIL)], 200),
        (&[(site, "same-origin")], 200),
        (&[(site, "cross-site"), ("origin", OWN)], 403),
        (&[(site, "cross-site"), ("origin", EVIL)], 403),
        (&[(site, "cross-site")], 403),
        (&[("origin", OWN)], 200),
        (&[("origin", EVIL)], 403),
        (&[], 403),
        // Its other values: typed in by the user, another host of the same site, nonsense, two of them.
        (&[(site, "none")], 200),
        (&[(site, "same-site"), ("origin", OWN)], 403),
        (&[(site, "Same-Origin"), ("origin", OWN)], 403),
        (&[(site, ""), ("origin", OWN)], 403),
        (&[(site, "same-origin"), (site, "cross-site")], 403),
        // Origins that look like ours.
        (&[("origin", "null")], 403),
        (&[("origin", "")], 403),
        (&[("origin", "http://app.example:8080")], 403),
        (&[("origin", "http://app.example:80")], 200),
        (&[("origin", "https://app.example")], 403),
        (&[("origin", "http://evil.app.example")], 403),
        (&[("origin", "http://app.example@evil")], 403),
        (&[("origin", "http://app.example/")], 403),
        (&[("origin", "http://app.example, http://evil")], 403),
        (&[("origin", OWN), ("origin", EVIL)], 403),
        (&[("origin", "HTTP://APP.EXAMPLE")], 200),
        // Referer is asked last, and only its origin.
        (&[("referer", "http://app.example/form?a=1")], 200),
        (&[("referer", "http://app.example.evil/")], 403),
        (&[("referer", "http://evil/http://app.example/")], 403),
        (&[("referer", "/form")], 403),
        (&[("origin", EVIL), ("referer", OWN)], 403),
        (&[("origin", "null"), ("referer", OWN)], 403),
        // What a client says about the way here is no evidence.
        (
            &[("x-forwarded-host", "app.example.evil"), ("origin", EVIL)],
            403,
        ),
        (
            &[
                ("x-forwarded-proto", "https"),
                ("origin", "https://app.example"),
            ],
            403,
        ),
        (&[("x-http-method-override", "GET")], 403),
    ];
    for (evidence, wanted) in rows {
        for target in ["/web", "/maybe"] {
            let before = reached(&lab);
            let answer = client
                .send(&request("POST", target, credential, evidence))
                .unwrap();
            assert_eq!(answer.status, *wanted, "{target} {evidence:?}");
            assert_eq!(
                reached(&lab) - before,
                u64::from(*wanted == 200),
                "{evidence:?}"
            );
            if *wanted == 403 {
                assert_eq!(
                    answer.json().unwrap()["reason"],
                    "cross-site",
                    "{evidence:?}"
                );
                assert!(answer.get("set-cookie").is_none(), "no logout by others");
            }
        }
    }
}

#[test]
fn safe_methods_and_what_no_browser_sends_by_itself_are_not_subject() {
    let lab = LAB.turn();
    let web = format!("sid={}", lab.login("web", "ada", &[]).unwrap());
    let app = format!("Bearer {}", lab.login("app", "ci", &[]).unwrap());
    let (web, app) = (("cookie", web.as_str()), ("authorization", app.as_str()));
    let hostile: Evidence<'_> = &[("sec-fetch-site", "cross-site"), ("origin", EVIL)];
    let mut client = lab.client(0);
    for (method, target, credential, wanted) in [
        ("GET", "/web", web, 200),
        ("HEAD", "/web", web, 200),
        ("OPTIONS", "/web", web, 200),
        ("PUT", "/web", web, 403),
        ("PATCH", "/web", web, 403),
        ("DELETE", "/web", web, 403),
        ("PURGE", "/web", web, 403),
        ("get", "/web", web, 403),
        ("POST", "/app", app, 200),
        ("DELETE", "/app", app, 200),
        // Nobody's session is used: nothing to forge.
        ("POST", "/maybe", ("cookie", "a=1"), 200),
        ("POST", "/maybe", ("cookie", "sid=nonsense"), 200),
        ("POST", "/web", ("cookie", "a=1"), 401),
    ] {
        let answer = client
            .send(&request(method, target, credential, hostile))
            .unwrap();
        assert_eq!(answer.status, wanted, "{method} {target} {}", credential.0);
    }
}

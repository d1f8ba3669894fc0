//! Sessions: presented, looked up, told to the upstream.

use super::bridge::{self, Asked};
use super::policy::POLICY;
use super::rig::{EPOCH_US, Rig, keys, token, token_until};
use super::run::{Req, field, get, lines, req, text};
use crate::session::token::{mint, verify};
use crate::session::{Keys, RealmTag};
use crate::stream::Property;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

const CLEARED: &str = "__Host-sid=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax";

/// What a required route says of a request, that nothing was asked, and how it was counted.
fn refused_at_once(req: &Req, reason: &str, clears: bool) {
    let mut rig = Rig::new(POLICY);
    let seen = rig.run(req);
    assert_eq!(seen.status(), 401, "{req:?}");
    assert!(
        text(seen.replied()).contains(reason),
        "{}",
        text(seen.replied())
    );
    assert_eq!(field(seen.replied(), "www-authenticate").len(), 1);
    let cookies = field(seen.replied(), "set-cookie");
    assert_eq!(cookies, if clears { vec![CLEARED] } else { vec![] });
    assert_eq!(rig.exchanges(), 0);
    assert!(rig.sent.is_empty());
}

#[test]
fn no_credential_is_401_without_an_exchange() {
    refused_at_once(&get("/web"), "session-required", false);
    refused_at_once(
        &get("/web").line("cookie", "other=1"),
        "session-required",
        false,
    );
    refused_at_once(
        &get("/web?__Host-sid=x").line("authorization", format!("Bearer {}", token("web"))),
        "session-required",
        false,
    );
    refused_at_once(
        &get("/bearer").cookie(&token("api")),
        "session-required",
        false,
    );
}

#[test]
fn a_token_that_is_not_ours_is_401_without_an_exchange() {
    let good = token("web");
    let other_key = Keys::parse("2:QAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").unwrap();
    let retired = Keys::parse("9:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").unwrap();
    let signed_by = |keys: &Keys| {
        mint(
            keys,
            RealmTag::of("web"),
            [7; 12],
            EPOCH_US / 1_000_000 + 9,
            [9; 18],
        )
    };
    for bad in [
        String::new(),
        good[1..].to_owned(),
        format!("{good}A"),
        "A".repeat(10_000),
        good.replacen(&good[..1], "*", 1),
        token("api"),
        signed_by(&other_key),
        signed_by(&retired),
    ] {
        refused_at_once(&get("/web").cookie(&bad), "session-invalid", true);
    }
    refused_at_once(
        &get("/web").line("cookie", &b"__Host-sid=\xff\xfe"[..]),
        "session-invalid",
        true,
    );
}

#[test]
fn every_flipped_bit_of_a_token_is_401_without_an_exchange() {
    let mut rig = Rig::new(POLICY);
    let raw = BASE64.decode(token("web")).unwrap();
    for bit in 0..raw.len() * 8 {
        let mut raw = raw.clone();
        raw[bit / 8] ^= 1 << (bit % 8);
        let seen = rig.run(&get("/web").cookie(&BASE64.encode(raw)));
        assert_eq!(seen.status(), 401, "bit {bit}");
    }
    assert!(rig.sent.is_empty());
    assert_eq!(rig.counted()["tidegate.session.web.rejected"], 57 * 8);
}

#[test]
fn the_previous_key_is_still_accepted() {
    let previous = Keys::parse("1:IAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").unwrap();
    let token = mint(
        &previous,
        RealmTag::of("web"),
        [7; 12],
        EPOCH_US / 1_000_000 + 9,
        [9; 18],
    );
    assert_eq!(
        Rig::new(POLICY).run(&get("/web").cookie(&token)).status(),
        0
    );
}

#[test]
fn a_passed_deadline_is_refused_by_redis_clock_alone() {
    let ended = token_until("web", EPOCH_US / 1_000_000);
    refused_at_once(&get("/web").cookie(&ended), "session-invalid", true);
    let mut rig = Rig::unlinked(POLICY);
    rig.link(0);
    rig.hook = Box::new(|_| Some(bridge::absent(EPOCH_US)));
    let seen = rig.run(&get("/web").cookie(&ended));
    assert_eq!(
        (seen.status(), rig.exchanges()),
        (401, 1),
        "the clock is not known: the script decides"
    );
}

#[test]
fn two_credentials_are_400() {
    let cookie = format!("__Host-sid={}", token("web"));
    let bearer = format!("Bearer {}", token("api"));
    for req in [
        get("/web")
            .line("cookie", cookie.as_str())
            .line("cookie", cookie.as_str()),
        get("/web").line("cookie", format!("{cookie}; a=b; {cookie}")),
        get("/open-web").line("cookie", format!("{cookie}; __Host-sid=")),
        get("/bearer")
            .line("authorization", bearer.as_str())
            .line("authorization", bearer.as_str()),
    ] {
        let mut rig = Rig::new(POLICY);
        let seen = rig.run(&req);
        assert_eq!(seen.status(), 400, "{req:?}");
        assert_eq!(rig.exchanges(), 0);
        assert_eq!(rig.counted()["tidegate.bad_request"], 1);
    }
}

#[test]
fn a_live_session_is_told_to_the_upstream_once() {
    let mut rig = Rig::new(POLICY);
    let token = token("web");
    let seen = rig.run(
        &get("/web")
            .line("cookie", format!("a=1;  b=\"x;\"; __Host-sid={token};c=3"))
            .line("x-session-user", "root")
            .line("accept", "*/*"),
    );
    let upstream = seen.forwarded();
    let handle = verify(&keys(), RealmTag::of("web"), token.as_bytes())
        .unwrap()
        .handle();
    assert_eq!(lines(upstream, "x-session-user"), ["42"]);
    assert_eq!(lines(upstream, "x-session-roles"), ["admin,user"]);
    assert_eq!(lines(upstream, "x-session-id"), [handle.as_str()]);
    assert_eq!(lines(upstream, "x-session-state"), ["valid"]);
    assert_eq!(lines(upstream, "cookie"), ["a=1;  b=\"x;\";c=3"]);
    assert_eq!(lines(upstream, "accept"), ["*/*"]);
    assert_eq!(seen.property(Property::Session), Some(handle));
    assert_eq!(rig.exchanges(), 1);
    let Asked::Session {
        realm,
        secret,
        idle_ms,
        ..
    } = &rig.sent[0].ops[0]
    else {
        panic!("{:?}", rig.sent);
    };
    assert_eq!(
        (realm.as_slice(), secret, *idle_ms),
        (&b"web"[..], &[9; 18], 1_800_000)
    );
    assert_eq!(rig.counted()["tidegate.session.web.valid"], 1);
}

#[test]
fn a_cookie_on_a_second_line_and_a_bearer_token_are_found() {
    let mut rig = Rig::new(POLICY);
    let seen = rig.run(&get("/web").line("cookie", "a=1").cookie(&token("web")));
    assert_eq!(lines(seen.forwarded(), "cookie"), ["a=1"]);
    let seen = rig.run(&get("/bearer").line("authorization", format!("bearer {}", token("api"))));
    assert!(!seen.forwarded().contains("authorization"));
    assert_eq!(lines(seen.forwarded(), "x-session-user"), ["42"]);
}

#[test]
fn a_session_that_is_gone_is_401_and_its_cookie_cleared() {
    let mut rig = Rig::new(POLICY);
    rig.hook = Box::new(|_| Some(bridge::absent(EPOCH_US)));
    let seen = rig.run(&get("/web").cookie(&token("web")));
    assert_eq!(seen.status(), 401);
    assert_eq!(field(seen.replied(), "set-cookie"), [CLEARED]);
    let seen = rig.run(&get("/open-web").cookie(&token("web")));
    assert_eq!(lines(seen.forwarded(), "x-session-state"), ["none"]);
    assert!(!seen.forwarded().contains("x-session-user"));
    assert!(!seen.forwarded().contains("cookie"));
    assert_eq!(rig.counted()["tidegate.session.web.absent"], 2);
    let seen = rig.run(&get("/bearer").line("authorization", format!("Bearer {}", token("api"))));
    assert_eq!(seen.status(), 401);
    assert!(field(seen.replied(), "set-cookie").is_empty());
    assert!(field(seen.replied(), "www-authenticate")[0].contains("invalid_token"));
}

#[test]
fn an_optional_session_passes_as_none() {
    let mut rig = Rig::new(POLICY);
    for req in [get("/open-web"), get("/open-web").cookie("forged")] {
        let seen = rig.run(&req);
        assert_eq!(lines(seen.forwarded(), "x-session-state"), ["none"]);
        assert!(!seen.forwarded().contains("cookie"));
    }
    assert_eq!(rig.exchanges(), 0);
}

#[test]
fn a_role_that_is_missing_is_403() {
    for (roles, status) in [
        ("admin", 0),
        ("admin,user", 0),
        ("user", 403),
        ("", 403),
        ("administrator", 403),
    ] {
        let mut rig = Rig::new(POLICY);
        rig.hook = Box::new(move |_| Some(bridge::valid("42", roles, EPOCH_US)));
        let seen = rig.run(&get("/admin/x").cookie(&token("web")));
        assert_eq!(seen.status(), status, "{roles:?}");
        let forbidden = rig.counted().get("tidegate.session.web.forbidden").copied();
        assert_eq!(forbidden, (status == 403).then_some(1));
    }
}

#[test]
fn what_nobody_can_tell_is_503_and_never_a_logout() {
    type Says = fn() -> Vec<u8>;
    let cases: [(&str, Says); 7] = [
        ("error value", || bridge::error("UNAVAILABLE redis")),
        ("wrong shape", || bridge::integer(1)),
        ("another's shape", || bridge::miss(None, 1)),
        ("uid with a line break", || bridge::valid("4\r\n2", "", 1)),
        ("empty uid", || bridge::valid("", "", 1)),
        ("bad role", || bridge::valid("42", "a b", 1)),
        ("null", || b"$-1\r\n".to_vec()),
    ];
    for (name, says) in cases {
        let mut rig = Rig::new(POLICY);
        rig.hook = Box::new(move |_| Some(says()));
        unknown(name, &mut rig, |rig, req| rig.run(req));
    }
    unknown("timeout", &mut Rig::new(POLICY), |rig, req| {
        rig.run_silent(req)
    });
    let mut down = Rig::new(POLICY);
    down.cut();
    unknown("down", &mut down, |rig, req| rig.run(req));
}

fn unknown(name: &str, rig: &mut Rig, run: impl Fn(&mut Rig, &Req) -> super::run::Seen) {
    let seen = run(
        rig,
        &get("/web")
            .cookie(&token("web"))
            .line("x-session-state", "valid"),
    );
    assert_eq!(seen.status(), 503, "{name}");
    let again = field(seen.replied(), "retry-after");
    assert!(
        ["1", "2", "3"].contains(&again[0].as_str()),
        "{name}: {again:?}"
    );
    assert!(field(seen.replied(), "set-cookie").is_empty(), "{name}");
    let seen = run(
        rig,
        &get("/open-web")
            .cookie(&token("web"))
            .line("X_Session_User", "root"),
    );
    assert_eq!(
        lines(seen.forwarded(), "x-session-state"),
        ["unknown"],
        "{name}"
    );
    assert!(
        !seen.forwarded().iter().any(|(n, _)| n.ends_with("user")),
        "{name}"
    );
    assert_eq!(rig.counted()["tidegate.session.web.unknown"], 2, "{name}");
}

#[test]
fn csrf_is_checked_when_a_cookie_speaks_for_an_unsafe_method() {
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], u16);
    let table: [Row<'_>; 14] = [
        ("GET", &[("sec-fetch-site", "cross-site")], 0),
        ("POST", &[("sec-fetch-site", "same-origin")], 0),
        ("POST", &[("sec-fetch-site", "none")], 0),
        ("POST", &[("sec-fetch-site", "cross-site")], 403),
        ("POST", &[("sec-fetch-site", "same-site")], 403),
        (
            "POST",
            &[
                ("sec-fetch-site", "cross-site"),
                ("origin", "https://shop.example"),
            ],
            403,
        ),
        ("POST", &[("origin", "https://shop.example")], 0),
        ("POST", &[("origin", "https://shop.example.evil")], 403),
        ("POST", &[("origin", "https://shop.example:444")], 403),
        ("POST", &[("origin", "null")], 403),
        ("POST", &[("referer", "https://shop.example/form")], 0),
        ("POST", &[("referer", "https://evil.example/")], 403),
        ("POST", &[], 403),
        ("M-SEARCH", &[], 403),
    ];
    for (method, lines, status) in table {
        let mut rig = Rig::new(POLICY);
        let mut request = req(method, "/web").cookie(&token("web"));
        for (name, value) in lines {
            request = request.line(name, *value);
        }
        assert_eq!(rig.run(&request).status(), status, "{method} {lines:?}");
        assert_eq!(rig.exchanges(), u64::from(status == 0));
    }
    let bearer = format!("Bearer {}", token("api"));
    let seen = Rig::new(POLICY).run(&req("POST", "/bearer").line("authorization", bearer));
    assert_eq!(
        seen.status(),
        0,
        "a bearer token is not sent by a browser on its own"
    );
}

#[test]
fn a_set_cookie_of_our_name_from_the_upstream_is_dropped() {
    let mut rig = Rig::new(POLICY);
    let seen = rig.run(&get("/web").cookie(&token("web")));
    let answer = rig.upstream(
        seen.id,
        &[
            (":status", "200"),
            ("set-cookie", "a=b"),
            ("set-cookie", " __Host-sid =x; Path=/"),
            ("x-session-end", "all"),
        ],
        b"",
    );
    assert_eq!(lines(&answer, "set-cookie"), ["a=b"]);
    assert!(!answer.contains("x-session-end"));
}

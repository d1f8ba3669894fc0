//! Which tokens open a route, and what the others cost.

use crate::kit::{Shared, eventually, keys, with_cookie};
use crate::session_kit::{FREE, clears, cost, decoded, encoded, minted};
use std::process::Command;
use tidegate_e2e::{Lab, Request, crowd};

const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 5s }
sessions:
  web:   { cookie: sid }
  other: { cookie: other }
policies:
  web:   { session: web }
  other: { session: other }
routes:
  - { match: { path_prefix: /web }, policy: web }
  - { match: { path_prefix: /other }, policy: other }
";

static LAB: Shared = Shared::new(|| Lab::new(POLICY));

/// Every bit of the token's bytes, and every bit of its characters: half of the latter are no base64url.
#[test]
fn no_token_with_one_bit_flipped_is_accepted_or_asked_for() {
    let lab = LAB.turn();
    let good = lab.login("web", "ada", &[]).unwrap();
    let flipped = |bytes: &[u8], bit: usize| {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    };
    let raw = decoded(&good);
    let mut forged: Vec<Vec<u8>> = (0..raw.len() * 8)
        .map(|bit| encoded(&flipped(&raw, bit)).into_bytes())
        .collect();
    forged.extend((0..good.len() * 8).map(|bit| flipped(good.as_bytes(), bit)));
    assert_eq!(forged.len(), 456 + 608);
    let mut client = lab.client(0);
    let spent = cost(&lab, || {
        for token in &forged {
            let status = client.send(&with_cookie("/web", "sid", token)).unwrap();
            let text = String::from_utf8_lossy(token);
            // Some control bytes are no field value: Envoy refuses those.
            let control = token.iter().any(|b| *b < b' ' || *b == 0x7f);
            let refused = status.status == 401 || control && status.status == 400;
            assert!(refused, "{text:?}: {}", status.status);
        }
    });
    assert_eq!(spent, FREE);
    let good = with_cookie("/web", "sid", &good);
    assert_eq!(client.send(&good).unwrap().status, 200);
}

#[test]
fn ten_thousand_wrong_macs_leave_the_statistics_of_redis_as_they_were() {
    let lab = LAB.turn();
    let good = decoded(&lab.login("web", "ada", &[]).unwrap());
    let commands = || {
        let mut commands = lab.redis().commands().unwrap();
        // This look itself, and what bridges do all the time: they look whether Redis is well and what time it is.
        commands.retain(|name, _| !["info", "ping", "role", "time"].contains(&name.as_str()));
        commands
    };
    let rejected = || lab.stat("tidegate.session.web.rejected").unwrap();
    let mut refused = 0;
    let mut before = Default::default();
    let rejected_before = rejected();
    let spent = cost(&lab, || {
        before = commands();
        refused = crowd(20, |i| {
            let mut client = lab.client(0);
            let refused = |n: &u128| {
                // An odd factor: no two are the same, and none is the right one by chance of 2^-128.
                let mac = (n + 1 + 500 * i as u128)
                    .wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
                let forged = [&good[..41], &mac.to_be_bytes()].concat();
                let request = with_cookie("/web", "sid", encoded(&forged));
                client.send(&request).unwrap().status == 401
            };
            (0..500).filter(refused).count()
        })
        .iter()
        .sum();
        assert_eq!(commands(), before);
    });
    assert_eq!(refused, 10_000);
    assert_eq!(spent, FREE);
    eventually("all are counted", rejected_before + 10_000, rejected);
}

#[test]
fn a_good_token_without_session_is_asked_for_once_and_not_adopted() {
    let lab = LAB.turn();
    let redis = lab.redis();
    let (never, gone) = (
        minted(&lab, &lab.secrets().session_keys, "web"),
        lab.login("web", "ada", &[]).unwrap(),
    );
    for key in keys(&redis).iter().filter(|key| key.starts_with(b"tg:s:")) {
        redis.call(&[b"DEL".as_slice(), key]).unwrap();
    }
    let before = keys(&redis);
    let mut client = lab.client(0);
    for token in [never, gone] {
        let request = with_cookie("/web", "sid", &token);
        let spent = cost(&lab, || {
            let answer = client.send(&request).unwrap();
            assert_eq!(answer.status, 401);
            assert!(clears(&answer, "sid"), "{answer:?}");
        });
        assert_eq!(spent, [1, 1, 1, 1, 1, 0]);
    }
    assert_eq!(keys(&redis), before, "nothing was created");
}

#[test]
fn a_token_in_any_other_place_is_none() {
    let lab = LAB.turn();
    let token = lab.login("web", "ada", &[]).unwrap();
    let form = format!("sid={token}");
    let mut client = lab.client(0);
    let spent = cost(&lab, || {
        for request in [
            Request::get(format!("/web?sid={token}")),
            Request::get(format!("/web/{token}")),
            Request::get(format!("/web/sid={token}?cookie=sid%3D{token}")),
            Request::new("POST", "/web")
                .field("content-type", "application/x-www-form-urlencoded")
                .field("sec-fetch-site", "same-origin")
                .body(&form),
            Request::get("/web").field("x-sid", &token),
            Request::get("/web").field("sid", &token),
            Request::get("/web").field("authorization", format!("Bearer {token}")),
            Request::get("/web").field("cookie2", &form),
            Request::get("/web").field("cookie", format!("a=\"{form}\"")),
            Request::get("/web").field("cookie", format!("xsid={token}; sid2={token}")),
            Request::get("/web").field("cookie", &token),
            with_cookie("/web", "other", &token),
            with_cookie("/other", "other", &token),
            with_cookie("/other", "sid", &token),
        ] {
            let answer = client.send(&request).unwrap();
            assert_eq!(answer.status, 401, "{request:?}");
        }
    });
    assert_eq!(spent, FREE);
    let right = with_cookie("/web", "sid", &token);
    assert_eq!(client.send(&right).unwrap().status, 200);
}

/// Version and status of an answer over HTTP/2, where each field `cookie` is a crumb of its own.
fn crumbs(lab: &Lab, cookies: &[String]) -> String {
    let url = format!("http://127.0.0.1:{}/web", lab.spec().proxy_port(0));
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--http2-prior-knowledge", "-o", "/dev/null"]);
    curl.args(["-w", "%{http_version} %{http_code}"]);
    for cookie in cookies {
        curl.args(["-H", &format!("cookie: {cookie}")]);
    }
    let output = curl.arg(url).output().unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_cookie_in_http2_crumbs_is_one_cookie() {
    let lab = LAB.turn();
    let token = lab.login("web", "ada", &[]).unwrap();
    let sid = format!("sid={token}");
    let (a, b) = ("a=1".to_owned(), "b=2".to_owned());
    for (cookies, wanted) in [
        (vec![sid.clone()], "2 200"),
        (vec![a.clone(), sid.clone(), b.clone()], "2 200"),
        (vec![a.clone(), b.clone(), format!("c=3; {sid}")], "2 200"),
        (vec![a.clone(), b.clone()], "2 401"),
        (vec![sid.clone(), a, sid.clone()], "2 400"),
        // A crumb is whole: a token in two of them is none.
        (vec![sid[..40].to_owned(), sid[40..].to_owned()], "2 401"),
    ] {
        assert_eq!(crumbs(&lab, &cookies), wanted, "{cookies:?}");
    }
}

/// A rotation: every process learns the new key beside the old one, then the old one is taken away.
#[test]
fn the_previous_key_is_accepted_and_a_retired_one_costs_nothing() {
    const NEW: &str = "2:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";
    let mut lab = Lab::new(POLICY);
    let first = lab.login("web", "ada", &[]).unwrap();
    let old = lab.secrets().session_keys.clone();
    let status = |lab: &Lab, token: &str| {
        let answer = lab.client(0).send(&with_cookie("/web", "sid", token));
        answer.unwrap().status
    };
    let restarted = |lab: &mut Lab, parts: &[&str], keys: &str| {
        for part in parts {
            let set = |env: &mut Vec<(String, String)>| {
                env.retain(|(name, _)| name != "TIDEGATE_SESSION_KEYS");
                env.push(("TIDEGATE_SESSION_KEYS".into(), keys.into()));
            };
            lab.alter(part, |launch| set(&mut launch.env)).unwrap();
            lab.restart(part).unwrap();
        }
        let (live, all) = lab.live_workers().unwrap();
        assert_eq!(live, all);
    };
    let all = ["envoy-0", "bridge-0", "bridge-1"];
    restarted(&mut lab, &all, &format!("{NEW},{old}"));
    let second = lab.login("web", "ada", &[]).unwrap();
    assert_eq!(decoded(&first)[1], 1);
    assert_eq!(decoded(&second)[1], 2, "the first key signs");
    eventually("the previous key", 200, || status(&lab, &first));
    assert_eq!(status(&lab, &second), 200);

    restarted(&mut lab, &all, NEW);
    eventually("the new key", 200, || status(&lab, &second));
    let spent = cost(&lab, || {
        assert_eq!(status(&lab, &first), 401);
        // Nor does its key sign under the other's id.
        let borrowed = minted(&lab, &old.replacen("1:", "2:", 1), "web");
        assert_eq!(status(&lab, &borrowed), 401);
    });
    assert_eq!(spent, FREE);
    assert_eq!(status(&lab, &second), 200);
}

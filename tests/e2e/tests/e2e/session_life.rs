//! How many sessions a user has, and what keeping them alive costs.

use crate::kit::{eventually, keys, with_cookie};
use crate::session_kit::cost;
use serde_json::json;
use std::time::Duration;
use tidegate_e2e::{Lab, crowd, wait};

const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 5s }
sessions:
  web:   { cookie: sid }
  brisk: { cookie: brisk, idle: 2s, absolute: 1h }
policies:
  web:   { session: web }
  brisk: { session: brisk }
routes:
  - { match: { path_prefix: /web }, policy: web }
  - { match: { path_prefix: /brisk }, policy: brisk }
";

/// Sessions of one user, at most.
const CAP: usize = 20;

#[test]
fn one_session_more_than_a_user_may_have_ends_the_oldest() {
    let lab = Lab::with(POLICY, |spec| spec.envoys = 2);
    let login = |uid: &str| lab.login("web", uid, &[]).unwrap();
    let status = |envoy: u16, token: &String| {
        let answer = lab.client(envoy).send(&with_cookie("/web", "sid", token));
        answer.unwrap().status
    };
    let other = login("grace");
    let mine: Vec<String> = (0..CAP).map(|_| login("ada")).collect();
    assert!(mine.iter().all(|token| status(0, token) == 200));
    for round in 0..2 {
        let fresh = login("ada");
        for envoy in [0, 1] {
            let statuses: Vec<u16> = mine.iter().map(|token| status(envoy, token)).collect();
            let (gone, kept) = statuses.split_at(round + 1);
            assert!(gone.iter().all(|status| *status == 401), "{statuses:?}");
            assert!(kept.iter().all(|status| *status == 200), "{statuses:?}");
            assert_eq!(status(envoy, &fresh), 200);
            assert_eq!(status(envoy, &other), 200);
        }
        let listed = lab.admin().get("/v1/users/ada/sessions?realm=web").unwrap();
        let listed = listed.json().unwrap()["sessions"].as_array().unwrap().len();
        assert_eq!(listed, CAP);
    }
}

/// A user whose sessions are all revoked stays without, whoever goes on using them, until the next login.
#[test]
fn what_goes_on_being_used_does_not_come_back_after_revoke_all() {
    let lab = Lab::new(POLICY);
    let mine: Vec<String> = (0..3)
        .map(|_| lab.login("brisk", "ada", &[]).unwrap())
        .collect();
    let theirs = lab.login("brisk", "grace", &[]).unwrap();
    let status = |token: &String| {
        let answer = lab.client(0).send(&with_cookie("/brisk", "brisk", token));
        answer.unwrap().status
    };
    assert!(mine.iter().all(|token| status(token) == 200));
    let revoked = lab
        .admin_of(1)
        .delete("/v1/users/ada/sessions?realm=brisk")
        .unwrap();
    assert_eq!(
        revoked.json().unwrap(),
        json!({ "revoked": true, "sessions": 3 })
    );
    let start = wait::now();
    // Longer than `idle`: every touch that could have been in flight has had its turn.
    while start.elapsed() < Duration::from_millis(2_500) {
        assert!(mine.iter().all(|token| status(token) == 401));
        assert_eq!(status(&theirs), 200);
    }
    let fresh = lab.login("brisk", "ada", &[]).unwrap();
    assert_eq!(status(&fresh), 200);
    assert!(mine.iter().all(|token| status(token) == 401));
}

#[test]
fn a_look_up_is_one_script_and_a_session_is_written_once_a_quarter_of_idle() {
    const SESSIONS: usize = 3;
    const IDLE: Duration = Duration::from_secs(2);
    let lab = Lab::new(POLICY);
    let tokens: Vec<String> = (0..SESSIONS)
        .map(|n| lab.login("brisk", &format!("user-{n}"), &[]).unwrap())
        .collect();
    let written = || {
        let commands = lab.redis().commands().unwrap();
        let of = |name: &str| commands.get(name).copied().unwrap_or(0);
        let expiries = of("pexpireat") + of("pexpire") + of("expire") + of("getex");
        let others = ["set", "hset", "zadd", "unlink", "del", "persist"]
            .map(of)
            .iter()
            .sum();
        (expiries, others)
    };
    let before: (u64, u64) = written();
    let start = wait::now();
    let mut requests = 0;
    let spent = cost(&lab, || {
        // Two clients for each session, so that looks overlap.
        requests = crowd(2 * SESSIONS, |i| {
            let request = with_cookie("/brisk", "brisk", &tokens[i % SESSIONS]);
            let (mut client, mut sent) = (lab.client(0), 0);
            while start.elapsed() < Duration::from_secs(5) {
                assert_eq!(client.send(&request).unwrap().status, 200);
                sent += 1;
                std::thread::sleep(Duration::from_millis(5));
            }
            sent
        })
        .iter()
        .sum();
    });
    let elapsed = start.elapsed();
    let after: (u64, u64) = written();
    assert!(requests > 500, "{requests} requests");
    assert_eq!((spent[0], spent[4], spent[5]), (requests, requests, 0));
    let expiries = after.0 - before.0;
    let quarters = elapsed.as_millis() / (IDLE.as_millis() / 4) + 1;
    let most = SESSIONS as u64 * u64::try_from(quarters).unwrap();
    assert!(
        (1..=most).contains(&expiries),
        "{expiries} of {most} in {elapsed:?}"
    );
    assert_eq!(after.1, before.1, "nothing but expiries is written");
    eventually("an end when nobody uses them", 0, || {
        let keys = keys(&lab.redis());
        keys.iter().filter(|key| key.starts_with(b"tg:s:")).count()
    });
}

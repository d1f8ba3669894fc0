//! Sessions that an upstream's answers make, end, replace and change.

use crate::kit::{eventually, keys};
use crate::session_kit::clears;
use std::collections::BTreeSet;
use std::time::Duration;
use tidegate_e2e::{Lab, Request, Response, crowd, wait};

const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 5s }
sessions:
  web:   { cookie: sid }
  brief: { cookie: sid, idle: 2s, absolute: 1h }
policies:
  login:   { session: { use: web, required: false, create: true } }
  web:     { session: web }
  profile: { session: { use: web, update: true } }
  admin:   { session: { use: web, roles: [admin] } }
  poll:    { session: { use: brief, touch: never } }
routes:
  - { match: { path: /session/set }, policy: login }
  - { match: { path: /session/update }, policy: profile }
  - { match: { path: /session/seen }, policy: profile }
  - { match: { path_prefix: /session }, policy: web }
  - { match: { path_prefix: /admin }, policy: admin }
  - { match: { path_prefix: /poll }, policy: poll }
";

fn call(lab: &Lab, envoy: u16, method: &str, target: &str, token: Option<&str>) -> Response {
    let mut request = Request::new(method, target).field("sec-fetch-site", "same-origin");
    if let Some(token) = token {
        request = request.field("cookie", format!("sid={token}"));
    }
    lab.client(envoy).send(&request).unwrap()
}

/// The token an answer sets, with the attributes it has to have.
fn token_of(answer: &Response) -> Option<String> {
    let cookies = answer.all("set-cookie");
    assert!(cookies.len() <= 1, "{cookies:?}");
    let value = cookies.first()?.strip_prefix("sid=").expect("our cookie");
    let token = value.strip_suffix("; Path=/; Secure; HttpOnly; SameSite=Lax");
    assert_eq!(answer.all("cache-control"), ["no-store"]);
    Some(token.expect("its attributes").to_owned())
}

fn login(lab: &Lab, envoy: u16, uid: &str, old: Option<&str>) -> String {
    let target = format!("/session/set?uid={uid}&roles=user");
    let answer = call(lab, envoy, "POST", &target, old);
    assert_eq!((answer.status, answer.text().as_str()), (200, "done\n"));
    token_of(&answer).expect("a cookie")
}

fn status(lab: &Lab, envoy: u16, token: &str) -> u16 {
    call(lab, envoy, "GET", "/session/seen", Some(token)).status
}

fn statuses<const N: usize>(lab: &Lab, token: &str) -> [u16; N] {
    std::array::from_fn(|envoy| status(lab, u16::try_from(envoy).unwrap(), token))
}

/// A field of the request as the upstream saw it.
fn told(lab: &Lab, token: &str, name: &str) -> Option<String> {
    let answer = call(lab, 0, "GET", "/session/seen", Some(token))
        .json()
        .unwrap();
    let fields = answer["headers"].as_array().unwrap().clone();
    let field = fields.iter().find(|field| field[0] == name)?;
    Some(field[1].as_str().unwrap().to_owned())
}

fn metric(lab: &Lab, name: &str) -> u64 {
    lab.stat(&format!("tidegate.session.web.{name}")).unwrap()
}

fn sessions(lab: &Lab) -> BTreeSet<Vec<u8>> {
    let all = keys(&lab.redis()).into_iter();
    all.filter(|key| key.starts_with(b"tg:s:")).collect()
}

#[test]
fn a_login_at_one_replica_is_one_at_all_through_restarts_and_so_is_the_logout() {
    let mut lab = Lab::with(POLICY, |spec| spec.envoys = 3);
    let ada = login(&lab, 0, "ada", None);
    let grace = login(&lab, 1, "grace", None);
    assert_eq!(statuses::<3>(&lab, &ada), [200; 3]);
    assert_eq!(told(&lab, &ada, "x-session-user").as_deref(), Some("ada"));
    for part in ["upstream", "bridge-0", "bridge-1", "envoy-1"] {
        lab.restart(part).unwrap();
        eventually(part, [200; 3], || statuses::<3>(&lab, &ada));
    }
    let answer = call(&lab, 2, "POST", "/session/end", Some(&ada));
    assert!(answer.status == 200 && clears(&answer, "sid"), "{answer:?}");
    assert_eq!(statuses::<3>(&lab, &ada), [401; 3]);
    assert_eq!(statuses::<3>(&lab, &grace), [200; 3]);
}

#[test]
fn who_logs_in_again_or_logs_others_out_ends_what_was() {
    let lab = Lab::with(POLICY, |spec| spec.envoys = 2);
    let first = login(&lab, 0, "ada", None);
    let second = login(&lab, 1, "ada", Some(&first));
    assert_eq!(statuses::<2>(&lab, &first), [401; 2], "dead at once");
    // Another user's login with it ends it too.
    let third = login(&lab, 0, "grace", Some(&second));
    assert_eq!(statuses::<2>(&lab, &second), [401; 2]);
    // A well-formed token that names nothing is not adopted.
    let fourth = login(&lab, 0, "ada", Some(&first));
    assert!(fourth != first && statuses::<2>(&lab, &first) == [401; 2]);

    let more: Vec<String> = (0..3).map(|_| login(&lab, 0, "ada", None)).collect();
    let answer = call(&lab, 1, "POST", "/session/end?scope=others", Some(&fourth));
    assert!(answer.status == 200 && answer.all("set-cookie").is_empty());
    assert_eq!(statuses::<2>(&lab, &fourth), [200; 2]);
    assert!(
        more.iter()
            .all(|token| statuses::<2>(&lab, token) == [401; 2])
    );
    let more: Vec<String> = (0..3).map(|_| login(&lab, 0, "ada", None)).collect();
    let answer = call(&lab, 1, "POST", "/session/end?scope=all", Some(&fourth));
    assert!(answer.status == 200 && clears(&answer, "sid"));
    let mine = more.iter().chain([&fourth]);
    assert!(
        mine.into_iter()
            .all(|token| statuses::<2>(&lab, token) == [401; 2])
    );
    assert_eq!(
        statuses::<2>(&lab, &third),
        [200; 2],
        "others' are untouched"
    );
    // A GET logs nobody out.
    call(&lab, 0, "GET", "/session/end", Some(&third));
    assert_eq!(statuses::<2>(&lab, &third), [200; 2]);
}

#[test]
fn s3_answers_that_are_no_login_make_no_session_and_leave_no_trace() {
    let lab = Lab::new(POLICY);
    let ada = login(&lab, 0, "ada", None);
    let before = sessions(&lab);
    let unheeded = metric(&lab, "unheeded");
    for (target, token, status) in [
        ("/session/set?nonce=none", None, 200),
        ("/session/set?nonce=wrong", None, 200),
        ("/session/set?nonce=AAAAAAAAAAAAAAAAAAAAAA", None, 200),
        ("/session/set?nonce=twice", None, 200),
        ("/session/set?nonce=deep", None, 200),
        ("/session/set?nonce=huge&bytes=4000", None, 200),
        ("/session/set?status=403", None, 403),
        ("/session/set?status=500", None, 500),
        ("/session/set?uid=a%0d%0ab", None, 200),
        ("/session/set?uid=", None, 200),
        ("/session/set?roles=a%20b", None, 200),
        ("/session/end?scope=everyone", Some(ada.as_str()), 200),
    ] {
        let answer = call(&lab, 0, "POST", target, token);
        assert_eq!(answer.status, status, "{target}");
        assert!(answer.all("set-cookie").is_empty(), "{target}");
        for name in ["x-session-set", "x-session-end", "x-session-nonce"] {
            assert!(answer.all(name).is_empty(), "{target}: {name}");
        }
        assert_eq!(sessions(&lab), before, "{target}");
    }
    eventually("counted", unheeded + 12, || metric(&lab, "unheeded"));
    // Envoy does not take such an answer at all.
    let answer = call(&lab, 0, "POST", "/session/set?nonce=huge", None);
    assert!(answer.status >= 500 && answer.all("set-cookie").is_empty());
    assert_eq!(sessions(&lab), before);
    assert_eq!(status(&lab, 0, &ada), 200);
}

#[test]
fn a_login_or_logout_that_cannot_be_written_is_503_and_the_answer_is_withheld() {
    let mut lab = Lab::new(&POLICY.replace("timeout: 5s", "timeout: 1s"));
    let ada = login(&lab, 0, "ada", None);
    lab.kill("redis-state-0").unwrap();
    for _ in 0..3 {
        let answer = call(&lab, 0, "POST", "/session/set?uid=grace", None);
        assert_eq!(answer.status, 503);
        assert!(!answer.text().contains("done") && answer.text().contains("session-unavailable"));
        assert!(answer.all("set-cookie").is_empty());
        assert_eq!(answer.all("content-type"), ["application/problem+json"]);
        assert_eq!(answer.all("retry-after").len(), 1);
    }
    lab.revive("redis-state-0").unwrap();
    eventually("back without another login", 200, || status(&lab, 0, &ada));
    // Each worker finds out for itself that Redis is back.
    eventually("logins too", 200, || {
        call(&lab, 0, "POST", "/session/set?uid=grace", None).status
    });
    assert!(lab.complaints().is_empty(), "{:?}", lab.complaints());
}

/// The upstream is slow; meanwhile the session ends.
#[test]
fn a_change_that_comes_after_the_revocation_is_lost_and_counted() {
    let lab = Lab::new(POLICY);
    for (n, change) in ["data=%7B%7D", "roles=admin"].iter().enumerate() {
        let ada = login(&lab, 0, "ada", None);
        let handle = told(&lab, &ada, "x-session-id").unwrap();
        let under_way = lab.upstream_count("/session/update").unwrap() + 1;
        let answer = std::thread::scope(|scope| {
            let target = format!("/session/update?{change}&ms=1500");
            let (lab, ada) = (&lab, &ada);
            let slow = scope.spawn(move || call(lab, 0, "GET", &target, Some(ada)));
            eventually("at the upstream", under_way, || {
                lab.upstream_count("/session/update").unwrap()
            });
            let revoked = lab
                .admin()
                .delete(&format!("/v1/sessions/{handle}"))
                .unwrap();
            assert_eq!(revoked.status, 200);
            slow.join().unwrap()
        });
        assert_eq!(answer.status, 200);
        assert!(answer.all("set-cookie").is_empty());
        assert_eq!(status(&lab, 0, &ada), 401);
        assert!(sessions(&lab).is_empty(), "nothing came back");
        let lost = u64::try_from(n).unwrap() + 1;
        eventually("counted", lost, || metric(&lab, "lost"));
    }
}

#[test]
fn s8_of_parallel_changes_one_wins_and_the_others_are_told() {
    let lab = Lab::new(POLICY);
    let ada = login(&lab, 0, "ada", None);
    for version in 1..4 {
        let mut seen = crowd(8, |n| {
            let target = format!("/session/update?v={version}&data=%7B%22n%22:{n}%7D");
            call(&lab, 0, "GET", &target, Some(&ada)).status
        });
        seen.sort_unstable();
        assert_eq!(seen, [200, 409, 409, 409, 409, 409, 409, 409]);
        let now = told(&lab, &ada, "x-session-version").unwrap();
        assert_eq!(now, (version + 1).to_string());
    }
    eventually("counted", (3, 21), || {
        (metric(&lab, "updated"), metric(&lab, "conflict"))
    });
}

#[test]
fn s7_rotations_at_once_give_one_token_and_the_old_one_dies() {
    let lab = Lab::with(POLICY, |spec| spec.envoys = 2);
    let old = login(&lab, 0, "ada", None);
    let tokens: BTreeSet<_> = crowd(8, |n| {
        let envoy = u16::try_from(n % 2).unwrap();
        token_of(&call(&lab, envoy, "GET", "/session/rotate", Some(&old)))
    })
    .into_iter()
    .collect();
    let start = wait::now();
    let [Some(new)] = &tokens.into_iter().collect::<Vec<_>>()[..] else {
        panic!("several successors");
    };
    assert_ne!(*new, old);
    assert_eq!(
        (statuses::<2>(&lab, &old), statuses::<2>(&lab, new)),
        ([200; 2], [200; 2])
    );
    let gone = wait::until(
        "the old token ends",
        Duration::from_secs(15),
        || match status(&lab, 1, &old) {
            401 => Ok(()),
            other => Err(other.to_string()),
        },
    );
    gone.unwrap();
    assert!(start.elapsed() < Duration::from_secs(11), "10 s of grace");
    assert_eq!(statuses::<2>(&lab, new), [200; 2]);
}

#[test]
fn other_roles_come_with_another_token_and_the_old_one_is_dead_at_once() {
    let lab = Lab::with(POLICY, |spec| spec.envoys = 2);
    let user = login(&lab, 0, "ada", None);
    assert_eq!(call(&lab, 1, "GET", "/admin/", Some(&user)).status, 403);
    let answer = call(
        &lab,
        0,
        "GET",
        "/session/update?roles=admin,user",
        Some(&user),
    );
    let admin = token_of(&answer).expect("another token");
    assert_eq!(statuses::<2>(&lab, &user), [401; 2]);
    let passed = call(&lab, 1, "GET", "/admin/", Some(&admin)).status;
    assert!(passed != 401 && passed != 403, "{passed}");
    assert_eq!(
        told(&lab, &admin, "x-session-roles").as_deref(),
        Some("admin,user")
    );
}

#[test]
fn what_a_page_polls_keeps_no_session_alive() {
    let lab = Lab::new(POLICY);
    let token = lab.login("brief", "ada", &[]).unwrap();
    let start = wait::now();
    let poll = || call(&lab, 0, "GET", "/poll", Some(&token)).status;
    assert_ne!(poll(), 401);
    wait::until("it dies", Duration::from_secs(6), || match poll() {
        401 => Ok(()),
        other => Err(other.to_string()),
    })
    .unwrap();
    let lived = start.elapsed();
    assert!(lived > Duration::from_millis(1_500), "{lived:?}");
    assert!(lived < Duration::from_millis(3_500), "{lived:?}");
}

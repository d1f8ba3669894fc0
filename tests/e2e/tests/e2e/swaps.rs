//! What a swap of the policy keeps and what it starts anew.

use crate::kit::{SOON, early_in_the_window, eventually, with_cookie};
use std::time::Duration;
use tidegate_e2e::{Lab, Load, Request, wait};

const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 5s }
sessions:
  web: { cookie: sid }
limits:
  kept:    { algorithm: fixed_window, limit: 10, window: 1d, key: [client.ip, '\"kept\"'], on_error: deny }
  changed: { algorithm: fixed_window, limit: 10, window: 1d, key: [client.ip], on_error: deny }
policies:
  kept:    { limits: [kept] }
  changed: { limits: [changed] }
  web:     { session: web }
routes:
  - { match: { path_prefix: /kept }, policy: kept }
  - { match: { path_prefix: /changed }, policy: changed }
  - { match: { path_prefix: /web }, policy: web }
";

fn passes(lab: &Lab, target: &str, n: usize) -> usize {
    let mut client = lab.client(0);
    let ask = |_| client.get(target).unwrap().status;
    (0..n).map(ask).filter(|status| *status == 200).count()
}

#[test]
fn an_unchanged_limit_keeps_its_count_and_a_changed_one_starts_anew() {
    let mut lab = Lab::new(POLICY);
    early_in_the_window(&lab.redis(), 86_400);
    let token = lab.login("web", "ada", &[]).unwrap();
    assert_eq!(passes(&lab, "/kept", 7), 7);
    assert_eq!(passes(&lab, "/changed", 12), 10);

    // Twelve of another kind; a policy beside them; another order: only the first is another limit.
    let other = POLICY
        .replace(
            "changed: { algorithm: fixed_window, limit: 10",
            "changed: { algorithm: fixed_window, limit: 12",
        )
        .replace(
            "  web:     { session: web }",
            "  another: { limits: [changed, kept] }\n  web:     { session: web }",
        );
    lab.swap(&other).unwrap();
    assert_eq!(lab.live_workers().unwrap(), (2, 2));
    assert_eq!(passes(&lab, "/kept", 12), 3);
    assert_eq!(passes(&lab, "/changed", 14), 12);
    // And back: what was counted before is still counted.
    lab.swap(POLICY).unwrap();
    assert_eq!(lab.live_workers().unwrap(), (2, 2));
    assert_eq!(passes(&lab, "/kept", 2), 0);
    assert_eq!(passes(&lab, "/changed", 2), 0);
    let session = with_cookie("/web", "sid", token);
    assert_eq!(lab.client(0).send(&session).unwrap().status, 200);
}

#[test]
fn limits_and_sessions_hold_while_policies_are_swapped() {
    let mut lab = Lab::new(POLICY);
    early_in_the_window(&lab.redis(), 86_400);
    let token = lab.login("web", "ada", &[]).unwrap();
    let addresses = lab.endpoints().unwrap().envoys;
    let (kept, web) = (Request::get("/kept"), with_cookie("/web", "sid", token));
    let limited = Load::start(&addresses, 4, move |_, _| kept.clone());
    let known = Load::start(&addresses, 4, move |_, _| web.clone());
    for n in 0..5 {
        let changed = format!("changed: {{ algorithm: fixed_window, limit: {}", 20 + n);
        lab.swap(&POLICY.replace("changed: { algorithm: fixed_window, limit: 10", &changed))
            .unwrap();
        known.goes_on(20);
        limited.goes_on(20);
    }
    known.reaches(101);
    let (limited, known) = (limited.stop(), known.stop());
    assert_eq!(limited.of(200), 10, "{limited:?}");
    assert_eq!(
        limited.of(200) + limited.of(429),
        limited.total,
        "{limited:?}"
    );
    assert_eq!(known.other_than(200), 0, "{known:?}");
    assert!(known.total > 100, "{known:?}");
}

/// faults.md, H8. A policy is checked without Envoy's clusters at hand, so an unknown one is found out where it
/// is used: every use does as its `on_error` says, at once, and the next good policy ends it.
#[test]
fn a_cluster_that_does_not_exist_is_on_error_and_not_a_hang() {
    let mut lab = Lab::new(POLICY);
    let token = lab.login("web", "ada", &[]).unwrap();
    let web = with_cookie("/web", "sid", token);
    let lost = POLICY
        .replace(
            "bridge: { timeout: 5s }",
            "bridge: { cluster: nowhere, timeout: 5s }",
        )
        .replace(
            "key: [client.ip], on_error: deny",
            "key: [client.ip], on_error: allow",
        );
    // No worker can say that it runs it, so only Envoy's own word is waited for.
    lab.swap(&lost).unwrap();
    let mut client = lab.client(0).timeout(SOON);
    let start = wait::now();
    for _ in 0..20 {
        assert_eq!(client.get("/kept").unwrap().status, 503, "on_error: deny");
        assert_eq!(
            client.get("/changed").unwrap().status,
            200,
            "on_error: allow"
        );
        let answer = client.send(&web).unwrap();
        assert_eq!(answer.status, 503);
        assert!(answer.get("set-cookie").is_none());
        assert_eq!(client.get("/web").unwrap().status, 401);
        assert_eq!(client.get("/public").unwrap().status, 200);
    }
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}: nobody waits for a time-out",
        start.elapsed()
    );
    eventually("counted", true, || {
        lab.stat("tidegate.exchange.error").unwrap() > 0
    });
    lab.swap(POLICY).unwrap();
    assert_eq!(lab.live_workers().unwrap(), (2, 2));
    wait::until("all is well", SOON, || {
        match client.send(&web).unwrap().status {
            200 => Ok(()),
            status => Err(status.to_string()),
        }
    })
    .unwrap();
    assert_eq!(client.get("/kept").unwrap().status, 200);
}

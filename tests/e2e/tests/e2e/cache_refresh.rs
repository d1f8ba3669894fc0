//! What is stale, or about to be, is refreshed in the background: nobody waits for the upstream.

use crate::cache_kit::{cache_status, is_hit};
use crate::kit::{SOON, eventually};
use crate::origin::{Act, Origin, answer};
use crate::rules_kit::{ask, connect, expire, get, reconfigure, start, store};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tidegate_e2e::{Lab, wait};

const WINDOW: &str = "cache-control: max-age=60, stale-while-revalidate=600";

/// The upstream says nothing until this is opened, then `new`.
fn gate(origin: &Origin) -> Arc<AtomicBool> {
    let gate = Arc::new(AtomicBool::new(false));
    let open = Arc::clone(&gate);
    origin.does(move |_| {
        while !open.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
        answer(200, &["etag: \"v2\"", WINDOW], "new")
    });
    gate
}

fn asked_once(origin: &Origin, what: &str) -> String {
    let mut asked = Vec::new();
    eventually(&format!("the upstream is asked: {what}"), 1, || {
        asked.extend(origin.take());
        asked.len()
    });
    asked.remove(0)
}

#[test]
fn rfc5861_3_everybody_is_answered_at_once_while_it_is_refreshed() {
    let (origin, lab) = start();
    origin.does(|_| answer(200, &["etag: \"v1\"", WINDOW], "old"));
    for path in ["/plain", "/part?of=it&and=%20this"] {
        store(&lab, path);
        expire(&lab);
        origin.take();
        let gate = gate(&origin);
        for n in 0..6 {
            let stale = ask(&lab, &get(path));
            assert_eq!(stale.text(), "old", "{n}");
            let said = cache_status(&stale);
            assert!(said.starts_with("tidegate; hit; ttl="), "{n}: {said}");
        }
        let asked = asked_once(&origin, path);
        assert!(asked.starts_with(&format!("get {path} ")), "{asked}");
        assert!(asked.contains("host: rules.example\r\n"), "{asked}");
        assert!(asked.contains("if-none-match: \"v1\"\r\n"), "{asked}");
        gate.store(true, Ordering::Relaxed);
        eventually("refreshed", "new".to_owned(), || {
            ask(&lab, &get(path)).text()
        });
        assert!(is_hit(&ask(&lab, &get(path))));
        assert!(origin.take().is_empty(), "once");
        origin.does(|_| answer(200, &["etag: \"v1\"", WINDOW], "old"));
    }
}

#[test]
fn rfc5861_3_a_refresh_that_is_not_modified_keeps_what_is_stored() {
    let (origin, lab) = start();
    origin.does(|_| answer(200, &["etag: \"v1\"", WINDOW], "kept"));
    store(&lab, "/kept");
    // Again and again: what was refreshed in the background is refreshed in the background the next time.
    for n in 0..3 {
        expire(&lab);
        origin.take();
        origin.does(move |_| answer(304, &["etag: \"v1\"", WINDOW, &format!("x-n: {n}")], ""));
        let stale = ask(&lab, &get("/kept"));
        assert_eq!((stale.status, stale.text().as_str()), (200, "kept"), "{n}");
        asked_once(&origin, "again");
        eventually("freshened", Some(n.to_string()), || {
            let hit = ask(&lab, &get("/kept"));
            assert_eq!(hit.text(), "kept", "{n}");
            hit.get("x-n")
        });
        assert!(origin.take().is_empty(), "{n}");
    }
}

#[test]
fn a_refresh_that_fails_changes_nothing_and_is_tried_again() {
    type Fails = Box<dyn Fn(&str) -> Act + Send + Sync>;
    let large = "x".repeat(100 << 10);
    let private = ["cache-control: private"];
    let ways: [(&str, Fails); 4] = [
        ("an error", Box::new(|_| answer(503, &[], "no"))),
        ("an end", Box::new(|_| Act::Drop)),
        ("private", Box::new(move |_| answer(200, &private, "mine"))),
        (
            "too large",
            Box::new(move |_| answer(200, &[WINDOW], &large)),
        ),
    ];
    let (origin, lab) = start();
    for (what, way) in ways {
        let path = format!("/{}", what.replace(' ', "-"));
        origin.does(|_| answer(200, &["etag: \"v1\"", WINDOW], "old"));
        store(&lab, &path);
        expire(&lab);
        origin.take();
        origin.does(way);
        assert_eq!(ask(&lab, &get(&path)).text(), "old", "{what}");
        asked_once(&origin, what);
        for _ in 0..5 {
            assert_eq!(ask(&lab, &get(&path)).text(), "old", "{what}");
        }
        // The turn of the one that failed ends after three quarters of `collapse_timeout`.
        origin.does(|_| answer(200, &["etag: \"v2\"", WINDOW], "new"));
        eventually(what, "new".to_owned(), || ask(&lab, &get(&path)).text());
        assert_eq!(origin.take().len(), 1, "{what}");
    }
}

/// A callout would go past the route: what it changes cannot be fetched so.
#[test]
fn what_the_route_changes_or_does_not_tell_is_refreshed_by_one_request_that_waits() {
    const HCM: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    const ROUTE: &str = "/route_config/virtual_hosts/0/routes/1/route";
    let route = |hcm: &mut Value, name: &str, value: &str| {
        hcm.pointer_mut(ROUTE).unwrap()[name] = json!(value);
    };
    let rewrite = |hcm: &mut Value| route(hcm, "prefix_rewrite", "/inside/");
    let rename = |hcm: &mut Value| route(hcm, "host_rewrite_literal", "inside.example");
    let silent = |hcm: &mut Value| {
        let host = hcm.pointer_mut("/route_config/virtual_hosts/0").unwrap();
        let told = host
            .as_object_mut()
            .unwrap()
            .remove("response_headers_to_add");
        assert!(told.is_some());
        let route = hcm.pointer_mut(ROUTE).unwrap().as_object_mut().unwrap();
        route.retain(|name, _| name == "cluster");
    };
    let (origin, mut lab) = start();
    type Change<'a> = &'a dyn Fn(&mut Value);
    let changes: [(Change<'_>, &str, &str); 3] = [
        (&rewrite, "/inside/swr", "rules.example"),
        (&rename, "/inside/swr", "inside.example"),
        (&silent, "/swr", "rules.example"),
    ];
    for (n, (change, path, host)) in (0..).zip(changes) {
        reconfigure(&mut lab, |config| change(config.pointer_mut(HCM).unwrap()));
        origin.does(|_| answer(200, &["etag: \"v1\"", WINDOW], "old"));
        let own = format!("/swr?{n}");
        store(&lab, &own);
        expire(&lab);
        origin.take();
        let gate = gate(&origin);
        let mut one = connect(&lab);
        let request =
            format!("GET {own} HTTP/1.1\r\nhost: rules.example\r\nconnection: close\r\n\r\n");
        one.write_all(request.as_bytes()).unwrap();
        let asked = asked_once(&origin, path);
        assert!(asked.starts_with(&format!("get {path}?{n} ")), "{asked}");
        assert!(asked.contains(&format!("host: {host}\r\n")), "{asked}");
        assert!(asked.contains("if-none-match: \"v1\"\r\n"), "{asked}");
        for _ in 0..5 {
            let stale = ask(&lab, &get(&own));
            assert_eq!(stale.text(), "old");
            let said = cache_status(&stale);
            assert!(said.starts_with("tidegate; hit; ttl="), "{said}");
        }
        gate.store(true, Ordering::Relaxed);
        let mut all = String::new();
        one.read_to_string(&mut all).unwrap();
        assert!(all.ends_with("new"), "{all}");
        eventually("refreshed", "new".to_owned(), || {
            ask(&lab, &get(&own)).text()
        });
        assert!(origin.take().is_empty(), "once");
    }
}

/// What the route tells the filter is not for clients: not on a miss, on a hit, on what is not cached, on an error.
#[test]
fn what_was_sent_is_told_to_nobody() {
    let (origin, mut lab) = start();
    let forged = "proxy-connection: rules.example /elsewhere";
    origin.does(move |head| match head.contains("/stored") {
        true => answer(200, &[WINDOW, forged], "stored"),
        false => answer(200, &["cache-control: no-store", forged], "passed"),
    });
    let quiet = |lab: &Lab, target: &str| {
        let answer = ask(lab, &get(target));
        assert_eq!(answer.get("proxy-connection"), None, "{target}: {answer:?}");
        answer
    };
    eventually("a hit", true, || is_hit(&quiet(&lab, "/stored")));
    for target in ["/passed", "/big/passed", "/routed-by-metadata/passed"] {
        quiet(&lab, target);
    }
    assert_eq!(quiet(&lab, "/stored").text(), "stored");
    origin.does(|_| Act::Drop);
    assert_eq!(quiet(&lab, "/error").status, 503);
    // The route's word takes the place of what an upstream says in its name.
    expire(&lab);
    origin.take();
    origin.does(move |_| answer(200, &[WINDOW, forged], "again"));
    assert_eq!(quiet(&lab, "/stored").text(), "stored");
    assert!(asked_once(&origin, "stored").starts_with("get /stored "));
    // A route without any policy.
    let policy = "version: 1\nnamespace: tg\npolicies: { none: {} }\n";
    lab.swap(policy).unwrap();
    assert_eq!(quiet(&lab, "/none").text(), "again");
}

/// With `early_refresh` nobody waits when freshness ends either: of those who ask shortly before, one is answered
/// from the store and has the upstream asked.
#[test]
fn what_is_about_to_expire_is_refreshed_while_it_is_still_fresh() {
    let origin = Origin::start();
    let upstream = origin.address.clone();
    let policy = "
version: 1
namespace: tg
bridge: { timeout: 5s }
caches: { early: { early_refresh: true } }
policies: { early: { cache: early } }
default_policy: early
";
    let lab = Lab::with(policy, |spec| spec.upstream = Some(upstream));
    // The longer it takes, the earlier it is asked again.
    origin.does(|_| {
        std::thread::sleep(Duration::from_millis(500));
        answer(200, &["cache-control: max-age=4"], "page")
    });
    store(&lab, "/early");
    origin.take();
    let end = wait::now() + SOON;
    loop {
        let hit = ask(&lab, &get("/early"));
        let early = !origin.take().is_empty();
        assert!(is_hit(&hit), "{}", cache_status(&hit));
        if early {
            break;
        }
        assert!(wait::now() < end, "never");
        std::thread::sleep(Duration::from_millis(10));
    }
}

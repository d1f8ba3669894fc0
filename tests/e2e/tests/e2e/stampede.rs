//! One fill for a fleet: many ask for one URL at once, at three Envoys and two bridges.

use crate::cache_kit::{HOST, ask, get, warm};
use crate::kit::{SOON, Shared, eventually};
use std::collections::BTreeSet;
use std::time::Duration;
use tidegate_e2e::{Lab, Response, crowd, wait};

pub(crate) const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 5s }
caches:
  catalog: { max_body: 64KiB, ttl: 50s }
policies:
  shop: { cache: catalog }
default_policy: shop
";

static LAB: Shared = Shared::new(|| Lab::with(POLICY, |spec| spec.envoys = 3));

pub(crate) const MANY: usize = 500;

/// All of them at once, over the Envoys `from` and following; their answers, and how long all took.
pub(crate) fn stampede(lab: &Lab, n: usize, from: u16, target: &str) -> (Vec<Response>, Duration) {
    let envoys = lab.spec().envoys - from;
    let begun = wait::now();
    let answers = crowd(n, |i| {
        let envoy = from + u16::try_from(i).unwrap() % envoys;
        let mut client = lab.client(envoy).timeout(2 * SOON);
        client.send(&get(target).field("host", HOST)).unwrap()
    });
    (answers, begun.elapsed())
}

pub(crate) fn bodies(answers: &[Response]) -> BTreeSet<String> {
    answers.iter().map(Response::text).collect()
}

/// Says which answers are others: one that failed is not one that somebody else got too.
#[track_caller]
fn all_are(status: u16, answers: &[Response]) {
    let others: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status != status)
        .map(|answer| format!("{} {:?}", answer.status, answer.text()))
        .collect();
    assert!(others.is_empty(), "{} others: {others:?}", others.len());
}

fn collapsed(lab: &Lab) -> u64 {
    lab.stat("tidegate.cache.catalog.collapsed").unwrap()
}

#[test]
fn c10_five_hundred_misses_of_a_cold_url_are_one_request_to_the_origin() {
    let lab = LAB.turn();
    let before = collapsed(&lab);
    let (answers, took) = stampede(&lab, MANY, 0, "/fill/cold?ms=300");
    all_are(200, &answers);
    assert_eq!(lab.upstream_count("/fill/cold").unwrap(), 1);
    assert_eq!(bodies(&answers).len(), 1);
    assert!(took < SOON, "{took:?}");
    eventually("those who waited are counted", true, || {
        collapsed(&lab) > before
    });
}

#[test]
fn c10_five_hundred_misses_of_an_expired_url_are_one_request_to_the_origin() {
    let lab = LAB.turn();
    let target = "/fill/expired?ms=300&control=max-age%3D2";
    warm(&lab, &get(target));
    let stored = bodies(&[ask(&lab, 0, &get(target))]);
    let before = lab.upstream_count("/fill/expired").unwrap();
    std::thread::sleep(Duration::from_millis(2_100));
    let (answers, _) = stampede(&lab, MANY, 0, target);
    all_are(200, &answers);
    assert_eq!(lab.upstream_count("/fill/expired").unwrap(), before + 1);
    assert_eq!(bodies(&answers).len(), 1);
    assert!(bodies(&answers).is_disjoint(&stored));
}

#[test]
fn c5_private_answers_reach_whoever_asked_and_nobody_else() {
    let lab = LAB.turn();
    let target = "/fill/private?ms=100&control=private,max-age%3D60";
    let (answers, _) = stampede(&lab, MANY, 0, target);
    all_are(200, &answers);
    assert_eq!(bodies(&answers).len(), MANY);
    assert_eq!(lab.upstream_count("/fill/private").unwrap(), 500);
}

#[test]
fn c5_five_hundred_cookies_reach_five_hundred_clients() {
    let lab = LAB.turn();
    let (answers, _) = stampede(&lab, MANY, 0, "/fill/cookies?ms=100&cookie=each");
    all_are(200, &answers);
    let cookies: BTreeSet<String> = answers.iter().flat_map(|a| a.all("set-cookie")).collect();
    assert_eq!(cookies.len(), MANY);
    for answer in &answers {
        let own = format!("each={}; Path=/", answer.text().trim());
        assert_eq!(answer.all("set-cookie"), [own]);
    }
}

#[test]
fn errors_are_nobody_elses_and_hold_nobody_up() {
    let lab = LAB.turn();
    let (answers, took) = stampede(&lab, MANY, 0, "/fill/errors?ms=100&status=500");
    all_are(500, &answers);
    assert_eq!(bodies(&answers).len(), MANY);
    assert!(took < SOON, "{took:?}");
    // Two seconds later the URL is like any other.
    std::thread::sleep(Duration::from_millis(1_100));
    let (answers, _) = stampede(&lab, 50, 0, "/fill/errors?ms=100");
    assert_eq!(bodies(&answers).len(), 1);
}

#[test]
fn what_nobody_may_share_is_asked_for_side_by_side() {
    let lab = LAB.turn();
    let half = Duration::from_millis(500);
    let ten = |target: &str| stampede(&lab, 10, 0, target).1;
    let target = |query: u32| format!("/fill/uncacheable?ms=500&control=no-store&q={query}");
    // Never seen: nothing tells it from a URL whose answer all may share until its first answer does.
    let first = ten(&target(1));
    assert!(first < 3 * half, "{first:?}");
    for query in [1, 1, 1] {
        let again = ten(&target(query));
        assert!(again < half + half / 2, "{again:?}");
    }
    // Another query of the same path: what was learnt holds for it, at the bridges that have seen it.
    stampede(&lab, 20, 0, "/fill/uncacheable?control=no-store&q=2");
    let like = ten(&target(3));
    assert!(like < half + half / 2, "{like:?}");
    // Who shows who it is waits for nobody.
    let begun = wait::now();
    crowd(10, |i| {
        let mut client = lab.client(u16::try_from(i).unwrap() % 3).timeout(SOON);
        let request = get("/fill/own?ms=500&control=private").field("authorization", "Basic eA==");
        client.send(&request).unwrap()
    });
    assert!(begun.elapsed() < half + half / 2, "{:?}", begun.elapsed());
}

#[test]
fn variants_are_filled_side_by_side() {
    let lab = LAB.turn();
    let answers = crowd(60, |i| {
        let mut client = lab.client(u16::try_from(i).unwrap() % 3).timeout(SOON);
        let language = ["en", "de", "fr"][i % 3];
        let request = get("/vary?on=accept-language&n=stampede");
        client
            .send(&request.field("accept-language", language))
            .unwrap()
    });
    for (i, answer) in answers.iter().enumerate() {
        assert_eq!(answer.json().unwrap()["value"], ["en", "de", "fr"][i % 3]);
    }
    // One for each, and one more by which the Vary list became known.
    let asked = lab.upstream_count("/vary").unwrap();
    assert!((3..=4).contains(&asked), "{asked}");
}

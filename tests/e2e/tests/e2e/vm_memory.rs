//! E11: a worker that holds all it may: its share of cached answers, a thousand policies, and calls that nobody answers.

use crate::kit::{asked, eventually, status_of};
use crate::origin::{Origin, answer, wait_for_leave};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tidegate_e2e::{Lab, Request};

const POLICIES: usize = 1_000;
/// Together more than the 32 MiB of the cache.
const PAGES: usize = 600;
const PAGE_BYTES: usize = 60_000;
/// What they ask is together more than the half of 16 MiB that may wait for a fill.
const CLIENTS: usize = 1_400;
const URL_BYTES: usize = 7_900;
/// Longer than the test needs to ask all of it.
const PATIENCE: Duration = Duration::from_secs(20);

fn policy() -> String {
    let mut text = "
version: 1
namespace: tg
limits:
  mine: { algorithm: fixed_window, limit: 1000000, window: 1d, key: [client.ip], on_error: deny }
caches:
  pages: { ttl: 10m, l1: 32MiB, max_body: 64KiB, collapse_timeout: 20s }
policies:
  mine: { limits: [mine] }
  pages: { cache: pages }
"
    .to_owned();
    for n in 0..POLICIES {
        let _ = writeln!(text, "  p{n}: {{ limits: [mine], cache: pages }}");
    }
    text.push_str("routes:\n  - { match: { path: /mine }, policy: mine }\n  - { match: { path_prefix: /pages }, policy: pages }\n");
    for n in 0..POLICIES {
        let _ = writeln!(
            text,
            "  - {{ match: {{ path_prefix: /p{n}/ }}, policy: p{n} }}"
        );
    }
    text
}

/// An upstream that fills pages, and answers what is long when this says so.
fn origin() -> (Origin, Arc<AtomicBool>) {
    let (origin, answering) = (Origin::start(), Arc::new(AtomicBool::new(false)));
    let may = Arc::clone(&answering);
    let page = "p".repeat(PAGE_BYTES);
    origin.does(move |head| {
        if head.contains("/long") {
            wait_for_leave(&may, PATIENCE);
            return answer(200, &["cache-control: max-age=60"], "long");
        }
        answer(200, &["cache-control: max-age=60"], &page)
    });
    (origin, answering)
}

#[test]
fn e11_a_worker_that_holds_all_it_may_decides_and_lives() {
    let (origin, answering) = origin();
    let upstream = origin.address.clone();
    let lab = Lab::with(&policy(), |spec| {
        spec.workers = 1;
        spec.upstream = Some(upstream);
    });
    let mut client = lab.client(0);
    let page = |i: usize| Request::get(format!("/pages/{i}"));
    let mut pages = lab.client(0);
    let mut from = |i: usize| {
        let answer = pages.send(&page(i)).unwrap();
        assert_eq!(answer.status, 200);
        answer.all("cache-status").join(", ")
    };
    for i in 0..PAGES {
        from(i);
    }
    // What was asked for last is in the worker's memory, what was first is only in Redis by now.
    eventually("a copy of its own", true, || {
        from(PAGES - 1).contains("detail=l1")
    });
    let first = from(0);
    assert!(
        first.contains("; hit") && !first.contains("detail=l1"),
        "{first}"
    );

    origin.take();
    let long = format!("/pages/long?{}", "x".repeat(URL_BYTES));
    let mut waiting = Vec::new();
    for n in 0..CLIENTS {
        waiting.push(asked(&lab, &long));
        // Not all in one moment: that would be another fault.
        if n % 20 == 0 {
            let answer = client.get("/mine").unwrap();
            assert_eq!(answer.status, 200, "with {n} waiting: {}", answer.text());
        }
    }
    // One fills it, half of the room is for those who wait, and the rest is with the origin.
    let mut with_origin = 0;
    eventually("who has no room to wait goes to the origin", true, || {
        with_origin += origin.take().len();
        with_origin > 1
    });
    assert_eq!(client.get("/mine").unwrap().status, 200);
    answering.store(true, Ordering::Relaxed);
    for stream in &mut waiting {
        assert_eq!(status_of(stream, PATIENCE), "200");
    }
    with_origin += origin.take().len();
    assert!(
        with_origin < CLIENTS / 2,
        "{with_origin} of {CLIENTS} at the origin"
    );
    assert_eq!(client.get("/mine").unwrap().status, 200);
}

//! Invariant C11: a cache that fails is as if there were none, but for what Cache-Status says.

use super::bridge::{self, Asked};
use super::policy::POLICY;
use super::rig::{Rig, token};
use super::run::{Fate, Req, req};
use crate::http::Headers;
use proptest::prelude::*;

/// How a cache fails while the rest of the exchange works.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Error,
    Garbage,
    Record,
    Vary,
    Shape,
    Down,
    Silent,
}

fn rig(fault: Fault) -> Rig {
    let mut rig = Rig::new(POLICY);
    rig.hook = Box::new(move |op| match (op, fault) {
        (Asked::Session { .. } | Asked::Limits(_), _) => None,
        (_, Fault::Garbage) => Some(bridge::hit(b"garbage", 1, 2)),
        (_, Fault::Record) => Some(bridge::hit(&[1; 70], 1, 2)),
        (_, Fault::Vary) => Some(bridge::vary("no list")),
        (_, Fault::Shape) => Some(bridge::integer(-5)),
        (_, _) => Some(bridge::error("CLUSTERDOWN")),
    });
    if matches!(fault, Fault::Down) {
        rig.cut();
    }
    rig
}

fn run(rig: &mut Rig, fault: Fault, req: &Req) -> super::run::Seen {
    match fault {
        Fault::Silent => rig.run_silent(req),
        _ => rig.run(req),
    }
}

/// The response's lines as the client gets them, Cache-Status left out.
fn answered(rig: &mut Rig, id: u32, lines: &[(String, Vec<u8>)], body: &[u8]) -> Headers {
    let headers = Headers::from_pairs(lines.to_vec());
    let mut output = rig.response(id, headers.clone(), body.is_empty());
    if rig.is_paused(id) {
        let (_, next) = rig.answer().expect("an answer");
        output = next;
    }
    rig.body(id, body, true);
    let mut seen = output.response.unwrap_or(headers);
    seen.remove("cache-status");
    seen
}

fn lines() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let name = prop_oneof![
        Just("cache-control".to_owned()),
        Just("vary".to_owned()),
        Just("set-cookie".to_owned()),
        Just("location".to_owned()),
        Just("content-length".to_owned()),
        Just("if-none-match".to_owned()),
        "[a-z]{1,6}",
    ];
    prop::collection::vec((name, prop::collection::vec(any::<u8>(), 0..12)), 0..6)
}

fn fault() -> impl Strategy<Value = Fault> {
    prop::sample::select(
        &[
            Fault::Error,
            Fault::Garbage,
            Fault::Record,
            Fault::Vary,
            Fault::Shape,
            Fault::Down,
            Fault::Silent,
        ][..],
    )
}

proptest! {
    #[test]
    fn a_cache_that_fails_changes_neither_request_nor_response(
        fault in fault(),
        method in prop::sample::select(&["GET", "HEAD", "POST", "DELETE", "OPTIONS"][..]),
        extra in lines(),
        status in 200_u16..600,
        answer in lines(),
        body in prop::collection::vec(any::<u8>(), 0..16),
        policies in prop::sample::select(&[("plain-cached", "bare"), ("open-cached", "open-web")][..]),
    ) {
        let mut request = req(method, "/anywhere").line("cookie", "a=1");
        request.lines.extend(extra);
        if policies.0 == "open-cached" && method == "GET" && !matches!(fault, Fault::Down | Fault::Silent) {
            request = request.cookie(&token("web"));
        }
        let mut answer = answer;
        answer.insert(0, (":status".to_owned(), status.to_string().into_bytes()));

        let mut with = rig(fault);
        let seen = run(&mut with, fault, &request.clone().metadata(policies.0));
        let mut without = rig(fault);
        let plain = run(&mut without, fault, &request.metadata(policies.1));
        match (&seen.fate, &plain.fate) {
            (Fate::Forwarded(with), Fate::Forwarded(without)) => prop_assert_eq!(with, without),
            other => prop_assert!(false, "{:?}", other),
        }
        // Silence during the response would be the invalidation's timeout, which tables cover.
        prop_assert_eq!(
            answered(&mut with, seen.id, &answer, &body),
            answered(&mut without, plain.id, &answer, &body)
        );
        prop_assert!(!with.all_ops().any(Asked::is_put), "no lease was granted");
        prop_assert!(!with.counted().contains_key("tidegate.bug"));
    }
}

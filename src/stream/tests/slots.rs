//! Limits on what is in flight: a slot is taken with the request and released however it ends.

use super::bridge::{self, Asked, Return, busy};
use super::policy::POLICY;
use super::rig::{Change, EPOCH_US, Rig};
use super::run::{field, get, lines};
use crate::http::Headers;
use crate::policy::{Algorithm, Limit};
use crate::stream::{Input, Property};

fn concurrency(limit: &mut Limit) {
    limit.algorithm = Algorithm::Concurrency;
}

fn rig() -> Rig {
    let changes: [Change<'_>; 2] = [("open", &concurrency), ("strict", &concurrency)];
    Rig::changed(POLICY, &changes)
}

fn taken(rig: &Rig) -> Vec<[u8; 16]> {
    let slots = rig.all_ops().filter_map(|op| match op {
        Asked::Limits(takes) => takes.iter().find_map(|take| take.slot),
        _ => None,
    });
    slots.collect()
}

fn released(rig: &Rig) -> Vec<[u8; 16]> {
    let returns = rig.all_ops().filter_map(|op| match op {
        Asked::Returns(gives) => gives.iter().find_map(|give: &Return| give.limit.slot),
        _ => None,
    });
    returns.collect()
}

#[test]
fn a_slot_is_released_when_the_stream_is_over_and_not_before() {
    let mut rig = rig();
    let seen = rig.run(&get("/open"));
    assert_eq!(taken(&rig).len(), 1);
    rig.upstream(seen.id, &[(":status", "200")], b"body");
    assert!(released(&rig).is_empty(), "the body may still be under way");
    rig.feed(seen.id, Input::Done);
    rig.feed(seen.id, Input::Done);
    assert_eq!(released(&rig), taken(&rig));
    assert_eq!(rig.exchanges(), 1);
    let other = rig.run(&get("/open"));
    rig.feed(other.id, Input::Done);
    assert_ne!(taken(&rig)[0], taken(&rig)[1]);
}

#[test]
fn a_slot_that_was_not_taken_is_not_released() {
    for taken in [busy(9_000_000), bridge::never()] {
        let mut rig = rig();
        rig.hook = Box::new(move |op| match op {
            Asked::Limits(_) => Some(bridge::limits(false, &[taken], EPOCH_US)),
            _ => None,
        });
        let seen = rig.run(&get("/open"));
        assert_eq!(seen.status(), 429);
        rig.feed(seen.id, Input::Done);
        assert!(released(&rig).is_empty());
    }
}

#[test]
fn a_slot_that_may_have_been_taken_is_released() {
    // Nobody knows: no answer, an error, a client that left meanwhile.
    let mut silent = rig();
    let seen = silent.run_silent(&get("/strict"));
    assert_eq!(seen.status(), 503);
    silent.feed(seen.id, Input::Done);
    let mut wrong = rig();
    wrong.hook = Box::new(|op| match op {
        Asked::Limits(_) => Some(bridge::error("UNAVAILABLE")),
        _ => None,
    });
    let seen = wrong.run(&get("/strict"));
    assert_eq!(seen.status(), 503);
    wrong.feed(seen.id, Input::Done);
    let mut gone = rig();
    let id = gone.stream();
    gone.headers(id, &get("/strict"));
    gone.feed(id, Input::Done);
    // Envoy answers in our place.
    let mut cut = rig();
    let id = cut.stream();
    cut.headers(id, &get("/strict"));
    let headers = Headers::from_pairs([(":status", b"504".as_slice())]);
    cut.response(id, headers, true);
    cut.feed(id, Input::Done);
    for rig in [silent, wrong, gone, cut] {
        assert_eq!(released(&rig), taken(&rig));
        assert_eq!(taken(&rig).len(), 1);
    }
}

#[test]
fn a_slot_that_could_not_be_asked_for_is_not_released() {
    let mut rig = rig();
    rig.cut();
    let seen = rig.run(&get("/open"));
    assert_eq!(seen.status(), 0);
    rig.feed(seen.id, Input::Done);
    assert!(released(&rig).is_empty());
}

#[test]
fn a_request_that_outlives_its_slot_is_counted_and_a_slot_in_doubt_is_not() {
    let mut rig = rig();
    rig.hook = Box::new(|op| match op {
        Asked::Returns(_) => Some(b"*1\r\n:0\r\n".to_vec()),
        _ => None,
    });
    let seen = rig.run(&get("/open"));
    rig.feed(seen.id, Input::Done);
    rig.answer();
    assert_eq!(rig.counted()["tidegate.limit.open.slot_expired"], 1);
    let seen = rig.run_silent(&get("/open"));
    rig.feed(seen.id, Input::Done);
    rig.answer();
    assert!(
        !rig.counted()
            .contains_key("tidegate.limit.open.slot_expired")
    );
}

#[test]
fn a_release_outlives_the_stream_it_went_by() {
    let mut rig = rig();
    let seen = rig.run(&get("/open"));
    rig.feed(seen.id, Input::Done);
    rig.open.clear();
    let link = rig.sent.last().unwrap().link.unwrap();
    rig.close(link);
    let released = released(&rig);
    assert_eq!(released.len(), 2, "once more, by another stream");
    assert_eq!(released[0], released[1]);
    assert_ne!(rig.sent.last().unwrap().link, Some(link));
}

#[test]
fn a_client_is_told_to_come_back_soon_and_how_many_may_be_in_flight() {
    let mut rig = rig();
    let admitted = rig.run(&get("/open"));
    let answer = rig.upstream(admitted.id, &[(":status", "200")], b"");
    assert_eq!(lines(&answer, "ratelimit"), ["\"open\";r=42"]);
    assert_eq!(
        lines(&answer, "ratelimit-policy"),
        ["\"open\";q=10;qu=\"concurrent-requests\""]
    );
    rig.hook = Box::new(|op| match op {
        Asked::Limits(_) => Some(bridge::limits(false, &[busy(59_000_000)], EPOCH_US)),
        _ => None,
    });
    for _ in 0..2 {
        let seen = rig.run(&get("/open"));
        assert_eq!(field(seen.replied(), "retry-after"), ["1"]);
        assert_eq!(seen.property(Property::Limit).as_deref(), Some("open"));
    }
    assert_eq!(
        rig.exchanges(),
        3,
        "slots end at any time: nothing is remembered"
    );
}

#[test]
fn in_an_outage_slots_are_counted_here_and_released_here() {
    let share = |limit: &mut Limit| concurrency(limit);
    let changes: [Change<'_>; 1] = [("share", &share)];
    let mut rig = Rig::changed(POLICY, &changes);
    rig.cut();
    let first = rig.run(&get("/share"));
    let second = rig.run(&get("/share"));
    assert_eq!(
        (first.status(), second.status()),
        (0, 0),
        "4 slots, 2 peers"
    );
    let third = rig.run(&get("/share"));
    assert_eq!(third.status(), 429);
    rig.feed(third.id, Input::Done);
    assert_eq!(rig.run(&get("/share")).status(), 429);
    rig.feed(first.id, Input::Done);
    assert_eq!(rig.run(&get("/share")).status(), 0);
    assert_eq!(rig.run(&get("/share")).status(), 429);
}

//! What a request costs: said by a header, known only afterwards, settled in every way it can end.

use super::bridge::{self, Asked, Limit as Take, ok};
use super::policy::POLICY;
use super::rig::{Change, EPOCH_US, Rig, TICK, TIMEOUT};
use super::run::{get, text};
use crate::policy::{Apply, Cost, Limit, StatusRule};
use crate::stream::Input;
use crate::wire::reply::Taken;

fn by_header(limit: &mut Limit) {
    limit.cost = Cost::RequestHeader {
        name: "x-cost".to_owned(),
        default: 2,
        min: 1,
        max: 50,
    };
}

fn by_answer(limit: &mut Limit) {
    limit.cost = Cost::ResponseHeader {
        name: "x-used".to_owned(),
        default: 7,
        max: 1_000,
        reserve: 0,
    };
}

fn reserving(limit: &mut Limit) {
    by_answer(limit);
    if let Cost::ResponseHeader { reserve, .. } = &mut limit.cost {
        *reserve = 20;
    }
}

fn failures(limit: &mut Limit) {
    limit.apply = Apply::ResponseStatus(vec![StatusRule::Exactly(401), StatusRule::Class(5)]);
    limit.cost = Cost::Fixed(3);
}

fn open(change: &dyn Fn(&mut Limit)) -> Rig {
    let changes: [Change<'_>; 1] = [("open", change)];
    Rig::changed(POLICY, &changes)
}

/// The only limit that was asked, each time.
fn takes(rig: &Rig) -> Vec<Take> {
    let takes = rig.all_ops().filter_map(|op| match op {
        Asked::Limits(takes) => Some(takes[0].clone()),
        _ => None,
    });
    takes.collect()
}

fn returns(rig: &Rig) -> Vec<bridge::Return> {
    let returns = rig.all_ops().filter_map(|op| match op {
        Asked::Returns(gives) => Some(gives[0].clone()),
        _ => None,
    });
    returns.collect()
}

fn marked(mark: u64) -> Taken {
    Taken { mark, ..ok(42) }
}

#[test]
fn a_header_says_the_cost_and_its_absence_the_default() {
    let mut rig = open(&by_header);
    rig.run(&get("/open"));
    rig.run(&get("/open").line("x-cost", "50"));
    let costs: Vec<_> = takes(&rig).iter().map(|t| (t.cost, t.need)).collect();
    assert_eq!(costs, [(2, None), (50, None)]);
}

#[test]
fn a_cost_that_is_none_is_400_naming_header_and_reason_without_an_exchange() {
    let mut rig = open(&by_header);
    for (lines, reason) in [
        (&["x"][..], "x-cost: must be a whole number"),
        (&["51"], "x-cost: must be a whole number from 1 to 50"),
        (&["1", "1"], "x-cost: must be sent once"),
    ] {
        let mut req = get("/open");
        for line in lines {
            req = req.line("x-cost", *line);
        }
        let seen = rig.run(&req);
        assert_eq!(seen.status(), 400);
        let body = text(seen.replied());
        assert!(
            body.contains(reason) && body.contains("cost-invalid"),
            "{body}"
        );
    }
    assert_eq!(rig.exchanges(), 0);
    assert_eq!(rig.counted()["tidegate.limit.open.cost_invalid"], 3);
}

#[test]
fn a_limit_that_is_not_enforced_refuses_no_cost() {
    let shadow = |limit: &mut Limit| {
        by_header(limit);
        limit.shadow = true;
    };
    let sampled = |limit: &mut Limit| {
        by_header(limit);
        limit.enforce = 0;
    };
    for change in [&shadow as &dyn Fn(&mut Limit), &sampled] {
        let mut rig = open(change);
        assert_eq!(rig.run(&get("/open").line("x-cost", "x")).status(), 0);
        assert_eq!(rig.exchanges(), 0);
        assert_eq!(rig.counted()["tidegate.limit.open.cost_invalid"], 1);
    }
}

#[test]
fn what_an_answer_has_used_is_charged_afterwards_and_nobody_waits() {
    let mut rig = open(&by_answer);
    for (lines, cost) in [
        (&[(":status", "200"), ("x-used", "90")][..], 90),
        (&[(":status", "200")], 7),
        (&[(":status", "200"), ("x-used", "many")], 7),
        (&[(":status", "200"), ("x-used", "1001")], 7),
    ] {
        rig.sent.clear();
        let seen = rig.run(&get("/open"));
        rig.upstream(seen.id, lines, b"");
        rig.feed(seen.id, Input::Done);
        let takes = takes(&rig);
        assert_eq!(
            (takes[0].cost, takes[0].need, takes[0].force),
            (0, Some(1), false)
        );
        assert_eq!(
            (takes[1].cost, takes[1].need, takes[1].force),
            (cost, None, true)
        );
        assert_eq!(takes.len(), 2, "settled once");
        rig.answer();
    }
    assert_eq!(rig.exchanges(), 4, "settling is no request's exchange");
    assert_eq!(rig.vm.client.counters().background, 4);
    assert_eq!(rig.counted()["tidegate.limit.open.settled"], 4);
}

#[test]
fn a_reserve_is_made_up_or_given_back_by_its_mark() {
    let mut rig = open(&reserving);
    rig.hook = Box::new(|op| match op {
        Asked::Limits(takes) if !takes[0].force => {
            Some(bridge::limits(true, &[marked(77)], EPOCH_US))
        }
        _ => None,
    });
    for (used, charged, given) in [
        ("90", Some(70), None),
        ("20", None, None),
        ("5", None, Some(15)),
    ] {
        rig.sent.clear();
        let seen = rig.run(&get("/open"));
        rig.upstream(seen.id, &[(":status", "200"), ("x-used", used)], b"");
        rig.feed(seen.id, Input::Done);
        let (takes, returns) = (takes(&rig), returns(&rig));
        assert_eq!((takes[0].cost, takes[0].need), (20, None));
        assert_eq!(takes.get(1).map(|take| take.cost), charged);
        let back = returns.first().map(|give| (give.limit.cost, give.mark));
        assert_eq!(back, given.map(|units| (units, 77)));
        assert_eq!(
            takes.len() + returns.len(),
            1 + usize::from(charged.or(given).is_some())
        );
        rig.answer();
    }
}

/// A request that reached the upstream and was not answered has cost something; one that did not, has
/// not.
#[test]
fn without_an_answer_the_default_is_charged_and_without_an_upstream_the_reserve_given_back() {
    let mut rig = open(&reserving);
    let seen = rig.run(&get("/open"));
    rig.feed(seen.id, Input::Done);
    assert_eq!(returns(&rig)[0].limit.cost, 13, "20 reserved, 7 by default");

    let changes: [Change<'_>; 2] = [("per-ip", &reserving), ("strict", &|_| {})];
    let mut rig = Rig::changed(POLICY, &changes);
    rig.hook = Box::new(|op| match op {
        Asked::Session { .. } => Some(bridge::absent(EPOCH_US)),
        _ => None,
    });
    let seen = rig.run(&get("/full").cookie(&super::rig::token("web")));
    assert_eq!(seen.status(), 401);
    rig.feed(seen.id, Input::Done);
    assert_eq!(returns(&rig)[0].limit.cost, 20);
}

#[test]
fn only_answers_with_such_a_status_are_charged() {
    let mut rig = open(&failures);
    for (status, charged) in [("200", 0), ("401", 1), ("404", 0), ("500", 1), ("503", 1)] {
        rig.sent.clear();
        let seen = rig.run(&get("/open"));
        rig.upstream(seen.id, &[(":status", status)], b"");
        rig.feed(seen.id, Input::Done);
        let takes = takes(&rig);
        assert_eq!((takes[0].cost, takes[0].need), (0, Some(3)));
        assert_eq!(takes.len(), 1 + charged, "{status}");
        assert!(takes[1..].iter().all(|take| take.force && take.cost == 3));
        rig.answer();
    }
    let seen = rig.run(&get("/open"));
    rig.sent.clear();
    rig.feed(seen.id, Input::Done);
    assert!(takes(&rig).is_empty(), "no answer, no failure");
}

/// A bridge that was away when the request came may be back when it is answered.
#[test]
fn what_redis_could_not_be_asked_for_is_charged_when_the_answer_is_known() {
    let mut rig = open(&failures);
    let seen = rig.run_silent(&get("/open"));
    assert_eq!(seen.status(), 0, "on_error: allow");
    rig.upstream(seen.id, &[(":status", "401")], b"");
    assert!(takes(&rig)[1].force);
}

#[test]
fn a_settlement_that_cannot_be_sent_is_counted() {
    let mut rig = open(&failures);
    let seen = rig.run(&get("/open"));
    rig.cut();
    rig.upstream(seen.id, &[(":status", "401")], b"");
    assert_eq!(rig.counted()["tidegate.limit.open.unsettled"], 1);

    let mut rig = open(&failures);
    let seen = rig.run(&get("/open"));
    rig.upstream(seen.id, &[(":status", "401")], b"");
    rig.open.clear();
    rig.pass(TIMEOUT * 51 + TICK);
    assert_eq!(rig.counted()["tidegate.limit.open.unsettled"], 1);
}

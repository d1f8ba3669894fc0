//! Denials that are remembered, and limits that are enforced for some.

use super::bridge::{self, Asked, busy, denied, never};
use super::policy::POLICY;
use super::rig::{Change, EPOCH_US, Rig, token};
use super::run::{field, get, text};
use crate::exchange::LINKS;
use crate::policy::{Algorithm, Limit, OnDenied};
use crate::stream::Property;
use crate::wire::FromBridge;
use crate::wire::reply::Taken;
use core::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Denies all that is asked of limits.
fn denying(mut rig: Rig, taken: Taken) -> Rig {
    rig.hook = Box::new(move |op| match op {
        Asked::Limits(takes) => Some(bridge::limits(false, &vec![taken; takes.len()], EPOCH_US)),
        _ => None,
    });
    rig
}

fn forget(rig: &mut Rig, subject: &[u8; 16]) {
    let mut message = Vec::new();
    FromBridge::Forget { subject }.encode(&mut message);
    rig.vm.client.handle_message(0, &message, rig.now);
}

#[test]
fn r12_a_known_denial_costs_no_exchange_until_it_may_end() {
    let mut rig = denying(Rig::new(POLICY), denied(3_000_000));
    rig.run(&get("/open"));
    rig.pass(SECOND);
    let seen = rig.run(&get("/open"));
    assert_eq!(seen.status(), 429);
    assert_eq!(field(seen.replied(), "retry-after"), ["2"]);
    assert_eq!(field(seen.replied(), "ratelimit"), ["\"open\";r=0;t=2"]);
    assert_eq!(seen.property(Property::Limit).as_deref(), Some("open"));
    assert_eq!(rig.exchanges(), 1);
    let counted = rig.counted();
    assert_eq!(counted["tidegate.limit.open.denied"], 1);
    assert_eq!(counted["tidegate.limit.open.denied_local"], 1);
    rig.pass(SECOND * 2);
    rig.run(&get("/open"));
    assert_eq!(rig.exchanges(), 2);
}

#[test]
fn the_headers_of_an_answer_of_ours_are_not_asked_for() {
    let mut rig = denying(Rig::new(POLICY), denied(3_000_000));
    for _ in 0..2 {
        let seen = rig.run(&get("/open"));
        assert_eq!(seen.status(), 429);
        assert!(!rig.wants_response(seen.id));
    }
}

#[test]
fn any_limit_known_to_deny_refuses_and_the_others_are_not_charged() {
    let mut rig = denying(Rig::new(POLICY), denied(9_000_000));
    rig.run(&get("/strict"));
    let seen = rig.run(&get("/limited"));
    assert!(text(seen.replied()).contains("\"violated-policies\":[\"strict\"]"));
    assert_eq!(rig.exchanges(), 1);
}

#[test]
fn r12_a_word_of_a_reset_or_a_lost_stream_ends_what_is_remembered() {
    let mut rig = denying(Rig::new(POLICY), denied(9_000_000));
    rig.run(&get("/open"));
    let Asked::Limits(takes) = rig.sent[0].ops[0].clone() else {
        panic!("{:?}", rig.sent);
    };
    forget(&mut rig, &[9; 16]);
    rig.run(&get("/open"));
    assert_eq!(rig.exchanges(), 1, "somebody else's");
    forget(&mut rig, &takes[0].subject);
    rig.run(&get("/open"));
    assert_eq!(rig.exchanges(), 2);
    rig.close(1);
    rig.run(&get("/open"));
    assert_eq!(rig.exchanges(), 3, "a word may have been lost with it");
}

#[test]
fn r12_nothing_is_remembered_while_no_stream_could_bring_a_word() {
    let mut rig = denying(Rig::new(POLICY), denied(9_000_000));
    for link in 0..LINKS {
        rig.close(link);
    }
    for exchanges in 1..=2 {
        assert_eq!(rig.run(&get("/open")).status(), 429);
        assert_eq!(rig.exchanges(), exchanges, "by a unary call");
    }
}

#[test]
fn r12_nothing_is_remembered_of_limits_that_are_not_enforced_or_busy() {
    let shadow = |limit: &mut Limit| limit.shadow = true;
    let sampled = |limit: &mut Limit| limit.enforce = 0;
    for change in [&shadow as &dyn Fn(&mut Limit), &sampled] {
        let changes: [Change<'_>; 1] = [("open", change)];
        let mut rig = denying(Rig::changed(POLICY, &changes), denied(9_000_000));
        for _ in 0..2 {
            assert_eq!(rig.run(&get("/open")).status(), 0);
        }
        assert_eq!(rig.exchanges(), 2);
        assert_eq!(rig.counted()["tidegate.limit.open.shadow_denied"], 2);
    }
    let mut rig = denying(Rig::new(POLICY), busy(9_000_000));
    for _ in 0..2 {
        let seen = rig.run(&get("/open"));
        assert_eq!(field(seen.replied(), "retry-after"), ["9"]);
    }
    assert_eq!(rig.exchanges(), 2);
}

#[test]
fn what_can_never_fit_is_remembered_without_a_retry_after() {
    let mut rig = denying(Rig::new(POLICY), never());
    for _ in 0..2 {
        let seen = rig.run(&get("/open"));
        assert_eq!(seen.status(), 429);
        assert!(field(seen.replied(), "retry-after").is_empty());
    }
    assert_eq!(rig.exchanges(), 1);
}

/// Session before limits: who holds a session that may be revoked learns nothing of its user's quota
/// from memory; a key that any client has is told before the look-up.
#[test]
fn c9_a_remembered_denial_comes_before_the_session_only_when_it_counts_none() {
    let mut rig = denying(Rig::new(POLICY), denied(9_000_000));
    let request = get("/full/a").cookie(&token("web"));
    assert_eq!(rig.run(&request).status(), 429);
    assert_eq!(rig.run(&request).status(), 429, "per-ip is known");
    assert_eq!(rig.exchanges(), 1);
    let other = |limit: &mut Limit| limit.key = vec![crate::policy::KeyPart::SessionUser];
    let changes: [Change<'_>; 1] = [("per-ip", &other)];
    let mut rig = denying(Rig::changed(POLICY, &changes), denied(9_000_000));
    rig.run(&request);
    rig.run(&request);
    assert_eq!(rig.exchanges(), 2);
    assert_eq!(rig.run(&get("/full/a")).status(), 401, "no session");
}

#[test]
fn a_key_is_enforced_or_not_whichever_percentage_it_falls_under() {
    let limit = |enforce| Limit {
        enforce,
        ..Limit::new("x", Algorithm::FixedWindow, 1, 1)
    };
    let subjects = (0..10_000_u32).map(|n| {
        let mut subject = [0; 16];
        subject[..4].copy_from_slice(&n.wrapping_mul(0x9e37_79b9).to_be_bytes());
        subject
    });
    let subjects: Vec<_> = subjects.collect();
    for enforce in [0, 1, 2_500, 9_999, 10_000] {
        let n = subjects.iter().filter(|s| limit(enforce).enforces(s));
        let n = u32::try_from(n.count()).unwrap();
        assert!(n.abs_diff(enforce) <= 20, "{n} of {enforce}");
        assert!((enforce == 0) == (n == 0) && (enforce < 10_000 || n == 10_000));
    }
    for subject in &subjects {
        let first = (0..=100).find(|percent| limit(percent * 100).enforces(subject));
        let first = first.unwrap();
        assert!((first..=100).all(|percent| limit(percent * 100).enforces(subject)));
    }
}

#[test]
fn a_denied_client_gets_what_the_limit_says() {
    let own = |limit: &mut Limit| {
        limit.on_denied = OnDenied {
            status: Some(503),
            body: Some("later".to_owned()),
            headers: vec![("content-type".to_owned(), "text/plain".to_owned())],
        };
    };
    let changes: [Change<'_>; 1] = [("open", &own)];
    let mut rig = denying(Rig::changed(POLICY, &changes), denied(9_000_000));
    let seen = rig.run(&get("/open"));
    let reply = seen.replied();
    assert_eq!((reply.status, text(reply).as_str()), (503, "later"));
    assert_eq!(field(reply, "content-type"), ["text/plain"]);
    assert_eq!(field(reply, "cache-control"), ["no-store"]);
    assert_eq!(field(reply, "retry-after"), ["9"]);
    let status = |limit: &mut Limit| limit.on_denied.status = Some(420);
    let changes: [Change<'_>; 1] = [("open", &status)];
    let mut rig = denying(Rig::changed(POLICY, &changes), denied(9_000_000));
    let seen = rig.run(&get("/open"));
    assert_eq!(seen.status(), 420);
    assert!(text(seen.replied()).contains("\"status\":420"));
}

#[test]
fn those_denied_together_are_told_different_times_and_never_an_earlier_one() {
    let jitter = |limit: &mut Limit| limit.retry_jitter_s = 10;
    let changes: [Change<'_>; 1] = [("open", &jitter)];
    let mut rig = denying(Rig::changed(POLICY, &changes), denied(9_000_000));
    let mut told: Vec<u64> = (0..200)
        .map(|_| {
            field(rig.run(&get("/open")).replied(), "retry-after")[0]
                .parse()
                .unwrap()
        })
        .collect();
    told.sort_unstable();
    told.dedup();
    assert_eq!(told, (9..=19).collect::<Vec<_>>());
}

#[test]
fn what_a_take_says_beside_its_cost() {
    use crate::policy::{Calendar, CalendarUnit};
    let change = |limit: &mut Limit| {
        limit.overridable = true;
        limit.calendar = Some(Calendar {
            unit: CalendarUnit::Month,
            zone: "Europe/Berlin".to_owned(),
        });
    };
    let changes: [Change<'_>; 1] = [("open", &change)];
    let mut rig = Rig::changed(POLICY, &changes);
    rig.hook = Box::new(|op| match op {
        Asked::Limits(_) => {
            let taken = Taken {
                limit: 5_000,
                ..bridge::ok(4_999)
            };
            Some(bridge::limits(true, &[taken], EPOCH_US))
        }
        _ => None,
    });
    let seen = rig.run(&get("/open"));
    let Asked::Limits(takes) = &rig.sent[0].ops[0] else {
        panic!("{:?}", rig.sent);
    };
    assert_eq!(takes[0].calendar.as_deref(), Some("month@Europe/Berlin"));
    assert_eq!(takes[0].overridable.as_deref(), Some("open"));
    let answer = rig.upstream(seen.id, &[(":status", "200")], b"");
    let policy = super::run::lines(&answer, "ratelimit-policy");
    assert_eq!(policy, ["\"open\";q=5000"], "its own limit, and no w");
}

/// A paced request is held at the bridge: the deadline of its exchange is longer by what it may wait.
#[test]
fn a_paced_request_may_be_held_back_and_a_shadow_waits_for_nothing() {
    let paced = |limit: &mut Limit| {
        limit.algorithm = Algorithm::LeakyBucket;
        limit.burst = 700_000;
    };
    let changes: [Change<'_>; 1] = [("strict", &paced)];
    let mut rig = Rig::changed(POLICY, &changes);
    let id = rig.stream();
    rig.headers(id, &get("/strict"));
    assert!(rig.pass(Duration::from_millis(790)).is_empty());
    assert_eq!(rig.pass(Duration::from_millis(20)).len(), 1);

    let shadow = |limit: &mut Limit| {
        paced(limit);
        limit.shadow = true;
    };
    let changes: [Change<'_>; 1] = [("open", &shadow)];
    let mut rig = Rig::changed(POLICY, &changes);
    let id = rig.stream();
    rig.headers(id, &get("/open"));
    assert!(!rig.is_paused(id));
    assert_eq!(rig.exchanges(), 0);
    rig.answer();
    assert_eq!(rig.counted()["tidegate.limit.open.allowed"], 1);
}

//! A logout waits for a replica, not for long, and what none has is repeated.

use super::rig::*;
use super::session_verbs::{create, rotate};
use crate::core::{AdminOp, Batch, Revocation, Role, Transmit};
use std::time::Duration;
use tidegate::session::token;
use tidegate::wire::Op;
use tidegate::wire::op::{Scope, SessionEnd};

/// The time a filter gives.
const DEADLINE_MS: u32 = 100;

fn end<'a>(user: &'a [u8; 12], scope: Scope) -> Op<'a> {
    Op::SessionEnd(SessionEnd {
        realm: b"web",
        user,
        secret: &[1; 18],
        scope,
    })
}

/// A stream asks, and the primary has done it: the batch that waits for replicas, not answered yet.
fn asked(rig: &mut Rig, user: &[u8; 12], scope: Scope) -> (crate::core::ConnId, Batch) {
    let conn = rig.open(1);
    rig.collect();
    rig.exchange(conn, 7, DEADLINE_MS, &[end(user, scope)]);
    let first = rig.core.poll_batch(rig.now).unwrap();
    assert_eq!(first.role, Role::State);
    let replies = rig.execute(&first);
    rig.core.handle_replies(first.id, Ok(replies), rig.now);
    let waits = rig.core.poll_batch(rig.now).unwrap();
    assert_eq!(waits.role, Role::Durable);
    assert_eq!(rig.collect(), [], "nothing is told yet");
    (conn, waits)
}

fn is_told(sent: &[Transmit]) -> bool {
    let [(_, 7, values)] = &replies(sent)[..] else {
        return false;
    };
    values[0].as_array().unwrap()[0] == crate::core::Value::simple("ended")
}

#[test]
fn a_logout_is_told_once_a_replica_has_it() {
    for scope in [Scope::This, Scope::Others, Scope::All] {
        let mut rig = Rig::new();
        let ada = create(&mut rig, "ada", 1);
        create(&mut rig, "ada", 2);
        let (_, waits) = asked(&mut rig, &ada, scope);
        let replies = rig.execute(&waits);
        rig.core.handle_replies(waits.id, Ok(replies), rig.now);
        assert!(is_told(&rig.collect()), "{scope:?}");
        assert_eq!(rig.core.poll_repeat(), None);
        rig.now += Duration::from_secs(1);
        rig.core.handle_timeout(rig.now);
        assert_eq!((rig.collect(), rig.core.poll_repeat()), (vec![], None));
        assert!(rig.core.is_idle());
    }
}

#[test]
fn what_no_replica_has_is_told_all_the_same_and_repeated() {
    for failed in [false, true] {
        let mut rig = Rig::new();
        let ada = create(&mut rig, "ada", 1);
        let before = rig.redis.clone();
        let (_, waits) = asked(&mut rig, &ada, Scope::This);
        let replies = match failed {
            true => Err(crate::core::BackendError::Down),
            false => Ok(rig.execute(&waits)),
        };
        rig.core.handle_unreplicated(waits.id);
        rig.core.handle_replies(waits.id, replies, rig.now);
        assert!(is_told(&rig.collect()));
        let again = rig.core.poll_repeat().unwrap();
        let hash = token::key_hash(&[1; 18]);
        assert_eq!(again, [Revocation::Session { user: ada, hash }]);
        // A failover to a replica that never heard of it.
        rig.redis = before;
        rig.admin(&AdminOp::Repeat(again));
        let answer = rig.post(&[session_get(&ada, &[1; 18])]);
        let word = &answer[0].as_array().unwrap()[0];
        assert_eq!(word, &crate::core::Value::simple("absent"));
    }
}

/// The filter gives up at its deadline: half of what the bridge has of it is left for the way back.
#[test]
fn a_slow_replica_delays_a_logout_by_half_of_its_time_at_most() {
    for scope in [Scope::This, Scope::Others, Scope::All] {
        let mut rig = Rig::new();
        let ada = create(&mut rig, "ada", 1);
        let (_, waits) = asked(&mut rig, &ada, scope);
        let due = rig.core.poll_timeout().unwrap();
        assert_eq!(due - rig.now, Duration::from_millis(45));
        rig.now = due;
        rig.core.handle_timeout(rig.now);
        assert!(is_told(&rig.collect()));
        let again = rig.core.poll_repeat().unwrap();
        assert_eq!(again.len(), 1);
        if scope != Scope::This {
            let now_us = rig.redis_us();
            let named = matches!(again[0], Revocation::User { user, least }
                if user == ada && least > 0 && least <= now_us);
            assert!(named, "{again:?}");
        }
        // Its answer comes to nobody.
        let replies = rig.execute(&waits);
        rig.core.handle_replies(waits.id, Ok(replies), rig.now);
        assert_eq!((rig.collect(), rig.core.poll_repeat()), (vec![], None));
        assert!(rig.core.is_idle());
    }
}

#[test]
fn a_client_that_hangs_up_takes_nothing_back() {
    let mut rig = Rig::new();
    let ada = create(&mut rig, "ada", 1);
    let (conn, waits) = asked(&mut rig, &ada, Scope::This);
    rig.core.handle_close(conn);
    assert!(rig.core.poll_repeat().is_some());
    let replies = rig.execute(&waits);
    rig.core.handle_replies(waits.id, Ok(replies), rig.now);
    assert_eq!((rig.collect(), rig.core.poll_repeat()), (vec![], None));
    assert!(rig.core.is_idle());
}

#[test]
fn a_logout_that_ends_nothing_waits_for_nobody() {
    let mut rig = Rig::new();
    let ada = create(&mut rig, "ada", 1);
    rig.post(&[rotate(&ada, &[1; 18], &[2; 18], 0, None)]);
    let conn = rig.open(1);
    rig.collect();
    rig.exchange(conn, 7, DEADLINE_MS, &[end(&ada, Scope::This)]);
    assert_eq!(rig.run(), [1]);
    let sent = rig.collect();
    let word = replies(&sent)[0].2[0].as_array().unwrap()[0].clone();
    assert_eq!(word, crate::core::Value::simple("absent"));
}

//! One fill per URL: look-ups that are held while another request fills what they look for.

use super::rig::*;
use crate::core::unshared::Unshared;
use crate::core::{ConnId, RequestId, Value};
use std::time::Duration;
use tidegate::wire::op::{CacheGet, CachePass, Want};
use tidegate::wire::{FromBridge, Op};

const MS: Duration = Duration::from_millis(1);

fn look(lease: &[u8; 16], wait_ms: u64) -> Op<'_> {
    Op::CacheGet(CacheGet {
        url: URL,
        field: &[1; 16],
        vary: b"",
        lease,
        lease_ms: 60_000,
        wait_ms,
        want: Want::Fill,
    })
}

fn pass(lease: &[u8; 16], ttl_ms: u64) -> Op<'_> {
    Op::CachePass(CachePass {
        url: URL,
        field: &[1; 16],
        lease,
        ttl_ms,
    })
}

/// Ids of exchanges answered since, with the first word of each.
fn words(rig: &mut Rig) -> Vec<(u64, String)> {
    let sent = rig.collect();
    let word = |values: Vec<Value>| match &values[0] {
        Value::Array(items) => String::from_utf8_lossy(items[0].as_bytes().unwrap()).into_owned(),
        value => format!("{value:?}"),
    };
    let replies = replies(&sent).into_iter();
    replies.map(|(_, id, values)| (id, word(values))).collect()
}

fn said(words: &[(u64, &str)]) -> Vec<(u64, String)> {
    let words = words.iter();
    words.map(|(id, word)| (*id, (*word).to_owned())).collect()
}

/// A stream on which exchange 1 was told to fill and `held` more are held.
fn crowd(rig: &mut Rig, held: u64) -> ConnId {
    let conn = rig.open(1);
    for id in 1..=held + 1 {
        let lease = [u8::try_from(id).unwrap(); 16];
        rig.exchange(conn, id, 100, &[look(&lease, 2000)]);
    }
    rig.run();
    assert_eq!(words(rig), said(&[(1, "fill")]));
    conn
}

fn later(rig: &mut Rig, by: Duration) {
    rig.now += by;
    rig.core.handle_timeout(rig.now);
    rig.run();
}

#[test]
fn c10_all_wait_for_one_fill_and_all_get_it() {
    let mut rig = Rig::new();
    let conn = crowd(&mut rig, 5);
    assert_eq!(rig.core.held(), 5);
    later(&mut rig, 400 * MS);
    assert_eq!(words(&mut rig), said(&[]), "far beyond their own deadline");
    let Op::CachePut(mut put) = cache_put(URL, b"record", &[]) else {
        panic!("no put");
    };
    put.lease = &[1; 16];
    rig.exchange(conn, 100, 1000, &[Op::CachePut(put)]);
    rig.run();
    let mut answers = words(&mut rig);
    answers.sort();
    let filled: Vec<(u64, &str)> = (2..=6).map(|id| (id, "filled")).collect();
    let stored = (100, "Simple([115, 116, 111, 114, 101, 100])");
    assert_eq!(answers, said(&[&filled[..], &[stored]].concat()));
    assert!(rig.core.is_idle());
    assert_eq!(rig.core.counters().collapsed, 5);
    assert_eq!(rig.core.poll_timeout(), None);
}

#[test]
fn who_is_held_is_told_so_in_time() {
    let mut rig = Rig::new();
    let conn = rig.open(1);
    rig.exchange(conn, 1, 100, &[look(&[1; 16], 2000)]);
    rig.exchange(conn, 2, 100, &[look(&[2; 16], 1200)]);
    rig.run();
    let mut held = Vec::new();
    for transmit in rig.collect() {
        if let crate::core::Transmit::Stream { message, .. } = transmit {
            for frame in FromBridge::decode_all(&message).unwrap() {
                if let FromBridge::Held { id, ms } = frame {
                    held.push((id, ms));
                }
            }
        }
    }
    assert_eq!(held, [(2, 1200)]);
}

#[test]
fn c10_an_answer_that_nobody_may_share_releases_all_at_once() {
    let mut rig = Rig::new();
    let conn = crowd(&mut rig, 3);
    rig.exchange(conn, 100, 1000, &[pass(&[1; 16], 120_000)]);
    rig.run();
    let answers = words(&mut rig);
    assert_eq!(answers.len(), 4);
    assert!(answers.iter().filter(|(_, word)| word == "miss").count() == 3);
    // From now on nobody waits, neither here nor at a bridge that knows nothing.
    for id in 200..203 {
        rig.exchange(conn, id, 100, &[look(&[9; 16], 2000)]);
        rig.run();
        assert_eq!(words(&mut rig), said(&[(id, "miss")]));
    }
    rig.now += Duration::from_secs(121);
    rig.exchange(conn, 300, 100, &[look(&[9; 16], 2000)]);
    rig.exchange(conn, 301, 100, &[look(&[8; 16], 2000)]);
    rig.run();
    let answers = words(&mut rig);
    assert_eq!(answers, said(&[(300, "fill"), (301, "miss")]), "known here");
    assert_eq!(rig.core.counters().unheld, 1);
}

#[test]
fn what_another_bridge_learnt_is_learnt_from_redis() {
    let mut rig = Rig::new();
    let conn = crowd(&mut rig, 0);
    rig.exchange(conn, 100, 1000, &[pass(&[1; 16], 120_000)]);
    rig.run();
    words(&mut rig);
    rig.core.unshared = Unshared::default();
    rig.exchange(conn, 200, 100, &[look(&[9; 16], 2000)]);
    rig.run();
    assert_eq!(words(&mut rig), said(&[(200, "miss")]));
    assert!(rig.core.unshared.knows(URL, rig.now));
}

#[test]
fn a_turn_given_up_goes_to_one_other() {
    let mut rig = Rig::new();
    let conn = crowd(&mut rig, 3);
    rig.exchange(conn, 100, 1000, &[pass(&[1; 16], 0)]);
    rig.run();
    let answers = words(&mut rig);
    assert_eq!(answers[1..], said(&[(2, "fill")]));
    assert_eq!(rig.core.held(), 2);
}

#[test]
fn a_filler_that_stalls_is_succeeded_and_costs_the_others_their_patience_at_most() {
    let mut rig = Rig::new();
    crowd(&mut rig, 3);
    for _ in 0..14 {
        later(&mut rig, 100 * MS);
    }
    assert_eq!(words(&mut rig), said(&[]));
    later(&mut rig, 100 * MS);
    assert_eq!(
        words(&mut rig),
        said(&[(2, "fill")]),
        "after three quarters"
    );
    later(&mut rig, 500 * MS);
    let sent = rig.collect();
    let told: Vec<_> = replies(&sent)
        .into_iter()
        .map(|(_, id, values)| (id, values))
        .collect();
    let now = Value::Integer(rig.redis_us().cast_signed());
    let miss = |id| {
        let items = vec![Value::simple("miss"), now.clone(), Value::bulk([1; 16])];
        (id, vec![Value::Array(items)])
    };
    assert_eq!(
        told,
        [miss(3), miss(4)],
        "by the clock that granted the lease (C8)"
    );
    assert_eq!(rig.core.counters().held_too_long, 2);
    assert!(rig.core.is_idle());
}

#[test]
fn a_stream_that_ends_gives_its_turns_back() {
    let mut rig = Rig::new();
    let dead = rig.open(1);
    let conn = rig.open(2);
    rig.exchange(dead, 1, 100, &[look(&[1; 16], 2000)]);
    rig.run();
    rig.exchange(conn, 2, 100, &[look(&[2; 16], 2000)]);
    rig.exchange(conn, 3, 100, &[look(&[3; 16], 2000)]);
    rig.run();
    rig.collect();
    rig.core.handle_close(dead);
    rig.run();
    // The word of it comes back through Redis.
    rig.core.handle_filled(&crate::core::keys::hash16(URL));
    later(&mut rig, MS);
    assert_eq!(words(&mut rig), said(&[(2, "fill")]));
    assert_eq!(rig.core.held(), 1);
}

#[test]
fn a_turn_for_a_stream_that_is_gone_is_not_lost() {
    let mut rig = Rig::new();
    let dead = rig.open(1);
    let conn = rig.open(2);
    rig.exchange(dead, 1, 100, &[look(&[1; 16], 2000)]);
    let batch = rig.core.poll_batch(rig.now).unwrap();
    let replies = rig.execute(&batch);
    rig.core.handle_close(dead);
    rig.core.handle_replies(batch.id, Ok(replies), rig.now);
    rig.run();
    rig.exchange(conn, 2, 100, &[look(&[2; 16], 2000)]);
    rig.run();
    assert_eq!(words(&mut rig), said(&[(2, "fill")]));
    assert_eq!(rig.core.counters().turns_returned, 1);
    assert!(rig.core.is_idle());
}

#[test]
fn the_one_that_looks_again_may_leave_meanwhile() {
    let mut rig = Rig::new();
    let filler = rig.open(1);
    rig.exchange(filler, 1, 100, &[look(&[1; 16], 2000)]);
    rig.run();
    rig.collect();
    let leaver = rig.open(2);
    rig.exchange(leaver, 2, 100, &[look(&[2; 16], 2000)]);
    rig.run();
    rig.collect();
    let conn = rig.open(3);
    rig.exchange(conn, 3, 100, &[look(&[3; 16], 2000)]);
    rig.run();
    rig.collect();
    // The turn is free: the first that is held looks, and is gone before it hears of it.
    rig.exchange(filler, 9, 100, &[pass(&[1; 16], 0)]);
    let batch = rig.core.poll_batch(rig.now).unwrap();
    let replies = rig.execute(&batch);
    rig.core.handle_replies(batch.id, Ok(replies), rig.now);
    let batch = rig.core.poll_batch(rig.now).unwrap();
    let replies = rig.execute(&batch);
    rig.core.handle_close(leaver);
    rig.core.handle_replies(batch.id, Ok(replies), rig.now);
    rig.run();
    let answers = words(&mut rig);
    assert_eq!(answers[1..], said(&[(3, "fill")]), "the next one fills");
    assert!(rig.core.is_idle());
}

#[test]
fn who_is_refused_does_not_wait() {
    let mut rig = Rig::new();
    let conn = rig.open(1);
    let full = take(&[1; 16], &[1; 8], 1);
    rig.exchange(
        conn,
        1,
        100,
        &[look(&[1; 16], 2000), Op::LimitTake(vec![full])],
    );
    rig.exchange(
        conn,
        2,
        100,
        &[look(&[2; 16], 2000), Op::LimitTake(vec![full])],
    );
    rig.exchange(conn, 3, 100, &[look(&[3; 16], 2000)]);
    rig.run();
    assert_eq!(words(&mut rig), said(&[(1, "fill"), (2, "miss")]));
    assert_eq!(rig.core.held(), 1);
}

#[test]
fn a_unary_request_is_not_held() {
    let mut rig = Rig::new();
    rig.post(&[look(&[1; 16], 2000)]);
    let answer = rig.post(&[look(&[2; 16], 2000)]);
    let Value::Array(items) = &answer[0] else {
        panic!("{answer:?}");
    };
    assert_eq!(items[0], Value::simple("miss"));
    assert_eq!(items[2], Value::bulk([1; 16]), "and may store");
}

#[test]
fn c11_when_redis_fails_all_who_are_held_go_on() {
    let mut rig = Rig::new();
    crowd(&mut rig, 3);
    rig.now += 250 * MS;
    rig.core.handle_timeout(rig.now);
    let batch = rig.core.poll_batch(rig.now).unwrap();
    assert_eq!(batch.commands.len(), 1, "one looks for all");
    let down = Err(crate::core::BackendError::Down);
    rig.core.handle_replies(batch.id, down, rig.now);
    let answers = words(&mut rig);
    assert_eq!(answers.len(), 3);
    assert!(answers.iter().all(|(_, word)| word.starts_with("Error")));
    assert!(rig.core.is_idle());
}

#[test]
fn an_invalidation_lets_the_next_one_fill() {
    let mut rig = Rig::new();
    let conn = crowd(&mut rig, 2);
    rig.exchange(conn, 100, 1000, &[Op::CacheInvalidate { urls: vec![URL] }]);
    rig.run();
    later(&mut rig, 250 * MS);
    let answers = words(&mut rig);
    assert_eq!(answers[1..], said(&[(2, "fill")]));
    let Op::CachePut(mut put) = cache_put(URL, b"old", &[]) else {
        panic!("no put");
    };
    put.lease = &[1; 16];
    let refused = rig.post(&[Op::CachePut(put)]);
    assert_eq!(refused, [Value::simple("refused")]);
}

#[test]
fn a_caller_that_cancels_is_forgotten() {
    let mut rig = Rig::new();
    rig.core.handle_cancel(RequestId(77));
    let conn = crowd(&mut rig, 2);
    rig.core.handle_close(conn);
    rig.run();
    assert_eq!(rig.core.held(), 0);
    assert!(rig.core.is_idle());
    assert_eq!(rig.core.poll_timeout(), None);
    assert_eq!(rig.core.counters().bug, 0);
}

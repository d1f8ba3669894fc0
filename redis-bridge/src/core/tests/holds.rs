//! Paced requests: the bridge holds their answers.

use super::limits::read;
use super::rig::*;
use crate::core::{AdminOp, AdminReply, Limit, Transmit};
use std::time::Duration;
use tidegate::wire::Op;
use tidegate::wire::op::{Take, TakeOptions};

const MS: Duration = Duration::from_millis(1);

/// 10 per second, so a turn each 100 ms; waits at most 250 ms.
fn paced(subject: &[u8; 16]) -> Take<'_> {
    Take {
        algorithm: b"leaky_bucket",
        window_us: 1_000_000,
        burst: 250_000,
        ..take(subject, &[9; 8], 10)
    }
}

fn ask(rig: &mut Rig, conn: crate::core::ConnId, id: u64, deadline_ms: u32) {
    let op = Op::LimitTake(vec![paced(&[1; 16])]);
    rig.exchange(conn, id, deadline_ms, &[op]);
    rig.run();
}

fn answered(rig: &mut Rig) -> Vec<u64> {
    let sent = rig.collect();
    replies(&sent).into_iter().map(|(_, id, _)| id).collect()
}

#[test]
fn r6_each_answer_waits_for_its_turn_and_the_last_is_denied_at_once() {
    let mut rig = Rig::new();
    let conn = rig.open(1);
    for id in 1..=4 {
        ask(&mut rig, conn, id, 1000);
    }
    let sent = rig.collect();
    let at_once = replies(&sent);
    assert_eq!(
        at_once.iter().map(|(_, id, _)| *id).collect::<Vec<_>>(),
        [1, 4],
        "the first has its turn, the fourth would wait 300 ms"
    );
    assert!(read(&at_once[0].2[0], 1).admitted);
    let denied = read(&at_once[1].2[0], 1);
    assert!(!denied.admitted);
    assert_eq!(denied.limits[0].retry_us, 50_000);
    let begun = rig.now;
    assert_eq!(rig.core.poll_timeout(), Some(begun + 100 * MS));
    rig.now = begun + 100 * MS - Duration::from_micros(1);
    rig.core.handle_timeout(rig.now);
    assert!(answered(&mut rig).is_empty());
    rig.now = begun + 100 * MS;
    rig.core.handle_timeout(rig.now);
    assert_eq!(answered(&mut rig), [2]);
    rig.now = begun + 210 * MS;
    rig.core.handle_timeout(rig.now);
    assert_eq!(answered(&mut rig), [3]);
    assert!(rig.core.is_idle());
    assert_eq!(rig.core.counters().held, 2);
    assert_eq!(rig.core.poll_timeout(), None);
}

#[test]
fn nothing_else_is_held_up() {
    let mut rig = Rig::new();
    let conn = rig.open(1);
    ask(&mut rig, conn, 1, 1000);
    ask(&mut rig, conn, 2, 1000);
    rig.exchange(
        conn,
        3,
        1000,
        &[Op::LimitTake(vec![take(&[1; 16], &[1; 8], 5)])],
    );
    rig.run();
    assert_eq!(answered(&mut rig), [1, 3]);
}

#[test]
fn the_whole_exchange_waits_whatever_else_it_asked() {
    let mut rig = Rig::new();
    let conn = rig.open(1);
    ask(&mut rig, conn, 1, 1000);
    let ops = [
        cache_get(URL),
        Op::LimitTake(vec![paced(&[1; 16]), take(&[1; 16], &[1; 8], 5)]),
    ];
    rig.exchange(conn, 2, 1000, &ops);
    rig.run();
    assert_eq!(answered(&mut rig), [1]);
    rig.now += 100 * MS;
    rig.core.handle_timeout(rig.now);
    let sent = rig.collect();
    let (_, id, values) = &replies(&sent)[0];
    assert_eq!((*id, values.len()), (2, 2));
    let reply = read(&values[1], 2);
    assert_eq!(reply.limits[0].retry_us, 100_000, "how long it had to wait");
}

#[test]
fn who_is_denied_by_another_limit_does_not_wait() {
    let mut rig = Rig::new();
    let conn = rig.open(1);
    ask(&mut rig, conn, 1, 1000);
    let full = take(&[1; 16], &[1; 8], 1);
    rig.exchange(conn, 2, 1000, &[Op::LimitTake(vec![full])]);
    let both = Op::LimitTake(vec![paced(&[1; 16]), full]);
    rig.exchange(conn, 3, 1000, &[both]);
    rig.run();
    let sent = rig.collect();
    let replies = replies(&sent);
    let denied = read(&replies[2].2[0], 2);
    assert!(!denied.admitted);
    assert_eq!(denied.limits[0].retry_us, 0);
}

#[test]
fn a_deadline_before_the_turn_is_a_timeout_not_an_early_answer() {
    let mut rig = Rig::new();
    let conn = rig.open(1);
    ask(&mut rig, conn, 1, 1000);
    ask(&mut rig, conn, 2, 50);
    assert_eq!(answered(&mut rig), [1]);
    rig.now += 50 * MS;
    rig.core.handle_timeout(rig.now);
    let sent = rig.collect();
    assert_eq!(replies(&sent)[0].2, [error("TIMEOUT the deadline passed")]);
    assert!(rig.core.is_idle(), "what was held for it is not kept");
    assert_eq!(rig.core.poll_timeout(), None);
}

#[test]
fn a_stream_that_ends_takes_what_is_held_along() {
    let mut rig = Rig::new();
    let conn = rig.open(1);
    ask(&mut rig, conn, 1, 1000);
    ask(&mut rig, conn, 2, 1000);
    rig.core.handle_close(conn);
    assert!(rig.core.is_idle());
    assert_eq!(rig.core.poll_timeout(), None);
    rig.now += 1000 * MS;
    rig.core.handle_timeout(rig.now);
    assert!(answered(&mut rig).is_empty());
    assert_eq!(rig.core.counters().bug, 0);
}

#[test]
fn l7_a_bridge_that_leaves_still_answers_what_it_holds() {
    let mut rig = Rig::new();
    let conn = rig.open(1);
    ask(&mut rig, conn, 1, 1000);
    ask(&mut rig, conn, 2, 1000);
    rig.core.handle_drain();
    rig.collect();
    assert!(!rig.core.is_idle());
    rig.now += 100 * MS;
    rig.core.handle_timeout(rig.now);
    assert_eq!(answered(&mut rig), [2]);
    assert!(rig.core.is_idle());
}

#[test]
fn what_is_held_counts_against_the_bounds() {
    let mut rig = Rig::new();
    let conn = rig.open(1);
    ask(&mut rig, conn, 1, 1000);
    ask(&mut rig, conn, 2, 1000);
    assert_eq!(rig.core.pending().0, 1);
}

#[test]
fn a_peek_never_waits() {
    let mut rig = Rig::new();
    let conn = rig.open(1);
    for id in 1..=3 {
        ask(&mut rig, conn, id, 1000);
    }
    rig.collect();
    let limit = Limit {
        algorithm: "leaky_bucket".to_owned(),
        subject: [1; 16],
        id: [9; 8],
        limit: 10,
        window_us: 1_000_000,
        burst: 250_000,
        calendar: None,
        overridable: None,
    };
    let AdminReply::Limit(reply) = rig.admin(&AdminOp::LimitPeek(limit)) else {
        panic!("no answer");
    };
    assert_eq!(reply.limits[0].reset_us, 300_000);
    assert_eq!(reply.limits[0].available, 0);
}

#[test]
fn who_paid_for_what_was_done_does_not_wait() {
    let mut rig = Rig::new();
    let conn = rig.open(1);
    for id in 1..=3 {
        ask(&mut rig, conn, id, 1000);
    }
    rig.collect();
    let forced = Take {
        options: TakeOptions {
            force: true,
            ..TakeOptions::default()
        },
        ..paced(&[1; 16])
    };
    rig.exchange(conn, 9, 1000, &[Op::LimitTake(vec![forced])]);
    rig.run();
    assert_eq!(answered(&mut rig), [9]);
}

#[test]
fn on_a_cluster_the_answer_is_held_only_when_all_admit() {
    let mut rig = Rig::cluster();
    let conn = rig.open(1);
    let (a, b) = ([1; 16], [2; 16]);
    let takes = || Op::LimitTake(vec![paced(&a), take(&b, &[1; 8], 2)]);
    for id in 1..=3 {
        rig.exchange(conn, id, 1000, &[takes()]);
        rig.run();
    }
    assert_eq!(
        answered(&mut rig),
        [1, 3],
        "the third is denied by the window"
    );
    rig.now += 100 * MS;
    rig.core.handle_timeout(rig.now);
    assert_eq!(answered(&mut rig), [2]);
    // What the third had taken of the schedule went back.
    rig.exchange(conn, 4, 1000, &[Op::LimitTake(vec![paced(&a)])]);
    rig.run();
    rig.now += 100 * MS;
    rig.core.handle_timeout(rig.now);
    assert_eq!(answered(&mut rig), [4]);
}

#[test]
fn a_unary_request_waits_too() {
    let mut rig = Rig::new();
    let mut body = Vec::new();
    Op::LimitTake(vec![paced(&[1; 16])]).encode(&mut body);
    for request in [1, 2] {
        let request = crate::core::RequestId(1000 + request);
        rig.core.handle_request(request, &body, 1000, None, rig.now);
    }
    rig.run();
    assert_eq!(rig.collect().len(), 1);
    rig.now += 100 * MS;
    rig.core.handle_timeout(rig.now);
    assert!(matches!(&rig.collect()[..], [Transmit::Response { .. }]));
}

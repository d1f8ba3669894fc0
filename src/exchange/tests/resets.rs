//! Streams that are reset while their bridges live (faults.md, D13).

use super::harness::{Harness, config, ms};
use crate::exchange::{CallError, ClientConfig};
use crate::wire::FromBridge;

fn without_fallback() -> ClientConfig {
    ClientConfig {
        fallback_per_second: 0,
        ..config()
    }
}

/// Found by the chaos suite (D13): bridges whose connections were reset in turns, five times a second. Calls
/// that came while no stream was there used the fall-back up and then opened the breaker, and the back-off
/// grew although each stream had served: four of ten decisions were refused.
#[test]
fn d13_resets_by_turns_fail_no_call() {
    for seed in 0..50 {
        let mut h = Harness::new(2, without_fallback(), seed);
        h.run(ms(1_500));
        let (mut calls, mut refused) = (Vec::new(), 0);
        for turn in 0..15 {
            let victim = turn % 2;
            h.kill(victim);
            // Envoy leaves a bridge alone for a second after its resets, but never both.
            h.bridges[1 - victim].up = true;
            for owner in 0..40 {
                match h.submit(owner) {
                    Ok(call) => calls.push(call),
                    Err(_) => refused += 1,
                }
                h.run(ms(5));
            }
        }
        h.run(ms(200));
        let failed = calls
            .iter()
            .filter(|call| !matches!(h.result(**call), Some(Ok(_))));
        assert_eq!((failed.count(), refused), (0, 0), "seed {seed}");
        assert_eq!(h.client.counters().opened, 0);
    }
}

#[test]
fn a_call_waits_for_the_stream_that_replaces_a_lost_one() {
    let mut h = Harness::new(1, without_fallback(), 5);
    h.run(ms(1_500));
    h.close(0);
    h.close(1);
    let waits = h.submit(1).unwrap();
    assert_eq!(h.result(waits), None);
    h.run(ms(60));
    assert_eq!(h.result(waits), Some(&Ok(b"1".to_vec())));
    let counters = h.client.counters();
    assert_eq!((counters.sent, counters.ok, counters.error), (1, 1, 0));
}

/// One that was sent already waits as well, and is not sent a third time.
#[test]
fn x8_a_retry_waits_for_a_stream_and_ends_with_it() {
    let mut h = Harness::new(1, without_fallback(), 5);
    h.run(ms(1_500));
    h.bridges[0].holds = true;
    let call = h.submit(1).unwrap();
    let from = h.now;
    h.close(1);
    h.close(0);
    assert_eq!(h.result(call), None);
    h.run(ms(60));
    assert_eq!(h.exchanges(from).len(), 2, "the first, and once more");
    h.kill(0);
    assert_eq!(h.result(call), Some(&Err(CallError::Closed)));
}

/// A bridge that is gone refuses the first attempts, and nobody waits for it.
#[test]
fn a2_nobody_waits_for_bridges_that_are_gone() {
    for seed in 0..20 {
        let mut h = Harness::new(2, without_fallback(), seed);
        h.run(ms(1_500));
        h.kill(0);
        h.kill(1);
        let first = h.submit(1).unwrap();
        h.run(ms(110));
        assert!(h.result(first).is_some_and(Result::is_err));
        for owner in 2..10 {
            let told = h.submit(owner);
            assert!(
                matches!(told, Err(CallError::Unreachable | CallError::Broken)),
                "seed {seed}: {told:?}"
            );
        }
    }
}

/// And what waits ends in time when attempts hang.
#[test]
fn l1_what_waits_for_a_stream_ends_in_time() {
    let mut h = Harness::new(1, without_fallback(), 5);
    h.run(ms(1_500));
    h.bridges[0].welcomes = false;
    h.close(0);
    h.close(1);
    let call = h.submit(1).unwrap();
    h.run(ms(110));
    assert_eq!(h.result(call), Some(&Err(CallError::Timeout)));
}

/// Found by the simulation (seed 375): a stream that came after a deadline and before the tick that ends such calls was
/// given them, and charged them for nobody.
#[test]
fn x8_what_waited_past_its_deadline_is_not_sent() {
    let mut h = Harness::new(1, without_fallback(), 5);
    h.run(ms(1_500));
    h.bridges[0].welcomes = false;
    h.close(0);
    h.close(1);
    let call = h.submit(1).unwrap();
    h.run(ms(90));
    assert_eq!(h.result(call), None);
    let from = h.now;
    h.now += ms(15);
    let dialled = (0..2).find(|link| h.streams[*link].is_some());
    let welcome = FromBridge::Welcome {
        bridge: b"bridge-0",
        time_us: 0,
    };
    h.say(dialled.unwrap(), &welcome);
    assert!(h.client.is_linked(), "the stream came first");
    assert_eq!(h.exchanges(from), []);
    h.tick();
    assert_eq!(h.result(call), Some(&Err(CallError::Timeout)));
}

/// The dials that are left are for decisions when they have no stream.
#[test]
fn l6_the_last_dial_is_not_for_a_stream_that_can_wait() {
    let mut h = Harness::new(1, without_fallback(), 5);
    h.run(ms(1_500));
    for _ in 0..20 {
        assert!(h.streams[2].is_none() || h.background(1, b"answered"));
        h.settle();
        h.close(2);
        h.run(ms(60));
    }
    let from = h.now;
    h.close(0);
    h.close(1);
    h.run(ms(60));
    assert!(
        h.dials.iter().any(|(at, link)| *at >= from && *link != 2),
        "{:?}",
        h.dials
    );
    assert!(h.client.is_linked());
}

/// invariants.md, L6: the back-off begins anew with a reply, not with a welcome.
#[test]
fn l6_a_stream_that_answered_is_replaced_at_once() {
    for seed in 0..20 {
        let mut h = Harness::new(2, without_fallback(), seed);
        h.run(ms(1_500));
        for owner in 0..20 {
            h.close(0);
            h.run(ms(300));
            assert!(h.streams[0].is_some(), "seed {seed}, time {owner}");
            let call = h.submit(owner).unwrap();
            assert_eq!(h.result(call), Some(&Ok(owner.to_string().into_bytes())));
            h.run(ms(100));
        }
    }
}

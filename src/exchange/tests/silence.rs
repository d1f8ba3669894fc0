//! Pings, silence, and the stalls of our own thread.

use super::harness::{Harness, config, ms};
use crate::wire::ToBridge;
use core::time::Duration;

#[test]
fn each_link_is_pinged_with_growing_numbers() {
    let mut h = Harness::linked(2);
    let from = h.now;
    h.run(ms(3_000));
    for link in 0..3 {
        let seqs: Vec<u64> = h
            .sent
            .iter()
            .filter(|(at, on, _)| *on == link && *at > from)
            .flat_map(|(.., message)| ToBridge::decode_all(message).unwrap())
            .filter_map(|frame| match frame {
                ToBridge::Ping { seq } => Some(seq),
                _ => None,
            })
            .collect();
        assert!(
            (18..=21).contains(&seqs.len()),
            "{} pings in 3 s",
            seqs.len()
        );
        assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1));
    }
}

/// faults.md, A3 and D3.
#[test]
fn a3_a_frozen_bridge_is_given_up_within_500_ms() {
    for phase in 0..15 {
        let mut h = Harness::linked(2);
        h.run(ms(phase * 10));
        let (frozen, lost) = (h.bridge_of(0).unwrap(), h.client.counters().lost);
        let on_it = (0..3)
            .filter(|link| h.bridge_of(*link) == Some(frozen))
            .count() as u64;
        h.bridges[frozen].frozen = true;
        h.run(ms(500));
        assert!(h.client.counters().lost >= lost + on_it, "phase {phase}");
        assert!(h.client.is_linked());
    }
}

/// Found by reading: five timeouts on the frozen bridge opened the breaker, so calls that the other
/// bridge would have answered were refused for a second.
#[test]
fn a3_calls_move_to_the_other_bridge_as_soon_as_one_times_out() {
    let mut h = Harness::linked(2);
    let frozen = h.bridge_of(0).unwrap();
    h.bridges[frozen].frozen = true;
    let from = h.now;
    let (mut failed_after, mut failed) = (Duration::ZERO, 0);
    let mut calls = Vec::new();
    for owner in 0..400 {
        calls.push((h.now, h.submit(owner)));
        h.run(ms(10));
    }
    h.run(ms(200));
    for (at, call) in calls {
        if !matches!(call.map(|call| h.result(call)), Ok(Some(Ok(_)))) {
            failed += 1;
            failed_after = at - from;
        }
    }
    assert!(
        failed <= 12 && failed_after <= ms(120),
        "{failed} up to {failed_after:?}"
    );
    assert_eq!(h.client.counters().opened, 0);
    // It comes back: what was held there is nobody's.
    h.bridges[frozen].frozen = false;
    h.release(frozen);
    h.run(ms(1_000));
    assert_eq!(h.client.counters().ok + failed, 400);
}

#[test]
fn a3_late_answers_of_a_bridge_that_wakes_go_to_nobody() {
    let mut h = Harness::linked(1);
    h.bridges[0].frozen = true;
    let call = h.submit(1).unwrap();
    h.run(ms(200));
    assert!(h.result(call).unwrap().is_err());
    h.bridges[0].frozen = false;
    let late = h.client.counters().late;
    h.release(0);
    assert_eq!(h.client.counters().late, late + 1);
    h.result(call);
}

#[test]
fn silence_while_our_own_thread_stood_still_is_no_silence() {
    for stalls in 1..=3 {
        for stall in [160, 450, 460, 5_000, 60_000] {
            let mut h = Harness::linked(2);
            let lost = h.client.counters().lost;
            for _ in 0..stalls {
                // What the bridges say stays queued: two timers may fire before it is read.
                h.bridges.iter_mut().for_each(|bridge| bridge.frozen = true);
                h.stall(ms(stall));
            }
            h.bridges
                .iter_mut()
                .for_each(|bridge| bridge.frozen = false);
            h.settle();
            h.run(ms(1_000));
            assert_eq!(
                h.client.counters().lost,
                lost,
                "{stalls} stalls of {stall} ms"
            );
        }
    }
}

/// Found by reading: a stall of our own thread made a stream look as if nobody welcomed it.
#[test]
fn a_welcome_that_waits_behind_our_own_stall_counts() {
    let mut h = Harness::new(1, config(), 1);
    h.bridges[0].frozen = true;
    h.run(ms(20));
    h.stall(ms(3_000));
    assert_eq!(h.client.counters().lost, 0);
}

/// Found by reading: with ticks further apart than pings, each tick excused the silence of a bridge
/// that was dead.
#[test]
fn f7_a_dead_bridge_is_found_with_coarse_ticks_too() {
    let mut h = Harness::linked(1);
    h.bridges[0].frozen = true;
    let lost = h.client.counters().lost;
    for _ in 0..8 {
        h.stall(ms(200));
    }
    assert!(h.client.counters().lost >= lost + 3);
}

#[test]
fn a_stall_of_our_own_thread_does_not_open_the_breaker() {
    let mut h = Harness::linked(1);
    h.bridges[0].holds = true;
    for owner in 0..20 {
        h.submit(owner).unwrap();
    }
    h.stall(ms(2_000));
    assert_eq!(h.client.counters().timeout, 0, "answers may be there");
    h.run(ms(10));
    assert_eq!(h.client.counters().timeout, 20);
    assert_eq!(h.client.counters().opened, 0);
    h.bridges[0].holds = false;
    let call = h.submit(99).unwrap();
    assert_eq!(h.result(call), Some(&Ok(b"99".to_vec())));
}

/// The timer of a thread that stood still may fire before it reads what bridges have said meanwhile.
#[test]
fn x3_an_answer_that_came_while_our_thread_stood_still_is_taken() {
    for (stalled, taken) in [(40, false), (60, true), (120, true)] {
        let mut h = Harness::linked(1);
        h.bridges[0].holds = true;
        let call = h.submit(7).unwrap();
        h.run(ms(90));
        // It falls due ten milliseconds from now.
        h.now += ms(stalled);
        let expired = h.client.handle_tick(h.now);
        assert_eq!(expired.is_empty(), taken, "{stalled} ms");
        h.collect(expired);
        h.release(0);
        let answered = h.result(call) == Some(&Ok(b"7".to_vec()));
        assert_eq!(answered, taken, "{stalled} ms");
        h.run(ms(20));
        assert!(h.result(call).is_some(), "it ends all the same");
    }
}

/// A bridge that holds an answer back says so, and is waited for; one that says nothing is not.
#[test]
fn l1_a_call_that_is_held_is_waited_for_as_long_as_the_bridge_says() {
    let mut h = Harness::linked(2);
    let link = h.bridge_of(0).unwrap();
    h.bridges[link].frozen = true;
    let held = h.submit(1).unwrap();
    let silent = h.submit(2).unwrap();
    let mut message = Vec::new();
    crate::wire::FromBridge::Held {
        id: held.0,
        ms: 200,
    }
    .encode(&mut message);
    h.client.handle_message(0, &message, h.now);
    let mut ended = Vec::new();
    for _ in 0..40 {
        h.now += ms(10);
        for answer in h.client.handle_tick(h.now) {
            ended.push((answer.call, h.now));
        }
        // It lives, or its stream would be given up.
        h.client.handle_message(0, &pong(), h.now);
    }
    let at = |call| ended.iter().find(|(of, _)| *of == call).map(|(_, at)| *at);
    let (held, silent) = (at(held).unwrap(), at(silent).unwrap());
    assert_eq!(held - silent, ms(200), "{held:?} {silent:?}");
}

fn pong() -> Vec<u8> {
    let mut message = Vec::new();
    crate::wire::FromBridge::Pong { seq: 1, time_us: 1 }.encode(&mut message);
    message
}

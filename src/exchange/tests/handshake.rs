//! How streams begin, spread and end in good order.

use super::harness::{Harness, TIMEOUT, config, ms};
use crate::exchange::CallError;
use crate::wire::frame::Hello;
use crate::wire::{FromBridge, PROTOCOL, ToBridge};
use core::time::Duration;

#[test]
fn the_first_message_of_each_stream_says_who_runs_what() {
    let h = Harness::linked(2);
    for link in 0..3 {
        let first = h.sent.iter().find(|(_, on, _)| *on == link).unwrap();
        let hello = ToBridge::Hello(Hello {
            protocol: PROTOCOL,
            namespace: b"tg",
            node: b"node-1",
            worker: u64::MAX,
            version: env!("CARGO_PKG_VERSION").as_bytes(),
            digest: b"abc",
        });
        assert_eq!(ToBridge::decode_all(&first.2), Ok(vec![hello]));
    }
}

#[test]
fn nothing_is_sent_on_a_stream_before_it_is_welcomed() {
    let mut h = Harness::new(1, config(), 1);
    h.bridges[0].welcomes = false;
    h.run(ms(50));
    let call = h.submit(1).unwrap();
    assert!(h.exchanges(Duration::ZERO).is_empty());
    assert_eq!(h.posts[0].0, call);
}

#[test]
fn a_stream_that_is_not_welcomed_is_given_up_after_a_second() {
    let mut h = Harness::new(1, config(), 1);
    h.bridges[0].welcomes = false;
    h.run(ms(1_000));
    assert_eq!(h.dials.len(), 3);
    h.run(ms(200));
    assert!(h.dials.len() > 3);
    assert!(h.client.counters().lost >= 3);
}

#[test]
fn a_refusal_is_told_once_and_backed_off() {
    let mut h = Harness::new(1, config(), 1);
    h.bridges[0].refuses = Some("namespace is tg2 here");
    h.run(ms(20));
    assert_eq!(
        h.client.take_refusal().as_deref(),
        Some("namespace is tg2 here")
    );
    assert_eq!(h.client.take_refusal(), None);
    assert!(!h.client.is_linked());
    h.run(ms(10_000));
    assert!(h.dials.len() < 105, "{}", h.dials.len());
}

#[test]
fn two_bridges_get_one_decision_link_each() {
    for seed in 0..50 {
        let mut h = Harness::new(2, config(), seed);
        h.run(ms(1_500));
        assert_ne!(h.bridge_of(0), h.bridge_of(1), "seed {seed}");
    }
}

#[test]
fn one_bridge_gets_all_links_and_few_dials() {
    let mut h = Harness::linked(1);
    assert!(h.dials.len() <= 6, "{}", h.dials.len());
    let before = h.dials.len();
    h.run(ms(60_000));
    // Another bridge is looked for every ten seconds, four dials each time.
    assert!(h.dials.len() - before <= 30, "{}", h.dials.len());
    assert_eq!(h.client.counters().lost, 0);
}

/// faults.md, A9.
#[test]
fn a9_after_a_bridge_returns_links_spread_again_within_30_s() {
    let mut h = Harness::linked(2);
    h.kill(1);
    h.run(ms(2_000));
    assert_eq!(h.bridge_of(0), h.bridge_of(1));
    h.bridges[1].up = true;
    h.run(ms(30_000));
    assert_ne!(h.bridge_of(0), h.bridge_of(1));
}

/// Found by reading: a link was dialled again only when it was idle at a tick, which the one that takes
/// the load never is.
#[test]
fn a9_links_spread_again_under_load_too_and_no_call_fails() {
    let mut h = Harness::linked(2);
    let lost = h.bridge_of(0).unwrap();
    h.kill(lost);
    h.run(ms(2_000));
    assert_eq!(h.bridge_of(0), h.bridge_of(1));
    h.bridges[lost].up = true;
    let mut calls = Vec::new();
    let mut held: Option<usize> = None;
    for owner in 0..3_000 {
        // One call is always pending on the link in use.
        h.bridges.iter_mut().for_each(|bridge| bridge.holds = true);
        calls.push(h.submit(owner).unwrap());
        if held.replace(calls.len()).is_some() {
            let done = calls[calls.len() - 2];
            for stream in h.streams.iter_mut().flatten() {
                if let Some(at) = stream.held.iter().position(|(id, ..)| *id == done.0) {
                    let (id, count, text) = stream.held.remove(at);
                    super::harness::reply(&mut stream.out, id, count, &text);
                }
            }
            h.settle();
        }
        h.run(ms(10));
    }
    assert_ne!(h.bridge_of(0), h.bridge_of(1));
    h.release(0);
    h.release(1);
    for (owner, call) in calls.into_iter().enumerate() {
        assert_eq!(h.result(call), Some(&Ok(owner.to_string().into_bytes())));
    }
}

#[test]
fn bye_moves_new_calls_and_what_is_pending_is_still_answered() {
    let mut h = Harness::linked(2);
    h.bridges.iter_mut().for_each(|bridge| bridge.holds = true);
    let before = h.submit(1).unwrap();
    let (first, leaving) = (h.exchanges(Duration::ZERO)[0].0, h.bridge_of(0).unwrap());
    assert_eq!(first, 0);
    h.say(0, &FromBridge::Bye);
    let after = h.submit(2).unwrap();
    assert_eq!(h.exchanges(Duration::ZERO)[1].0, 1);
    h.run(ms(20));
    assert_eq!(
        h.bridge_of(0),
        Some(leaving),
        "kept while a call is pending"
    );
    h.release(leaving);
    assert_eq!(h.result(before), Some(&Ok(b"1".to_vec())));
    h.release(1 - leaving);
    assert_eq!(h.result(after), Some(&Ok(b"2".to_vec())));
    let dials = h.dials.len();
    h.run(ms(100));
    assert!(h.dials.len() > dials, "another stream is opened");
    assert_eq!(
        (h.client.counters().retried, h.client.counters().lost),
        (0, 0)
    );
}

/// Found by a rolling restart: when the bridges of all streams left at once, every stream was closed
/// before another one was open; calls fell back until that was used up, and the breaker opened.
#[test]
fn when_all_bridges_leave_a_stream_is_kept_until_another_one_is_welcomed() {
    let mut h = Harness::linked(2);
    h.bridges.iter_mut().for_each(|bridge| bridge.up = false);
    h.say(0, &FromBridge::Bye);
    h.say(1, &FromBridge::Bye);
    let mut calls = Vec::new();
    let mut ask = |h: &mut Harness, times: u32| {
        for owner in 0..times {
            calls.push((h.submit(owner).unwrap(), owner));
            h.run(ms(10));
        }
    };
    // Nowhere else to go: one of the two still answers.
    ask(&mut h, 100);
    assert!(h.client.is_linked());
    assert!(h.bridge_of(0).is_some() != h.bridge_of(1).is_some());
    // Now there is: both streams move there, and no call was lost.
    h.bridges.iter_mut().for_each(|bridge| bridge.up = true);
    ask(&mut h, 200);
    assert!(h.bridge_of(0).is_some() && h.bridge_of(1).is_some());
    for (call, owner) in calls {
        assert_eq!(h.result(call), Some(&Ok(owner.to_string().into_bytes())));
    }
    assert!(h.posts.is_empty());
    assert_eq!(h.client.counters().retried, 0);
}

/// Found by swapping policies under load: a fresh VM's first calls used the fall-back up and opened the
/// breaker, while its first stream was being opened.
#[test]
fn the_first_calls_wait_for_the_first_stream() {
    let mut h = Harness::new(2, config(), 3);
    let calls: Vec<_> = (0..100).map(|owner| h.submit(owner).unwrap()).collect();
    let posts = h.posts.len();
    assert!(posts < 30, "the fall-back is as bounded as ever");
    h.run(ms(20));
    for (owner, call) in calls.into_iter().enumerate().skip(posts) {
        assert_eq!(h.result(call), Some(&Ok(owner.to_string().into_bytes())));
    }
    let counters = h.client.counters();
    assert_eq!(
        (counters.opened, counters.error, counters.retried),
        (0, 0, 0)
    );
}

#[test]
fn the_first_calls_end_with_the_first_streams_when_none_can_be_opened() {
    let mut h = Harness::new(2, config(), 3);
    h.bridges.iter_mut().for_each(|bridge| bridge.up = false);
    let calls: Vec<_> = (0..100).map(|owner| h.submit(owner).unwrap()).collect();
    let posts = h.posts.len();
    h.run(ms(10));
    for call in calls.into_iter().skip(posts) {
        assert_eq!(h.result(call), Some(&Err(CallError::Unreachable)));
    }
    // And nobody waits again.
    assert!((0..100).any(|owner| h.submit(owner).is_err()));
    h.run(ms(10));
}

/// One bridge is dead: who reaches the other one decides.
#[test]
fn the_first_calls_wait_as_long_as_one_stream_may_come() {
    let mut h = Harness::new(1, config(), 3);
    h.bridges[0].welcomes = false;
    let calls: Vec<_> = (0..60).map(|owner| h.submit(owner).unwrap()).collect();
    let posts = h.posts.len();
    h.run(ms(20));
    h.close(0);
    assert_eq!(h.result(calls[posts]), None);
    let (mut out, bridge) = (Vec::new(), &b"b"[..]);
    FromBridge::Welcome { bridge, time_us: 0 }.encode(&mut out);
    h.message(1, &out);
    h.run(ms(10));
    for call in calls.into_iter().skip(posts) {
        assert!(h.result(call).is_some_and(Result::is_ok));
    }
}

/// Found by reading: BYE before WELCOME was forgotten, and the link used.
#[test]
fn a_bridge_that_leaves_before_it_welcomes_is_not_used() {
    let mut h = Harness::new(1, config(), 1);
    h.bridges[0].welcomes = false;
    h.run(ms(20));
    let (mut out, bridge) = (Vec::new(), &b"b"[..]);
    FromBridge::Bye.encode(&mut out);
    FromBridge::Welcome { bridge, time_us: 0 }.encode(&mut out);
    h.message(0, &out);
    assert!(!h.client.is_linked());
}

/// Found by reading: a second WELCOME could replace a live stream's state, and the calls pending on it
/// were neither answered nor retried.
#[test]
fn a_second_welcome_ends_the_stream_and_its_calls_move() {
    let mut h = Harness::linked(2);
    h.bridges.iter_mut().for_each(|bridge| bridge.holds = true);
    let call = h.submit(1).unwrap();
    let other = format!("bridge-{}", h.bridge_of(1).unwrap());
    let bridge = other.as_bytes();
    h.say(0, &FromBridge::Welcome { bridge, time_us: 0 });
    assert_eq!(h.client.counters().malformed, 1);
    assert_eq!(h.exchanges(Duration::ZERO), [(0, call.0), (1, call.0)]);
    h.release(0);
    h.release(1);
    assert_eq!(h.result(call), Some(&Ok(b"1".to_vec())));
}

/// Found by reading: WELCOME made a link without a stream usable.
#[test]
fn what_a_given_up_stream_still_says_changes_nothing() {
    let mut h = Harness::linked(2);
    for link in 0..3 {
        h.close(link);
    }
    let mut out = Vec::new();
    let bridge = &b"b"[..];
    FromBridge::Welcome { bridge, time_us: 5 }.encode(&mut out);
    let (lost, late) = (h.client.counters().lost, h.client.counters().late);
    for link in 0..3 {
        h.message(link, &out);
        h.message(link, b"garbage");
    }
    assert!(!h.client.is_linked());
    assert_eq!(h.client.counters().lost, lost);
    assert_eq!(h.client.counters().late, late + 6);
    assert_eq!(h.client.fleet_time_us(h.now), None);
    // Nor is a stream greeted that nobody wants any more.
    h.client.handle_opened(0);
    h.client.handle_opened(99);
    assert_eq!(h.client.poll_transmit(), None);
}

#[test]
fn an_impossible_link_is_ignored() {
    let mut h = Harness::linked(1);
    h.message(3, b"*1\r\n+BYE\r\n");
    assert!(h.client.handle_closed(usize::MAX, h.now).is_empty());
    assert!(h.submit(1).is_ok());
}

#[test]
fn fleet_time_is_redis_clock_as_last_heard() {
    let mut h = Harness::new(1, config(), 1);
    assert_eq!(h.client.fleet_time_us(h.now), None);
    h.run(ms(300));
    assert_eq!(
        h.client.fleet_time_us(h.now),
        None,
        "Redis is not reachable"
    );
    h.redis_us = 1_700_000_000_000_000;
    h.run(ms(160));
    let at = h.sent.last().unwrap().0;
    assert_eq!(h.client.fleet_time_us(at), Some(h.redis_us));
    assert_eq!(
        h.client.fleet_time_us(at + ms(250)),
        Some(h.redis_us + 250_000)
    );
    // A failover to a Redis whose clock is behind.
    h.redis_us -= 1_000_000;
    h.run(ms(160));
    let at = h.sent.last().unwrap().0;
    assert_eq!(h.client.fleet_time_us(at), Some(h.redis_us));
    h.redis_us = 0;
    h.run(ms(300));
    assert!(
        h.client.fleet_time_us(h.now).is_some(),
        "unknown is not zero"
    );
}

#[test]
fn the_deadline_travels_with_the_exchange() {
    let mut h = Harness::linked(1);
    h.submit(1).unwrap();
    let (.., message) = h.sent.last().unwrap();
    let frames = ToBridge::decode_all(message).unwrap();
    assert!(matches!(
        frames[..],
        [ToBridge::Exchange {
            deadline_ms: 100,
            ..
        }]
    ));
    assert_eq!(TIMEOUT, ms(100));
}

#[test]
fn garbage_ends_the_stream_and_pending_calls_move() {
    let mut h = Harness::linked(2);
    h.bridges.iter_mut().for_each(|bridge| bridge.holds = true);
    let call = h.submit(1).unwrap();
    h.message(0, b"*1\r\n+BYE\r\n*9\r\n");
    assert_eq!(h.exchanges(Duration::ZERO).len(), 2);
    h.message(1, b"\xff");
    assert_eq!(h.result(call), Some(&Err(CallError::Closed)));
    assert_eq!(h.client.counters().malformed, 2);
}

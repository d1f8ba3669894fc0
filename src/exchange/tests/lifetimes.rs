//! Streams that do not live for long because somebody between ends them (faults.md, E7).

use super::harness::{Harness, config, ms};
use crate::exchange::{CallId, ClientConfig, LINKS};
use core::time::Duration;

/// What is between the worker and its bridges ends each stream at this age (Envoy: `max_stream_duration`).
struct Ends {
    age: Duration,
}

impl Ends {
    fn step(&self, h: &mut Harness) {
        for link in 0..LINKS {
            let mut dials = h.dials.iter().rev();
            let opened = dials.find(|(_, dialled)| *dialled == link);
            let due = opened.is_some_and(|(at, _)| h.now >= *at + self.age);
            if due && h.streams[link].is_some() {
                h.close(link);
            }
        }
        h.settle();
    }
}

/// Found by the chaos suite (E7): both streams of a worker's decisions were opened in one moment and ended in one
/// moment, so a call that moved from the first to the second was lost there, and five in a row opened the breaker.
#[test]
fn e7_streams_that_are_ended_at_an_age_fail_no_call() {
    for seed in 0..50 {
        let (failed, h) = under_load(seed, ms(1_000));
        let counters = h.client.counters();
        assert_eq!(failed, 0, "seed {seed}: {counters:?}");
        assert!(counters.retried > 0 && counters.lost > 50, "{counters:?}");
    }
}

/// Nor when the age is so great that what began together does not drift apart.
#[test]
fn e7_the_first_end_is_no_common_end() {
    for seed in 0..20 {
        let (failed, h) = under_load(seed, ms(8_000));
        assert_eq!(failed, 0, "seed {seed}: {:?}", h.client.counters());
    }
}

/// And they are put apart once, not for ever.
#[test]
fn l6_streams_that_are_apart_stay() {
    for seed in 0..20 {
        let mut h = Harness::new(2, config(), seed);
        h.run(ms(2_000));
        let dials = h.dials.len();
        h.run(ms(60_000));
        assert_eq!(h.dials.len(), dials, "seed {seed}");
    }
}

/// 250 requests a second for 20 s, each answered within 3 ms. How many failed.
fn under_load(seed: u64, age: Duration) -> (usize, Harness) {
    let without = ClientConfig {
        fallback_per_second: 0,
        ..config()
    };
    let mut h = Harness::new(2, without, seed);
    let ends = Ends { age };
    h.run(ms(500));
    h.bridges.iter_mut().for_each(|bridge| bridge.holds = true);
    let mut calls = Vec::new();
    for step in 0..20_000_u32 {
        h.now += ms(1);
        if step % 10 == 0 {
            h.tick();
        }
        ends.step(&mut h);
        if step % 4 == 0 {
            calls.push(h.submit(step).ok());
        }
        if step % 3 == 0 {
            h.release(0);
            h.release(1);
        }
    }
    h.run(ms(200));
    let good =
        |call: &Option<CallId>| call.is_some_and(|call| matches!(h.result(call), Some(Ok(_))));
    (calls.iter().filter(|call| !good(call)).count(), h)
}

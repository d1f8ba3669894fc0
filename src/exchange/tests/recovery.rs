//! Bridges that were gone are back (faults.md, A2; invariants.md, L2 and L5).

use super::harness::{Harness, bulk, config, ms};
use crate::exchange::{CallError, CallId, Owner};
use core::time::Duration;

/// More than the fall-back carries (200 a second): all is well when there are streams.
const REQUESTS_PER_TICK: u32 = 4;

impl Harness {
    /// Requests for a while; unary calls are answered by bridges that are up. When the last one failed.
    fn load(&mut self, time: Duration) -> Option<Duration> {
        let until = self.now + time;
        let (mut calls, mut failed) = (Vec::new(), None);
        while self.now < until {
            for owner in 0..REQUESTS_PER_TICK {
                match self.submit(owner) {
                    Ok(call) => calls.push((self.now, call)),
                    Err(_) => failed = Some(self.now),
                }
            }
            self.answer_posts();
            self.run(ms(10));
        }
        let bad = |call: &CallId| self.result(*call).is_some_and(Result::is_err);
        let late = calls
            .iter()
            .filter(|(_, call)| bad(call))
            .map(|(at, _)| *at);
        failed.max(late.max())
    }

    fn answer_posts(&mut self) {
        let up = self.bridges.iter().any(|bridge| bridge.up);
        for (call, ..) in core::mem::take(&mut self.posts) {
            let body = bulk(b"unary");
            self.posted(call, up.then_some(body.as_slice()));
        }
    }

    fn both_are_gone(seed: u64, gone: Duration) -> Self {
        let mut h = Self::new(2, config(), seed);
        h.run(ms(1_500));
        h.kill(0);
        h.kill(1);
        h.load(gone);
        assert_eq!(h.client.counters().opened, 1);
        h
    }

    fn are_back(&mut self) {
        for bridge in &mut self.bridges {
            bridge.up = true;
        }
    }
}

/// L2 has 1.5 s for all of it. Three probes a quarter of a second apart are half a second, and the first one may have to
/// wait for 0.3 s. Streams are there before that, whatever their back-off has become (0.6 s at most).
#[test]
fn a2_all_is_well_as_soon_as_three_probes_are_good() {
    for seed in 0..200 {
        let mut h = Harness::both_are_gone(seed, ms(3_000));
        h.are_back();
        let back = h.now;
        let failed = h.load(ms(3_000)).unwrap_or(back) - back;
        assert!(failed <= ms(850), "seed {seed}: {failed:?}");
        assert_eq!(h.client.counters().opened, 1, "seed {seed}");
    }
}

/// Found by the chaos suite: a worker that nobody asked after the bridges came back refused the burst that ended its
/// rest, 1.4 s later.
#[test]
fn a2_a_worker_without_requests_finds_out_by_itself() {
    for seed in 0..200 {
        let mut h = Harness::both_are_gone(seed, ms(1_000));
        h.run(ms(2_000));
        h.are_back();
        h.run(ms(1_500));
        for owner in 0..20 {
            let asked = h.submit(owner);
            assert!(asked.is_ok(), "seed {seed}: {asked:?}");
        }
        let counters = h.client.counters();
        assert_eq!(counters.opened, 1, "seed {seed}");
    }
}

/// Redis is frozen: bridges say that they live, and answer nothing.
#[test]
fn l5_with_requests_and_without_there_is_one_probe_in_a_quarter_of_a_second() {
    for (seed, asks) in [(1, false), (2, true), (3, false), (4, true)] {
        let mut h = Harness::new(2, config(), seed);
        h.run(ms(1_500));
        for bridge in &mut h.bridges {
            bridge.holds = true;
        }
        for owner in 0..10 {
            let _call = h.submit(owner);
        }
        h.run(ms(200));
        assert_eq!(h.client.counters().opened, 1);
        let from = h.now;
        for _ in 0..300 {
            let asked = asks.then(|| h.submit(1));
            assert!(matches!(asked, None | Some(Ok(_) | Err(CallError::Broken))));
            h.run(ms(10));
        }
        let probes = h.exchanges(from).len();
        assert!((8..=12).contains(&probes), "{probes} in 3 s");
        assert_eq!(h.client.counters().opened, 1);
        let requests = h.ended.iter().filter(|(owner, ..)| *owner != Owner::Client);
        let timeouts = h.client.counters().timeout;
        assert_eq!(
            requests.count() as u64,
            timeouts,
            "only requests are counted"
        );
    }
}

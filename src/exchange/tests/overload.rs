//! Bridges that can do what is asked of them, if it is not asked all at once (faults.md, M8).

use super::harness::{Harness, config, ms};
use crate::exchange::{Owner, SplitMix64};
use core::time::Duration;
use std::collections::BTreeMap;

/// New visitors each ten milliseconds, and what the bridge answers in that time.
const VISITORS: u32 = 3;
const CAPACITY: usize = 4;
/// How often who fails tries again, each time within half a second.
const RETRIES: u32 = 3;
const MOMENT_MS: u64 = 500;

/// People who ask until they are answered or have tried often enough, as [`Owner::Context`]s by number.
#[derive(Default)]
struct Crowd {
    came: u32,
    /// When somebody asks again, milliseconds: who, and for which time.
    again: BTreeMap<u64, Vec<(u32, u32)>>,
    /// Who waits for an answer, with how often that was.
    asks: BTreeMap<u32, u32>,
    good: u32,
}

impl Crowd {
    /// Ten milliseconds of everybody; the bridge answers so many, in the order they came.
    fn pass(&mut self, h: &mut Harness, capacity: usize, random: &mut SplitMix64) {
        let now_ms = h.now.as_millis() as u64;
        let later = self.again.split_off(&now_ms);
        let again = std::mem::replace(&mut self.again, later);
        let new = (self.came..self.came + VISITORS).map(|visitor| (visitor, 0));
        self.came += VISITORS;
        for (visitor, tried) in again.into_values().flatten().chain(new) {
            match h.submit(visitor) {
                Ok(_) => drop(self.asks.insert(visitor, tried + 1)),
                Err(_) => self.fails(visitor, tried + 1, now_ms, random),
            }
        }
        h.serve(capacity);
        h.run(ms(10));
        for (owner, _, result) in std::mem::take(&mut h.ended) {
            let Owner::Context(visitor) = owner else {
                continue;
            };
            let tried = self.asks.remove(&visitor).expect("who asked");
            match result {
                Ok(_) => self.good += 1,
                Err(_) => self.fails(visitor, tried, now_ms, random),
            }
        }
    }

    fn fails(&mut self, visitor: u32, tried: u32, now_ms: u64, random: &mut SplitMix64) {
        if tried <= RETRIES {
            let at_ms = now_ms + 1 + random.below(MOMENT_MS);
            self.again.entry(at_ms).or_default().push((visitor, tried));
        }
    }

    /// Who was answered in this time, of a hundred who came.
    fn goodput(
        &mut self,
        h: &mut Harness,
        time: Duration,
        capacity: usize,
        random: &mut SplitMix64,
    ) -> u32 {
        let (came, good) = (self.came, self.good);
        let until = h.now + time;
        while h.now < until {
            self.pass(h, capacity, random);
        }
        (self.good - good) * 100 / (self.came - came)
    }
}

impl Harness {
    /// The bridge answers so many of what it holds, the oldest first, whether somebody still waits or not.
    fn serve(&mut self, capacity: usize) {
        let mut held: Vec<(u64, usize)> = Vec::new();
        for (link, stream) in self.streams.iter().enumerate() {
            let ids = stream.iter().flat_map(|stream| &stream.held);
            held.extend(ids.map(|(id, ..)| (*id, link)));
        }
        held.sort_unstable();
        for (id, link) in held.into_iter().take(capacity) {
            self.answer(link, id);
        }
        self.settle();
    }
}

/// Found by the chaos suite: three good probes let everything through, four times as much as otherwise, it queued until
/// nobody waited for what was answered, and the breaker opened again: a quarter was served, for ever.
#[test]
fn m8_a_breaker_that_closes_lets_out_what_is_answered_in_time() {
    for seed in 0..20 {
        let mut h = Harness::new(1, config(), seed);
        h.run(ms(1_500));
        h.bridges[0].holds = true;
        let (mut crowd, mut random) = (Crowd::default(), SplitMix64::new(seed));
        assert_eq!(crowd.goodput(&mut h, ms(2_000), CAPACITY, &mut random), 100);
        assert_eq!(h.client.counters().opened, 0);
        crowd.goodput(&mut h, ms(2_000), 0, &mut random);
        assert_eq!(h.client.counters().opened, 1, "seed {seed}");
        crowd.goodput(&mut h, ms(2_000), CAPACITY, &mut random);
        let after = crowd.goodput(&mut h, ms(10_000), CAPACITY, &mut random);
        assert!(after >= 99, "seed {seed}: {after} of a hundred");
    }
}

/// All of a burst is answered by bridges that are well: what does not go out at once goes as the first are answered.
#[test]
fn l2_a_burst_right_after_the_breaker_has_closed_is_answered() {
    for seed in 0..50 {
        let mut h = Harness::new(2, config(), seed);
        h.run(ms(1_500));
        h.kill(0);
        h.kill(1);
        for owner in 0..10 {
            let _refused = h.submit(owner);
        }
        h.run(ms(500));
        assert_eq!(h.client.counters().opened, 1);
        h.bridges.iter_mut().for_each(|bridge| bridge.up = true);
        h.run(ms(1_500));
        h.ended.clear();
        for owner in 0..500 {
            assert!(h.submit_text(owner, b"x").is_ok(), "seed {seed}: {owner}");
        }
        h.settle();
        let good = h.ended.iter().filter(|(.., result)| result.is_ok());
        assert_eq!(good.count(), 500, "seed {seed}");
    }
}

/// Whose turn does not come in time ends in time, and is no failure of the bridges.
#[test]
fn l1_who_waits_for_a_turn_ends_in_time_and_tells_the_breaker_nothing() {
    let mut h = Harness::new(1, config(), 1);
    h.run(ms(1_500));
    h.kill(0);
    for owner in 0..10 {
        let _refused = h.submit(owner);
    }
    h.bridges[0].up = true;
    h.run(ms(2_000));
    h.bridges[0].holds = true;
    let calls: Vec<_> = (0..200).map(|owner| h.submit(owner).unwrap()).collect();
    let out = h.exchanges(h.now).len();
    assert!((8..100).contains(&out), "{out} of 200 are out");
    // Those that are out are answered late enough to leave no turn to the others.
    h.run(ms(90));
    h.serve(out);
    let from = h.now;
    let newest = h.exchanges(from);
    assert_eq!(newest.len(), out, "each answer is the next one's turn");
    assert!(
        newest.iter().all(|(_, id)| *id > calls[100].0),
        "the newest go next"
    );
    h.run(ms(30));
    assert!(calls.iter().all(|call| h.result(*call).is_some()));
    assert_eq!((h.client.pending(), h.client.counters().opened), (0, 1));
}

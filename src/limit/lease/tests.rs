#![allow(clippy::arithmetic_side_effects, reason = "tests")]

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const MS: Duration = Duration::from_millis(1);
const KEY: Key = (0, [1; 16]);

fn limit(lease_max: u64) -> Limit {
    Limit {
        lease_max,
        ..Limit::new("x", Algorithm::FixedWindow, 10_000, 60_000_000)
    }
}

fn window(index: usize) -> Option<Algorithm> {
    (index == 0).then_some(Algorithm::FixedWindow)
}

fn bucket(index: usize) -> Option<Algorithm> {
    (index == 0).then_some(Algorithm::TokenBucket)
}

fn said(leased: u64, reset: Duration) -> Option<Taken> {
    let reset_us = u64::try_from(reset.as_micros()).unwrap();
    Some(Taken {
        leased,
        mark: 77,
        ..Taken::new(TakeState::Ok, 500, reset_us, 0)
    })
}

/// Wants one unit, `n` times within a span that ends `now`; whether units are then asked for.
fn busy(leases: &mut Leases, n: u64, now: Duration) -> Option<Ask> {
    for _ in 0..n {
        leases.spend(KEY, 1, now);
    }
    leases.ask(&limit(1_000), KEY, now)
}

#[test]
fn a_key_is_asked_for_when_it_is_busy_and_for_twice_what_a_span_takes() {
    let mut leases = Leases::new();
    assert_eq!(busy(&mut leases, BUSY - 1, MS), None);
    let ask = busy(&mut leases, 1, MS).unwrap();
    assert_eq!(ask.units, 2 * BUSY);
    assert_eq!(busy(&mut leases, 50, MS), None, "one question at a time");
    leases.granted(ask.ticket, window, said(40, Duration::from_secs(9)));
    let spent = leases.spend(KEY, 1, 2 * MS).unwrap();
    assert_eq!(spent.taken.available, 500 + 39);
    assert_eq!(spent.taken.reset_us, 8_999_000);
    let mut few = Leases::new();
    for _ in 0..100 {
        few.spend(KEY, 1, MS);
    }
    assert_eq!(few.ask(&limit(7), KEY, MS).unwrap().units, 7, "lease_max");
}

#[test]
fn more_is_asked_for_before_what_is_held_is_used_up() {
    let mut leases = Leases::new();
    let ask = busy(&mut leases, 50, MS).unwrap();
    leases.granted(ask.ticket, window, said(100, Duration::from_secs(9)));
    let mut asked = None;
    for n in 0..100 {
        assert!(leases.spend(KEY, 1, 2 * MS).is_some(), "{n}");
        asked = asked.or(leases
            .ask(&limit(200), KEY, 2 * MS)
            .map(|ask| (n, ask.units)));
    }
    let (after, units) = asked.unwrap();
    assert!(after < 60 && units > 50, "{after} {units}");
    assert!(leases.spend(KEY, 1, 2 * MS).is_none());
}

#[test]
fn a_grant_of_nothing_or_no_answer_is_not_asked_again_at_once() {
    for (answer, pause) in [(said(0, Duration::from_secs(9)), PAUSE), (None, LIFE)] {
        let mut leases = Leases::new();
        let ask = busy(&mut leases, 50, MS).unwrap();
        leases.granted(ask.ticket, window, answer);
        assert_eq!(busy(&mut leases, 50, pause), None);
        assert!(busy(&mut leases, 50, pause + MS).is_some());
    }
}

#[test]
fn r11_nothing_is_spent_after_the_window_or_a_second_since_it_was_asked_for() {
    for (reset, algorithm, life) in [
        (300 * MS, window as fn(usize) -> Option<Algorithm>, 300 * MS),
        (Duration::from_secs(9), window, LIFE),
        (300 * MS, bucket, LIFE),
        (Duration::ZERO, window, Duration::ZERO),
    ] {
        let mut leases = Leases::new();
        let ask = busy(&mut leases, 50, MS).unwrap();
        leases.granted(ask.ticket, algorithm, said(40, reset));
        let last = (MS + life).saturating_sub(Duration::from_micros(1));
        assert!(life.is_zero() || leases.spend(KEY, 1, last).is_some());
        assert!(leases.spend(KEY, 1, MS + life).is_none());
    }
}

#[test]
fn what_is_not_used_is_given_back() {
    let back = |units| {
        vec![GiveBack {
            key: KEY,
            mark: 77,
            units,
        }]
    };
    let mut leases = Leases::new();
    let ask = busy(&mut leases, 50, MS).unwrap();
    leases.granted(ask.ticket, window, said(40, Duration::from_secs(9)));
    leases.spend(KEY, 3, 100 * MS).unwrap();
    assert!(leases.poll(299 * MS).is_empty());
    assert_eq!(leases.poll(320 * MS), back(37), "idle");
    assert!(
        leases.spend(KEY, 1, 321 * MS).is_none(),
        "it is not ours any more"
    );
    assert!(leases.poll(Duration::from_secs(5)).is_empty(), "once");

    // In use to the end: before it ends by its age, not when its window is over anyway.
    for (reset, given) in [(Duration::from_secs(9), true), (900 * MS, false)] {
        let mut leases = Leases::new();
        let ask = busy(&mut leases, 50, MS).unwrap();
        leases.granted(ask.ticket, window, said(200, reset));
        let mut all = Vec::new();
        for ms in 2..1_100 {
            if ms % 10 == 0 {
                leases.spend(KEY, 1, ms * MS);
            }
            let back = leases.poll(ms * MS);
            assert!(back.is_empty() || ms > 900, "{ms}");
            all.extend(back);
        }
        assert_eq!(!all.is_empty(), given);
    }

    let mut leases = Leases::new();
    let ask = busy(&mut leases, 50, MS).unwrap();
    leases.granted(ask.ticket, window, said(40, Duration::from_secs(9)));
    assert_eq!(leases.end(2 * MS), back(40), "shutdown");
    assert!(leases.spend(KEY, 1, 3 * MS).is_none() && leases.end(3 * MS).is_empty());
}

#[test]
fn what_was_spent_for_a_request_that_was_refused_can_be_spent_again() {
    let mut leases = Leases::new();
    let ask = busy(&mut leases, 50, MS).unwrap();
    leases.granted(ask.ticket, window, said(10, 500 * MS));
    let spent = leases.spend(KEY, 4, 2 * MS).unwrap();
    let limit = limit(1_000);
    let back = leases.put_back(&limit, KEY, spent.grant, 4, 3 * MS);
    assert!(back.is_none() && leases.spend(KEY, 10, 4 * MS).is_some());
    let back = leases.put_back(&limit, KEY, spent.grant + 1, 4, 5 * MS);
    assert!(back.is_none() && leases.spend(KEY, 1, 6 * MS).is_none());
}

/// Regression: more was asked for between the request's spending and its refusal, and what it put back
/// came on top of that.
#[test]
fn what_is_put_back_beyond_lease_max_is_given_back() {
    let (mut leases, limit) = (Leases::new(), limit(20));
    let first = leases.spend(KEY, 50, MS);
    assert!(first.is_none());
    let ask = leases.ask(&limit, KEY, MS).unwrap();
    assert_eq!(ask.units, 20);
    leases.granted(ask.ticket, window, said(20, 500 * MS));
    let spent = leases.spend(KEY, 12, 2 * MS).unwrap();
    assert_eq!(leases.ask(&limit, KEY, 2 * MS).unwrap().units, 12);
    assert_eq!(
        leases.put_back(&limit, KEY, spent.grant, 12, 3 * MS),
        Some(GiveBack {
            key: KEY,
            mark: 77,
            units: 12
        })
    );
    assert!(leases.spend(KEY, 9, 4 * MS).is_none(), "8 are held");
    assert!(leases.spend(KEY, 8, 4 * MS).is_some());
}

#[test]
fn a_reset_takes_what_is_held_and_what_is_asked_for() {
    let mut leases = Leases::new();
    let ask = busy(&mut leases, 50, MS).unwrap();
    leases.granted(ask.ticket, window, said(10, Duration::from_secs(9)));
    let again = leases.ask(&limit(1_000), KEY, MS).unwrap();
    leases.forget(&KEY.1);
    assert!(leases.spend(KEY, 1, 2 * MS).is_none());
    leases.granted(again.ticket, window, said(10, Duration::from_secs(9)));
    assert!(
        leases.spend(KEY, 1, 2 * MS).is_none(),
        "granted before the reset"
    );
    assert!(
        leases.poll(Duration::from_secs(5)).is_empty(),
        "and not given back"
    );
}

#[test]
fn x4_a_flood_of_keys_is_not_watched_and_busy_ones_stay() {
    let mut leases = Leases::with_capacity(10);
    let ask = busy(&mut leases, 50, MS).unwrap();
    leases.granted(ask.ticket, window, said(10, Duration::from_secs(9)));
    for n in 0..10_000_u32 {
        let mut subject = [0; 16];
        subject[..4].copy_from_slice(&n.to_be_bytes());
        assert!(leases.spend((0, subject), 1, MS + n * MS / 100).is_none());
        assert!(leases.len() <= 10);
    }
    assert!(leases.spend(KEY, 1, 200 * MS).is_some());
    assert!(leases.len() <= 10);
}

/// A fixed window at Redis, as far as leases go.
#[derive(Default)]
struct Redis {
    used: BTreeMap<u64, u64>,
}

const WINDOW: u64 = 400_000;
const QUOTA: u64 = 300;

impl Redis {
    fn grant(&mut self, units: u64, now_us: u64) -> Taken {
        let used = self.used.entry(now_us / WINDOW).or_default();
        let leased = units.min((QUOTA - *used) / 8);
        *used += leased;
        Taken {
            leased,
            mark: now_us / WINDOW,
            ..Taken::new(TakeState::Ok, QUOTA - *used, WINDOW - now_us % WINDOW, 0)
        }
    }
}

proptest! {
    /// R11, whatever is spent, delayed, lost and given back: what is spent was debited, in its own
    /// window; no more than `lease_max` is held; at the end nothing is.
    #[test]
    fn r11_what_is_spent_was_debited(
        lease_max in 1..120_u64,
        steps in prop::collection::vec((0..10_u8, 1..4_u64, 0..30_u64), 1..400),
    ) {
        let limit = limit(lease_max);
        let (mut leases, mut redis) = (Leases::new(), Redis::default());
        let us = |now: Duration| u64::try_from(now.as_micros()).unwrap();
        let mut now = Duration::ZERO;
        // Asked and not answered; of what was granted, how much is left, and its window.
        let mut asks: Vec<(Ask, Option<Taken>)> = Vec::new();
        let mut grants: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        let (mut number, mut last) = (0, None);
        for (kind, units, gap) in steps {
            match kind {
                0..=4 => for _ in 0..gap {
                    if let Some(spent) = leases.spend(KEY, units, now) {
                        let (left, window) = grants.get_mut(&spent.grant).expect("a grant");
                        prop_assert!(*left >= units, "spent more than was debited");
                        prop_assert_eq!(*window, us(now) / WINDOW, "spent after its window");
                        *left -= units;
                        last = Some((spent.grant, units));
                    }
                    if let Some(ask) = leases.ask(&limit, KEY, now) {
                        prop_assert!(asks.is_empty());
                        asks.push((ask, None));
                    }
                },
                // It reaches Redis, or is lost on the way there or back.
                5 => for (ask, said) in &mut asks {
                    said.get_or_insert_with(|| redis.grant(ask.units, us(now)));
                },
                6 => for (ask, said) in asks.drain(..) {
                    let said = said.filter(|_| units > 1);
                    leases.granted(ask.ticket, window, said);
                    if let Some(said) = said.filter(|said| said.leased > 0) {
                        number += 1;
                        grants.insert(number, (said.leased, said.mark));
                    }
                },
                7 => if let Some((grant, units)) = last.take() {
                    let (left, _) = grants.get_mut(&grant).expect("a grant");
                    *left += units;
                    if let Some(back) = leases.put_back(&limit, KEY, grant, units, now) {
                        let (left, window) = grants.get_mut(&grant).expect("a grant");
                        *left -= back.units;
                        if *window == us(now) / WINDOW {
                            *redis.used.get_mut(window).expect("charged") -= back.units;
                        }
                    }
                },
                8 => now += MS * u32::try_from(gap).unwrap(),
                _ => now += 20 * MS,
            }
            for back in leases.poll(now) {
                // Of one grant of that window; which one does not matter to Redis.
                let window = us(now) / WINDOW;
                let of = grants.values_mut().find(|(left, of)| *left >= back.units && *of == back.mark);
                let (left, of) = of.expect("no more than was debited");
                *left -= back.units;
                if *of == window {
                    *redis.used.get_mut(of).expect("charged") -= back.units;
                }
            }
            let held = leases.keys.values().map(Entry::held_or_asked).sum::<u64>();
            prop_assert!(held <= lease_max, "held or asked for {} of {}", held, lease_max);
            prop_assert!(redis.used.values().all(|used| *used <= QUOTA));
            prop_assert!(leases.checks.len() <= leases.len());
        }
        now += Duration::from_secs(2);
        leases.poll(now);
        prop_assert!(leases.keys.values().all(|entry| entry.grants.is_empty()), "stranded");
    }
}

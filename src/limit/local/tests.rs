#![allow(clippy::arithmetic_side_effects, reason = "tests")]

use super::*;
use crate::policy::{Algorithm, Cost};
use crate::wire::reply::Taken;
use proptest::prelude::*;

const SECOND: u64 = 1_000_000;

fn limit(algorithm: Algorithm, limit: u64, window_us: u64, burst: u64, cost: u64) -> Limit {
    Limit {
        burst,
        cost: Cost::Fixed(cost),
        id: [limit as u8; 8],
        ..Limit::new("x", algorithm, limit, window_us)
    }
}

fn local_take(limit: &Limit, peers: u32, n: u32) -> LocalTake<'_> {
    let Cost::Fixed(cost) = limit.cost else {
        panic!("a fixed cost");
    };
    LocalTake {
        limit,
        cost,
        need: cost,
        force: false,
        peers,
        subject: key(n),
    }
}

fn fixed(units: u64, cost: u64) -> Limit {
    limit(Algorithm::FixedWindow, units, 60 * SECOND, units, cost)
}

fn key(n: u32) -> [u8; 16] {
    let mut key = [0; 16];
    key[..4].copy_from_slice(&n.to_le_bytes());
    key
}

fn take(local: &mut LocalLimits, limit: &Limit, peers: u32, n: u32, now_us: u64) -> LimitReply {
    local.take(&[local_take(limit, peers, n)], now_us)
}

#[test]
fn a_fixed_window_admits_its_share() {
    let mut local = LocalLimits::new();
    let limit = fixed(10, 1);
    let now = 61 * SECOND;
    for left in (0..4).rev() {
        let reply = take(&mut local, &limit, 3, 1, now);
        let taken = Taken::new(TakeState::Ok, left, 59 * SECOND, 0);
        assert_eq!(
            reply,
            LimitReply {
                admitted: true,
                now_us: now,
                limits: vec![taken]
            }
        );
    }
    let reply = take(&mut local, &limit, 3, 1, now + SECOND);
    let wait = 58 * SECOND;
    let taken = Taken::new(TakeState::Denied, 0, wait, wait);
    assert_eq!((reply.admitted, reply.limits), (false, vec![taken]));
    assert!(take(&mut local, &limit, 3, 2, now).admitted, "another key");
    assert!(
        take(&mut local, &limit, 3, 1, 120 * SECOND).admitted,
        "the next window"
    );
}

#[test]
fn a_bucket_refills_at_its_share_of_the_rate() {
    let mut local = LocalLimits::new();
    // 60 a minute over 2 workers: one unit each 2 s here, 5 at once.
    let limit = limit(Algorithm::TokenBucket, 60, 60 * SECOND, 10, 1);
    for left in (0..5).rev() {
        let taken = take(&mut local, &limit, 2, 1, 0).limits[0];
        assert_eq!((taken.state, taken.available), (TakeState::Ok, left));
        assert_eq!(taken.reset_us, (2 * SECOND).max(left * 2 * SECOND));
    }
    let denied = take(&mut local, &limit, 2, 1, SECOND).limits[0];
    let taken = Taken::new(TakeState::Denied, 0, SECOND, SECOND);
    assert_eq!(denied, taken);
    assert!(!take(&mut local, &limit, 2, 1, 2 * SECOND - 1).admitted);
    assert!(take(&mut local, &limit, 2, 1, 2 * SECOND).admitted);
    assert!(!take(&mut local, &limit, 2, 1, 2 * SECOND).admitted);
}

#[test]
fn costs() {
    for algorithm in [Algorithm::FixedWindow, Algorithm::TokenBucket] {
        for (cost, peers, state, available) in [
            (0, 1, TakeState::Ok, 10),
            (1, 1, TakeState::Ok, 9),
            (10, 1, TakeState::Ok, 0),
            (11, 1, TakeState::Never, 10),
            (u64::MAX, 1, TakeState::Never, 10),
            // The fleet could hold it, this worker's share cannot: later, not never.
            (6, 2, TakeState::Denied, 5),
            (1, 0, TakeState::Ok, 9),
            (1, u32::MAX, TakeState::Ok, 0),
        ] {
            let limit = limit(algorithm, 10, 60 * SECOND, 10, cost);
            let reply = take(&mut LocalLimits::new(), &limit, peers, 1, 0);
            let taken = reply.limits[0];
            assert_eq!(
                (taken.state, taken.available),
                (state, available),
                "{cost} {peers}"
            );
            assert_eq!(reply.admitted, state == TakeState::Ok);
            assert_eq!(taken.retry_us > 0, state == TakeState::Denied);
        }
    }
}

#[test]
fn a_denial_charges_none_of_several() {
    let mut local = LocalLimits::new();
    let (wide, narrow) = (fixed(10, 1), fixed(1, 1));
    let takes = [&wide, &narrow].map(|limit| local_take(limit, 1, 1));
    assert!(local.take(&takes, 0).admitted);
    let denied = local.take(&takes, 0);
    assert!(!denied.admitted);
    let states: Vec<_> = denied
        .limits
        .iter()
        .map(|taken| (taken.state, taken.available))
        .collect();
    assert_eq!(states, [(TakeState::Ok, 9), (TakeState::Denied, 0)]);
}

#[test]
fn one_limit_twice_is_charged_twice() {
    let mut local = LocalLimits::new();
    let limit = fixed(3, 2);
    let takes = [local_take(&limit, 1, 1); 2];
    assert!(!local.take(&takes, 0).admitted);
    assert!(local.is_empty(), "a denial writes nothing");
    assert!(local.take(&takes[..1], 0).admitted);
}

#[test]
fn looking_and_denials_take_no_place() {
    let mut local = LocalLimits::new();
    for n in 0..100 {
        take(&mut local, &fixed(10, 0), 1, n, 0);
        take(&mut local, &fixed(10, 11), 1, n, 0);
    }
    assert!(local.is_empty());
}

#[test]
fn a_clock_that_steps_back_adds_no_credit() {
    for algorithm in [Algorithm::FixedWindow, Algorithm::TokenBucket] {
        let mut local = LocalLimits::new();
        let limit = limit(algorithm, 1, 60 * SECOND, 1, 1);
        assert!(take(&mut local, &limit, 1, 1, 600 * SECOND).admitted);
        for now in [599, 540, 120, 0] {
            assert!(
                !take(&mut local, &limit, 1, 1, now * SECOND).admitted,
                "{now}"
            );
        }
    }
}

/// A flood of keys must neither grow the table nor hand a key its share twice.
#[test]
fn a_full_table_forgets_no_live_key() {
    let mut local = LocalLimits::with_capacity(100);
    let limit = fixed(2, 2);
    for n in 0..100 {
        assert!(take(&mut local, &limit, 1, n, 0).admitted);
    }
    let pooled = (100..10_000)
        .filter(|n| take(&mut local, &limit, 1, *n, SECOND).admitted)
        .count();
    assert_eq!(local.len(), 100);
    assert_eq!(pooled, 256, "further keys share pools");
    for n in 0..10_000 {
        assert!(
            !take(&mut local, &limit, 1, n, 2 * SECOND).admitted,
            "key {n} twice"
        );
    }
    let next = (0..10_000)
        .filter(|n| take(&mut local, &limit, 1, *n, 61 * SECOND).admitted)
        .count();
    assert_eq!(next, 100 + 256, "ended windows made room");
}

#[test]
fn r15_a_paced_request_leaves_at_once_or_not_at_all() {
    let mut local = LocalLimits::new();
    // 60 a minute over 2 workers: one each 2 s here.
    let limit = limit(Algorithm::LeakyBucket, 60, 60 * SECOND, 5 * SECOND, 1);
    assert!(take(&mut local, &limit, 2, 1, 0).admitted);
    let denied = take(&mut local, &limit, 2, 1, SECOND).limits[0];
    assert_eq!(denied, Taken::new(TakeState::Denied, 0, SECOND, SECOND));
    assert!(take(&mut local, &limit, 2, 1, 2 * SECOND).admitted);
}

#[test]
fn r15_the_window_before_counts_as_far_as_it_is_covered() {
    for algorithm in [Algorithm::SlidingWindow, Algorithm::SlidingWindowLog] {
        let mut local = LocalLimits::new();
        let limit = limit(algorithm, 10, 10 * SECOND, 10, 1);
        for _ in 0..10 {
            assert!(take(&mut local, &limit, 1, 1, 9 * SECOND).admitted);
        }
        let denied = take(&mut local, &limit, 1, 1, 9 * SECOND).limits[0];
        assert_eq!((denied.reset_us, denied.retry_us), (SECOND, 2 * SECOND));
        assert!(!take(&mut local, &limit, 1, 1, 11 * SECOND - 1).admitted);
        assert!(take(&mut local, &limit, 1, 1, 11 * SECOND).admitted);
        let five = (0..10).filter(|_| take(&mut local, &limit, 1, 1, 15 * SECOND).admitted);
        assert_eq!(five.count(), 4, "5 of 10 still count, and 1");
    }
}

#[test]
fn r15_slots_are_in_use_until_released_or_expired() {
    let mut local = LocalLimits::new();
    let limit = limit(Algorithm::Concurrency, 4, 60 * SECOND, 4, 1);
    let first = take(&mut local, &limit, 2, 1, 5).limits[0];
    let second = take(&mut local, &limit, 2, 1, 6).limits[0];
    assert_eq!((first.available, second.available), (1, 0));
    assert_eq!((first.mark, second.mark), (5, 5), "one count");
    let busy = take(&mut local, &limit, 2, 1, 7).limits[0];
    assert_eq!(
        busy,
        Taken {
            mark: 5,
            ..Taken::new(TakeState::Busy, 0, 0, 0)
        }
    );
    local.release(&limit, key(1), first.mark);
    assert!(take(&mut local, &limit, 2, 1, 8).admitted);
    assert!(!take(&mut local, &limit, 2, 1, 9).admitted);
    // Nobody releases: all are free when the last has expired, and a late release frees no other's.
    assert!(!take(&mut local, &limit, 2, 1, 60 * SECOND + 7).admitted);
    assert!(take(&mut local, &limit, 2, 1, 60 * SECOND + 8).admitted);
    local.release(&limit, key(1), first.mark);
    assert!(take(&mut local, &limit, 2, 1, 60 * SECOND + 9).admitted);
    assert!(!take(&mut local, &limit, 2, 1, 60 * SECOND + 9).admitted);
}

#[test]
fn what_has_been_used_is_charged_whatever_is_left_and_a_look_needs_what_it_says() {
    for algorithm in [
        Algorithm::FixedWindow,
        Algorithm::SlidingWindow,
        Algorithm::TokenBucket,
    ] {
        let mut local = LocalLimits::new();
        let limit = limit(algorithm, 10, 10 * SECOND, 10, 0);
        let mut ask = |cost, need, force| {
            let take = LocalTake {
                cost,
                need,
                force,
                ..local_take(&limit, 1, 1)
            };
            local.take(&[take], 0).limits[0]
        };
        assert_eq!(ask(0, 10, false).available, 10);
        assert_eq!(ask(0, 11, false).state, TakeState::Never);
        assert_eq!(ask(25, 0, true).state, TakeState::Ok);
        let denied = ask(0, 1, false);
        assert_eq!((denied.state, denied.available), (TakeState::Denied, 0));
        if algorithm == Algorithm::TokenBucket {
            assert_eq!(denied.retry_us, 16 * SECOND, "the debt and one");
        }
    }
}

fn timed() -> impl Strategy<Value = Algorithm> {
    prop::sample::select(vec![
        Algorithm::FixedWindow,
        Algorithm::LeakyBucket,
        Algorithm::SlidingWindow,
        Algorithm::SlidingWindowLog,
        Algorithm::TokenBucket,
    ])
}

/// R2 and R15, checked over every interval between two admissions.
fn within_share(limit: &Limit, peers: u32, admitted: &[(u64, u64)]) -> Result<(), String> {
    let units = limit.limit.div_ceil(u64::from(peers));
    for (at, (from, _)) in admitted.iter().enumerate() {
        let mut sum = 0;
        for (now, cost) in &admitted[at..] {
            sum += cost;
            let bound = match limit.algorithm {
                Algorithm::FixedWindow | Algorithm::SlidingWindow | Algorithm::SlidingWindowLog
                    if now / limit.window_us == from / limit.window_us =>
                {
                    units
                }
                // One leaves, whatever it costs, and its time must be over for the next.
                Algorithm::LeakyBucket => {
                    let paced = u128::from(now - from) * u128::from(limit.limit)
                        / (u128::from(limit.window_us) * u128::from(peers));
                    paced as u64 + cost
                }
                Algorithm::TokenBucket => {
                    let refilled = u128::from(now - from) * u128::from(limit.limit)
                        / (u128::from(limit.window_us) * u128::from(peers));
                    limit.burst.div_ceil(u64::from(peers)) + refilled as u64
                }
                _ => continue,
            };
            if sum > bound {
                return Err(format!("{sum} > {bound} in {from}..={now}"));
            }
        }
    }
    Ok(())
}

proptest! {
    /// R15: no key gets more than its share per window, whatever else is counted, with a table of any
    /// size; and a key that has the table for itself gets all of it.
    #[test]
    fn r15_no_key_exceeds_its_share(
        algorithm in timed(),
        units in 1..20_u64, burst in 1..20_u64, peers in 1..5_u32, capacity in 0..6_usize,
        // A few microseconds show every error of rounding; a second spans sweeps.
        window_us in prop::sample::select(vec![7, 1_000, SECOND]),
        // Often to the very edge of a window, keys that share a pool and keys that do not.
        steps in prop::collection::vec((0..5_u8, 0..SECOND, 0..8_u32, 0..4_u64), 1..200),
    ) {
        let bucket = algorithm == Algorithm::TokenBucket;
        let burst = if bucket { burst } else { units };
        let mut local = LocalLimits::with_capacity(capacity);
        let mut admitted: Vec<Vec<(u64, u64)>> = vec![Vec::new(); 8];
        let mut now = 0;
        for (kind, random, n, cost) in steps {
            let end = window_us - now % window_us;
            now += match kind {
                0 | 1 => 0,
                2 => end.saturating_sub(random % 3),
                3 => random % 3,
                _ => random % window_us,
            };
            let limit = limit(algorithm, units, window_us, burst, cost);
            if take(&mut local, &limit, peers, n * 100, now).admitted && cost > 0 {
                admitted[n as usize].push((now, cost));
            }
            prop_assert!(local.len() <= capacity);
        }
        for admitted in admitted {
            let limit = limit(algorithm, units, window_us, burst, 1);
            prop_assert_eq!(within_share(&limit, peers, &admitted), Ok(()));
        }
    }

    #[test]
    fn demand_above_the_share_uses_all_of_it(
        algorithm in timed().prop_filter("one at once", |a| *a != Algorithm::LeakyBucket),
        units in 1..50_u64, peers in 1..9_u32, start: u32,
    ) {
        let limit = limit(algorithm, units, 60 * SECOND, units, 1);
        let mut local = LocalLimits::new();
        let takes = 0..units + 5;
        let admitted =
            takes.filter(|_| take(&mut local, &limit, peers, 1, u64::from(start)).admitted).count();
        prop_assert_eq!(admitted as u64, units.div_ceil(u64::from(peers)));
    }

    /// What is told holds: after `retry_us` the same cost fits, and not a microsecond before.
    #[test]
    fn retry_is_exact(
        algorithm in timed(), units in 1..20_u64, peers in 1..4_u32,
        costs in prop::collection::vec((1..5_u64, 0..900_000_u64), 1..30),
        start in 0..10_000_000_u64,
    ) {
        let mut now = start;
        let share = units.div_ceil(u64::from(peers));
        let mut local = LocalLimits::new();
        for (cost, gap) in costs.into_iter().filter(|(cost, _)| *cost <= share) {
            now += gap / units;
            let limit = limit(algorithm, units, SECOND, units, cost);
            let reply = take(&mut local, &limit, peers, 1, now);
            if !reply.admitted {
                let at = now + reply.limits[0].retry_us;
                prop_assert!(!take(&mut local, &limit, peers, 1, at - 1).admitted);
                prop_assert!(take(&mut local, &limit, peers, 1, at).admitted);
                break;
            }
        }
    }

    #[test]
    fn any_numbers(
        algorithm in prop::sample::select(Algorithm::ALL.to_vec()),
        units: u64, window_us: u64, burst: u64, cost: u64, need: u64, force: bool, peers: u32,
        nows in prop::collection::vec(any::<u64>(), 1..5),
    ) {
        let limit = limit(algorithm, units, window_us, burst, cost);
        let mut local = LocalLimits::new();
        for now in nows {
            let take = LocalTake { need, force, ..local_take(&limit, peers, 1) };
            let reply = local.take(&[take], now);
            prop_assert_eq!(reply.admitted, reply.limits[0].state == TakeState::Ok);
            local.release(&limit, key(1), now);
        }
    }
}

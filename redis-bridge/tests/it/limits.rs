//! Regression tests of limits, each named for a bug found in a system in use (V1-V10), and the
//! invariants of limits. All run on a real Redis and on the model at once.

use crate::both::{Both, MS, SECOND};
use redis_bridge::core::{Command, Value};
use redis_bridge::model::{Data, Entry};
use redis_bridge::script::Script;

const MARGIN_MS: u64 = 5000;

/// One limit of a call; its key is its name.
#[derive(Clone, Copy)]
struct Limit {
    key: &'static str,
    algorithm: &'static str,
    limit: u64,
    window: u64,
    burst: u64,
}

/// What one limit answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Answer {
    state: i64,
    available: u64,
    reset_us: u64,
    retry_us: u64,
    mark: u64,
}

const WINDOW: Limit = Limit {
    key: "window",
    algorithm: "fixed_window",
    limit: 10,
    window: 60 * SECOND,
    burst: 1,
};
/// 10 per 10 s: a unit takes 1 s; holds 5.
const BUCKET: Limit = Limit {
    key: "bucket",
    algorithm: "token_bucket",
    limit: 10,
    window: 10 * SECOND,
    burst: 5,
};

fn text(n: u64) -> Vec<u8> {
    n.to_string().into_bytes()
}

fn take(both: &mut Both, limits: &[(Limit, u64)]) -> (bool, Vec<Answer>) {
    let args = limits.iter().flat_map(|(limit, cost)| {
        let numbers = [limit.limit, limit.window, limit.burst, *cost];
        std::iter::once(limit.algorithm.into()).chain(numbers.map(text))
    });
    let command = Command {
        script: Script::LimitTakePlain,
        keys: limits.iter().map(|(limit, _)| limit.key.into()).collect(),
        args: args.collect(),
    };
    let Value::Array(items) = both.call(&command) else {
        panic!("no answer");
    };
    assert_eq!(items[1], Value::Integer(both.now.cast_signed()));
    let number = |value: &Value| value.as_u64().unwrap();
    let answers = items[2..].iter().map(|item| {
        let item = item.as_array().unwrap();
        let Value::Integer(state) = item[0] else {
            panic!("no state");
        };
        Answer {
            state,
            available: number(&item[1]),
            reset_us: number(&item[2]),
            retry_us: number(&item[3]),
            mark: number(&item[4]),
        }
    });
    (items[0] == Value::Integer(1), answers.collect())
}

/// One limit alone.
fn one(both: &mut Both, limit: Limit, cost: u64) -> (bool, Answer) {
    let (admitted, answers) = take(both, &[(limit, cost)]);
    (admitted, answers[0])
}

fn entry(both: &mut Both, key: &str) -> Option<Entry> {
    both.dump().remove(key.as_bytes())
}

fn ttl_ms(both: &mut Both, key: &str) -> Option<u64> {
    let now_ms = both.now / 1000;
    entry(both, key).unwrap().expires_ms.map(|end| end - now_ms)
}

fn give_back(both: &mut Both, limit: Limit, cost: u64, mark: u64, id: &str) -> u64 {
    let given = both.call(&Command {
        script: Script::LimitReturn,
        keys: vec![limit.key.into(), id.into()],
        args: vec![
            limit.algorithm.into(),
            text(limit.limit),
            text(limit.window),
            text(limit.burst),
            text(cost),
            text(mark),
            text(0),
        ],
    });
    given.as_array().unwrap()[0].as_u64().unwrap()
}

#[test]
fn v1_the_first_hit_sets_the_ttl() {
    let mut both = Both::new();
    for limit in [WINDOW, BUCKET] {
        one(&mut both, limit, 1);
        assert!(ttl_ms(&mut both, limit.key).unwrap() > 0);
    }
}

#[test]
fn v2_a_denial_charges_nothing_whatever_the_cost() {
    let mut both = Both::new();
    for (limit, cost, rest) in [(WINDOW, 8, 2), (BUCKET, 4, 1)] {
        assert!(one(&mut both, limit, cost).0);
        let before = both.dump();
        for cost in [
            rest + 1,
            rest + 2,
            limit.burst.max(rest + 1),
            1 << 31,
            1 << 53,
        ] {
            let (admitted, answer) = one(&mut both, limit, cost);
            assert!(!admitted);
            assert_eq!(answer.available, rest);
            assert_eq!(both.dump(), before, "R9: a denial leaves every byte");
        }
        assert!(one(&mut both, limit, rest).0);
    }
}

#[test]
fn v3_the_cost_counts_in_the_comparison() {
    let mut both = Both::new();
    assert!(one(&mut both, WINDOW, 7).0);
    assert!(!one(&mut both, WINDOW, 7).0, "14 of 10");
    assert!(one(&mut both, WINDOW, 3).0);
    assert!(!one(&mut both, WINDOW, 1).0);
}

// V4 (an empty key, CROSSSLOT on a Cluster) is the core's: keys are made from fixed-length hashes and
// grouped by subject; see the core's tests.

#[test]
fn v5_v6_the_clock_is_redis_own() {
    // A caller has no say: no argument is a time. Two gateways cannot differ.
    let source = Script::LimitTakePlain.source();
    assert!(source.contains("call('TIME')"));
    let mut both = Both::new();
    let mut admitted = 0;
    for _ in 0..200 {
        admitted += u64::from(one(&mut both, BUCKET, 1).0);
    }
    assert_eq!(admitted, BUCKET.burst);
}

#[test]
fn v7_the_ttl_covers_the_refill_of_the_whole_burst() {
    let slow = Limit {
        limit: 1,
        window: SECOND,
        burst: 100,
        ..BUCKET
    };
    let mut both = Both::new();
    assert!(one(&mut both, slow, 100).0);
    assert_eq!(ttl_ms(&mut both, slow.key), Some(100_000 + MARGIN_MS));
    both.now += 2300 * MS;
    let (admitted, answer) = one(&mut both, slow, 100);
    assert!(!admitted);
    assert_eq!(answer.available, 2);
    assert!(one(&mut both, slow, 2).0);
}

#[test]
fn v8_a_key_without_ttl_is_repaired_on_a_denial_too() {
    let mut both = Both::new();
    for (limit, all) in [(WINDOW, 10), (BUCKET, 5)] {
        assert!(one(&mut both, limit, all).0);
        let before = ttl_ms(&mut both, limit.key);
        for cost in [1, 0] {
            both.persist(limit.key.as_bytes());
            one(&mut both, limit, cost);
            assert_eq!(ttl_ms(&mut both, limit.key), before, "cost {cost}");
        }
    }
}

#[test]
fn v9_nothing_is_kept_beside_the_counters() {
    let mut both = Both::new();
    take(&mut both, &[(WINDOW, 1), (BUCKET, 1)]);
    assert_eq!(both.dump().len(), 2);
    both.now += 200 * SECOND;
    assert_eq!(both.dump().len(), 0);
}

#[test]
fn v10_a_cost_that_never_fits_is_no_reason_to_retry() {
    let mut both = Both::new();
    for (limit, capacity) in [(WINDOW, 10), (BUCKET, 5)] {
        let (admitted, answer) = one(&mut both, limit, capacity + 1);
        assert!(!admitted);
        assert_eq!((answer.state, answer.retry_us), (-1, 0));
        assert_eq!(answer.available, capacity);
    }
    assert_eq!(both.dump().len(), 0);
}

#[test]
fn all_or_none_and_each_says_its_own() {
    let mut both = Both::new();
    assert!(one(&mut both, BUCKET, 5).0);
    let before = both.dump();
    let (admitted, answers) = take(&mut both, &[(WINDOW, 1), (BUCKET, 1)]);
    assert!(!admitted);
    assert_eq!([answers[0].state, answers[1].state], [1, 0]);
    assert_eq!(answers[0].available, 10, "not charged");
    assert_eq!(both.dump(), before);
}

#[test]
fn cost_0_looks_and_is_never_denied() {
    let mut both = Both::new();
    for (limit, all) in [(WINDOW, 10), (BUCKET, 5)] {
        let (admitted, answer) = one(&mut both, limit, 0);
        assert_eq!((admitted, answer.available), (true, all));
        assert!(!both.dump().contains_key(limit.key.as_bytes()));
        assert!(one(&mut both, limit, all).0);
        let (admitted, answer) = one(&mut both, limit, 0);
        assert_eq!((admitted, answer.state, answer.available), (true, 1, 0));
    }
}

#[test]
fn r1_exactly_the_limit_in_each_window() {
    let mut both = Both::new();
    for _ in 0..3 {
        let mut admitted = 0;
        for _ in 0..25 {
            both.now += SECOND;
            admitted += u64::from(one(&mut both, WINDOW, 1).0);
        }
        assert_eq!(admitted, 10);
        both.now = both.now / WINDOW.window * WINDOW.window + WINDOW.window;
    }
}

#[test]
fn the_reset_comes_from_the_value_not_from_the_ttl() {
    let mut both = Both::new();
    both.now += 20 * SECOND + 1;
    one(&mut both, WINDOW, 1);
    for _ in 0..3 {
        both.now += 5 * SECOND;
        let (_, answer) = one(&mut both, WINDOW, 1);
        assert_eq!(both.now + answer.reset_us, crate::both::T0 + 60 * SECOND);
        both.persist(b"window");
    }
    assert!(one(&mut both, WINDOW, 6).0);
    let (admitted, answer) = one(&mut both, WINDOW, 1);
    assert!(!admitted);
    assert_eq!(both.now + answer.retry_us, crate::both::T0 + 60 * SECOND);
    both.now += answer.retry_us - 1;
    assert!(!one(&mut both, WINDOW, 1).0, "one microsecond early");
    both.now += 1;
    assert!(one(&mut both, WINDOW, 1).0);
}

#[test]
fn a_clock_that_steps_back_adds_no_credit() {
    for back in [1, SECOND, 61 * SECOND, 3600 * SECOND] {
        let mut both = Both::new();
        assert!(one(&mut both, WINDOW, 10).0);
        assert!(one(&mut both, BUCKET, 5).0);
        both.now -= back;
        assert!(!one(&mut both, WINDOW, 1).0, "{back}");
        assert!(!one(&mut both, BUCKET, 1).0, "{back}");
        both.now += back;
        assert!(!one(&mut both, WINDOW, 1).0, "{back}");
        assert!(!one(&mut both, BUCKET, 1).0, "{back}");
    }
}

#[test]
fn a_denied_bucket_admits_when_it_said_and_not_before() {
    let mut both = Both::new();
    assert!(one(&mut both, BUCKET, 5).0);
    both.now += 300 * MS;
    let (_, answer) = one(&mut both, BUCKET, 2);
    assert_eq!((answer.available, answer.retry_us), (0, 1700 * MS));
    assert_eq!(answer.reset_us, 700 * MS, "until the next unit");
    both.now += answer.retry_us - 1;
    assert!(!one(&mut both, BUCKET, 2).0);
    both.now += 1;
    assert!(one(&mut both, BUCKET, 2).0);
}

#[test]
fn the_effective_window_of_a_bucket_never_promises_more_than_its_rate() {
    let mut both = Both::new();
    let (_, answer) = one(&mut both, BUCKET, 2);
    assert_eq!((answer.available, answer.reset_us), (3, 3 * SECOND));
}

#[test]
fn numbers_stay_exact_up_to_2_53() {
    let max = 1 << 53;
    let huge = Limit {
        limit: max,
        ..WINDOW
    };
    let mut both = Both::new();
    let (admitted, answer) = one(&mut both, huge, max - 1);
    assert_eq!((admitted, answer.available), (true, 1));
    assert!(!one(&mut both, huge, 2).0);
    assert!(one(&mut both, huge, 1).0);
    assert_eq!(one(&mut both, huge, 0).1.available, 0);
}

#[test]
fn b15_garbage_counts_as_nothing_and_is_overwritten() {
    let mut both = Both::new();
    for (limit, capacity) in [(WINDOW, 10), (BUCKET, 5)] {
        for garbage in [
            &b""[..],
            b"x",
            b"-5",
            b"1e99",
            b"nan",
            b"\xff\x00",
            b"99999999999999999",
        ] {
            both.plant(limit.key.as_bytes(), Data::Text(garbage.to_vec()), None);
            let (admitted, answer) = one(&mut both, limit, 1);
            assert_eq!((admitted, answer.available), (true, capacity - 1));
            assert!(ttl_ms(&mut both, limit.key).is_some());
        }
    }
}

#[test]
fn wrongtype_is_an_error_and_nothing_is_charged() {
    let mut both = Both::new();
    let hash = Data::Hash([(b"a".to_vec(), b"b".to_vec())].into());
    both.plant(b"bucket", hash, Some(1000));
    let before = both.dump();
    let args = [WINDOW, BUCKET].map(|l| {
        let numbers = [l.limit, l.window, l.burst, 1].map(text);
        [vec![l.algorithm.into()], numbers.to_vec()].concat()
    });
    let answer = both.call(&Command {
        script: Script::LimitTakePlain,
        keys: vec![b"window".to_vec(), b"bucket".to_vec()],
        args: args.concat(),
    });
    assert_eq!(answer, Value::error("WRONGTYPE"));
    assert_eq!(both.dump(), before);
}

#[test]
fn r10_what_is_given_back_is_what_was_taken_once() {
    let mut both = Both::new();
    for (limit, capacity) in [(WINDOW, 10), (BUCKET, 5)] {
        one(&mut both, limit, 1);
        let (_, answer) = one(&mut both, limit, 3);
        let id = format!("r:{}", limit.key);
        assert_eq!(give_back(&mut both, limit, 3, answer.mark, &id), 3);
        assert_eq!(one(&mut both, limit, 0).1.available, capacity - 1);
        let again = give_back(&mut both, limit, 3, answer.mark, &id);
        assert_eq!(again, 3, "the same answer, and nothing more");
        assert_eq!(one(&mut both, limit, 0).1.available, capacity - 1);
    }
}

#[test]
fn r10_a_window_that_is_over_gets_nothing_back() {
    let mut both = Both::new();
    let (_, answer) = one(&mut both, WINDOW, 4);
    both.now += 60 * SECOND;
    one(&mut both, WINDOW, 2);
    give_back(&mut both, WINDOW, 4, answer.mark, "r:1");
    assert_eq!(one(&mut both, WINDOW, 0).1.available, 8);
}

#[test]
fn r10_what_has_flowed_in_since_is_not_given_back_again() {
    let mut both = Both::new();
    let (_, answer) = one(&mut both, BUCKET, 4);
    both.now += 10 * SECOND;
    assert!(one(&mut both, BUCKET, 5).0, "full again by itself");
    give_back(&mut both, BUCKET, 4, answer.mark, "r:1");
    assert_eq!(one(&mut both, BUCKET, 0).1.available, 0);
}

#[test]
fn what_is_reset_starts_fresh() {
    let mut both = Both::new();
    one(&mut both, WINDOW, 10);
    let reset = Command {
        script: Script::LimitReset,
        keys: vec![b"window".to_vec()],
        args: vec![b"channel".to_vec()],
    };
    assert_eq!(both.call(&reset), Value::Integer(1));
    assert_eq!(both.call(&reset), Value::Integer(0));
    assert_eq!(one(&mut both, WINDOW, 0).1.available, 10);
}

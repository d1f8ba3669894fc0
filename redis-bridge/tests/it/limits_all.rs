//! The bugs V1-V10 and the invariants of limits again, for every algorithm they apply to, on a real Redis
//! and on the model at once.

use crate::ask::{ALL, Ask, Limit, Told};
use crate::both::{Both, MS, SECOND, T0};
use redis_bridge::core::Value;
use redis_bridge::model::Data;

const MARGIN_MS: u64 = 5000;

fn ask(both: &mut Both, limit: &Limit, ask: Ask) -> Told {
    let command = limit.take(both.now, ask);
    Told::read(&both.call(&command))
}

/// Slot after slot, or unit after unit.
fn take(both: &mut Both, limit: &Limit, n: u64) -> Told {
    ask(
        both,
        limit,
        Ask {
            slot: n,
            ..Ask::of(1)
        },
    )
}

fn look(both: &mut Both, limit: &Limit) -> Told {
    ask(both, limit, Ask::of(0))
}

/// Uses all there is at once.
fn fill(both: &mut Both, limit: &Limit) {
    for n in 0..limit.capacity() {
        assert!(take(both, limit, n).admitted, "{} {n}", limit.key);
    }
    assert_eq!(look(both, limit).available, 0, "{}", limit.key);
}

fn ttl_ms(both: &mut Both, limit: &Limit) -> Option<u64> {
    let now_ms = both.now / 1000;
    let entry = both.dump().remove(limit.key.as_bytes()).unwrap();
    entry.expires_ms.map(|end| end - now_ms)
}

fn each(test: impl Fn(&mut Both, &Limit)) {
    let mut both = Both::new();
    for limit in &ALL {
        both.clear();
        test(&mut both, limit);
    }
}

fn holds_units(limit: &Limit) -> bool {
    limit.algorithm != "concurrency"
}

#[test]
fn v1_the_first_hit_sets_the_ttl() {
    each(|both, limit| {
        take(both, limit, 0);
        assert!(ttl_ms(both, limit).unwrap() > 0, "{}", limit.key);
    });
}

#[test]
fn v2_r9_a_denial_leaves_every_byte_whatever_the_cost() {
    each(|both, limit| {
        fill(both, limit);
        let before = both.dump();
        for cost in [1, 2, 5, 6, (1 << 31) + 1, 1 << 53] {
            let told = ask(
                both,
                limit,
                Ask {
                    slot: 99,
                    ..Ask::of(cost)
                },
            );
            assert!(!told.admitted, "{} {cost}", limit.key);
            assert_eq!(both.dump(), before, "{} {cost}", limit.key);
        }
    });
}

#[test]
fn v3_the_cost_counts_in_the_comparison() {
    each(|both, limit| {
        if holds_units(limit) && limit.algorithm != "leaky_bucket" {
            assert!(ask(both, limit, Ask::of(4)).admitted);
            assert!(
                !ask(both, limit, Ask::of(4)).admitted,
                "{}: 8 of 5",
                limit.key
            );
            assert!(ask(both, limit, Ask::of(1)).admitted);
            assert!(!ask(both, limit, Ask::of(1)).admitted);
        }
    });
}

#[test]
fn v5_v6_of_200_at_once_as_many_as_fit() {
    each(|both, limit| {
        let admitted = (0..200).filter(|n| take(both, limit, *n).admitted);
        assert_eq!(admitted.count(), 5, "{}", limit.key);
    });
}

#[test]
fn v7_r14_the_ttl_covers_the_time_until_nothing_counts() {
    each(|both, limit| {
        fill(both, limit);
        let ttl_ms = ttl_ms(both, limit).unwrap();
        // Just before the margin it is full again, by itself: nothing was forgotten too early.
        both.now += (ttl_ms - MARGIN_MS) * MS;
        let kept = both.dump().contains_key(limit.key.as_bytes());
        assert!(kept, "{}", limit.key);
        assert_eq!(
            look(both, limit).available,
            limit.capacity(),
            "{}",
            limit.key
        );
        both.now -= (ttl_ms - MARGIN_MS) * MS;
        assert_eq!(look(both, limit).available, 0, "{}", limit.key);
    });
}

#[test]
fn v8_a_key_without_ttl_is_repaired_on_a_denial_and_on_a_look() {
    each(|both, limit| {
        fill(both, limit);
        for cost in [1, 0] {
            both.persist(limit.key.as_bytes());
            assert_eq!(ttl_ms(both, limit), None);
            ask(
                both,
                limit,
                Ask {
                    slot: 99,
                    ..Ask::of(cost)
                },
            );
            assert!(ttl_ms(both, limit).is_some(), "{} cost {cost}", limit.key);
        }
    });
}

#[test]
fn v9_nothing_outlives_what_it_counts() {
    each(|both, limit| {
        fill(both, limit);
        assert_eq!(both.dump().len(), 1, "{}", limit.key);
        both.now += 200 * SECOND;
        assert_eq!(both.dump().len(), 0, "{}", limit.key);
    });
}

#[test]
fn v9_what_no_longer_counts_leaves_a_set_that_stays_in_use() {
    each(|both, limit| {
        if matches!(limit.algorithm, "concurrency" | "sliding_window_log") {
            for n in 0..500 {
                both.now += limit.window / 3;
                take(both, limit, n);
                let members = match &both.dump()[limit.key.as_bytes()].data {
                    Data::Zset(members) => members.len(),
                    other => panic!("{other:?}"),
                };
                assert!(members <= 6, "{}: {members}", limit.key);
            }
        }
    });
}

#[test]
fn v10_a_cost_that_never_fits_is_no_reason_to_retry() {
    each(|both, limit| {
        if limit.algorithm != "leaky_bucket" {
            let told = ask(both, limit, Ask::of(6));
            assert_eq!((told.state, told.retry_us), (-1, 0), "{}", limit.key);
            assert_eq!(both.dump().len(), 0, "{}", limit.key);
        }
    });
}

#[test]
fn b12_a_clock_that_steps_back_adds_no_credit() {
    for back in [1, SECOND, 61 * SECOND, 3600 * SECOND] {
        each(|both, limit| {
            fill(both, limit);
            both.now -= back;
            assert!(!take(both, limit, 99).admitted, "{} {back}", limit.key);
            both.now += back;
            assert!(!take(both, limit, 99).admitted, "{} {back}", limit.key);
        });
    }
}

#[test]
fn b12_nor_when_it_jumps_to_and_fro() {
    each(|both, limit| {
        let mut admitted = 0;
        for n in 0..200 {
            both.now = if n % 2 == 0 { T0 } else { T0 - 5 * SECOND };
            admitted += u64::from(take(both, limit, n).admitted);
        }
        assert_eq!(admitted, 5, "{}", limit.key);
    });
}

#[test]
fn b15_cost_0_looks_and_writes_nothing() {
    each(|both, limit| {
        let told = look(both, limit);
        assert_eq!(
            (told.admitted, told.state, told.available),
            (true, 1, 5),
            "{}",
            limit.key
        );
        assert_eq!(both.dump().len(), 0, "{}", limit.key);
        fill(both, limit);
        let before = both.dump();
        let told = look(both, limit);
        assert_eq!((told.admitted, told.available), (true, 0), "{}", limit.key);
        assert_eq!(both.dump(), before, "{}", limit.key);
    });
}

#[test]
fn b10_the_reset_comes_from_the_value_not_from_the_ttl() {
    each(|both, limit| {
        fill(both, limit);
        let before = look(both, limit);
        both.persist(limit.key.as_bytes());
        let told = look(both, limit);
        assert_eq!(told, before, "{}", limit.key);
    });
}

#[test]
fn r12_what_is_denied_fits_when_it_said_and_not_a_microsecond_before() {
    each(|both, limit| {
        if holds_units(limit) {
            fill(both, limit);
            both.now += 777_777;
            let told = take(both, limit, 0);
            assert_eq!(told.state, 0, "{}", limit.key);
            both.now += told.retry_us - 1;
            assert!(!take(both, limit, 0).admitted, "{}", limit.key);
            both.now += 1;
            assert!(take(both, limit, 0).admitted, "{}", limit.key);
        }
    });
}

#[test]
fn r10_what_is_given_back_is_what_was_taken_once() {
    each(|both, limit| {
        take(both, limit, 1);
        let told = take(both, limit, 2);
        for _ in 0..2 {
            let command = limit.give_back(both.now, 1, told.mark, 2, "r1");
            let given = Value::Array(vec![Value::Integer(1)]);
            assert_eq!(both.call(&command), given, "{}", limit.key);
            assert_eq!(look(both, limit).available, 4, "{}", limit.key);
        }
    });
}

#[test]
fn r10_what_no_longer_counts_is_not_given_back() {
    each(|both, limit| {
        let told = take(both, limit, 1);
        both.now += 200 * SECOND;
        let command = limit.give_back(both.now, 1, told.mark, 1, "r1");
        let given = Value::Array(vec![Value::Integer(0)]);
        assert_eq!(both.call(&command), given, "{}", limit.key);
        assert_eq!(look(both, limit).available, 5, "{}", limit.key);
    });
}

#[test]
fn a_forced_charge_is_a_debt_that_is_worked_off() {
    each(|both, limit| {
        let force = Ask {
            force: true,
            ..Ask::of(12)
        };
        let told = ask(both, limit, force);
        assert!(told.admitted, "{}", limit.key);
        if holds_units(limit) {
            assert_eq!((told.available, told.retry_us), (0, 0), "{}", limit.key);
            assert!(!take(both, limit, 1).admitted, "{}", limit.key);
        }
        both.now += 300 * SECOND;
        assert!(take(both, limit, 1).admitted, "{}", limit.key);
    });
}

#[test]
fn a_lease_is_an_eighth_of_what_is_left_at_most() {
    for limit in ALL.iter().filter(|limit| {
        matches!(
            limit.algorithm,
            "calendar_window" | "fixed_window" | "sliding_window" | "token_bucket"
        )
    }) {
        let mut both = Both::new();
        let large = Limit {
            limit: 1000,
            window: 60 * SECOND,
            burst: 1000,
            ..*limit
        };
        let lease = |lease| Ask {
            lease,
            ..Ask::of(1)
        };
        assert_eq!(
            ask(&mut both, &large, lease(40)).available,
            959,
            "{}",
            limit.key
        );
        assert_eq!(
            ask(&mut both, &large, lease(4000)).available,
            839,
            "{}",
            limit.key
        );
        let mut left = 839;
        while left > 8 {
            let told = ask(&mut both, &large, lease(4000));
            assert!(told.admitted && told.available < left, "{}", limit.key);
            left = told.available;
        }
        let last = (0..20).filter(|_| ask(&mut both, &large, lease(4000)).admitted);
        assert_eq!(
            last.count() as u64,
            left,
            "{}: the last units are exact",
            limit.key
        );
    }
}

#[test]
fn r12_what_may_be_given_back_makes_a_denial_busy_for_a_while() {
    each(|both, limit| {
        if holds_units(limit) {
            fill_but_one(both, limit);
            let mut command = limit.take(both.now, Ask::of(1));
            command.args[0] = b"1".to_vec();
            assert!(Told::read(&both.call(&command)).admitted, "{}", limit.key);
            let told = take(both, limit, 0);
            assert_eq!((told.state, told.retry_us), (-2, SECOND), "{}", limit.key);
            let before = both.dump();
            take(both, limit, 0);
            assert_eq!(both.dump(), before);
            if limit.algorithm.contains("window") {
                both.now += SECOND;
                assert_eq!(take(both, limit, 0).state, 0, "{}", limit.key);
            }
        }
    });
}

fn fill_but_one(both: &mut Both, limit: &Limit) {
    for n in 0..limit.capacity() - 1 {
        assert!(take(both, limit, n).admitted, "{}", limit.key);
    }
}

#[test]
fn wrongtype_is_an_error_and_nothing_is_charged() {
    each(|both, limit| {
        let hash = Data::Hash([(b"a".to_vec(), b"b".to_vec())].into());
        both.plant(limit.key.as_bytes(), hash, Some(60_000));
        let before = both.dump();
        let command = limit.take(both.now, Ask::of(1));
        assert_eq!(
            both.call(&command),
            Value::error("WRONGTYPE"),
            "{}",
            limit.key
        );
        assert_eq!(both.dump(), before, "{}", limit.key);
    });
}

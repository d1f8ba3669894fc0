#![allow(clippy::arithmetic_side_effects, reason = "tests")]

use super::*;
use crate::policy::Algorithm;
use proptest::prelude::*;

const MS: Duration = Duration::from_millis(1);

fn limit() -> Limit {
    Limit::new("x", Algorithm::FixedWindow, 10, 60_000_000)
}

fn says(state: TakeState, need: u64, retry_ms: u64, asked: Duration) -> Denied {
    Denied {
        need,
        taken: Taken::new(state, 0, retry_ms * 1_000, retry_ms * 1_000),
        asked,
    }
}

fn key(n: u8) -> Key {
    (0, [n; 16])
}

#[test]
fn r12_a_denial_holds_until_the_wait_that_was_told_has_passed_since_it_was_asked_for() {
    let mut denied = DeniedKeys::new();
    denied.remember(
        &limit(),
        key(1),
        says(TakeState::Denied, 1, 100, 10 * MS),
        15 * MS,
    );
    let known = denied.find(key(1), 1, 60 * MS).unwrap();
    assert_eq!((known.retry_us, known.reset_us), (55_000, 55_000));
    assert!(denied.find(key(1), 1, 109 * MS).is_some());
    assert!(denied.find(key(1), 1, 110 * MS).is_none());
    assert!(denied.is_empty());
    assert!(denied.find(key(2), 1, 60 * MS).is_none(), "another key");
    assert!(
        denied.find((1, [1; 16]), 1, 60 * MS).is_none(),
        "another limit"
    );
}

#[test]
fn r12_only_as_much_or_more_is_denied() {
    let mut denied = DeniedKeys::new();
    denied.remember(&limit(), key(1), says(TakeState::Denied, 5, 100, MS), MS);
    assert!(denied.find(key(1), 4, 2 * MS).is_none());
    assert!(denied.find(key(1), 5, 2 * MS).is_some());
    // Less was denied for longer: that says more. The other way round it does not.
    denied.remember(&limit(), key(1), says(TakeState::Denied, 3, 100, MS), MS);
    denied.remember(&limit(), key(1), says(TakeState::Denied, 9, 100, MS), MS);
    assert!(denied.find(key(1), 3, 2 * MS).is_some());
    denied.remember(&limit(), key(1), says(TakeState::Denied, 9, 200, MS), MS);
    assert!(denied.find(key(1), 3, 2 * MS).is_none());
    assert!(denied.find(key(1), 9, 150 * MS).is_some());
}

#[test]
fn r12_what_may_end_at_any_time_is_not_remembered() {
    let reserving = Limit {
        cost: Cost::ResponseHeader {
            name: "x".to_owned(),
            default: 1,
            max: 9,
            reserve: 5,
        },
        ..limit()
    };
    for (limit, said) in [
        (&limit(), says(TakeState::Busy, 1, 100, MS)),
        (&limit(), says(TakeState::Ok, 1, 100, MS)),
        (&limit(), says(TakeState::Denied, 1, 0, MS)),
        (&reserving, says(TakeState::Denied, 1, 100, MS)),
    ] {
        let mut denied = DeniedKeys::new();
        denied.remember(limit, key(1), said, MS);
        assert!(denied.is_empty(), "{said:?}");
    }
    let mut denied = DeniedKeys::new();
    denied.remember(&limit(), key(1), says(TakeState::Never, 11, 0, MS), MS);
    assert!(denied.find(key(1), 11, 900 * MS).is_some());
    assert!(denied.find(key(1), 11, 1_001 * MS).is_none());
}

#[test]
fn nothing_is_believed_for_long() {
    let mut denied = DeniedKeys::new();
    let day_ms = 86_400_000;
    denied.remember(&limit(), key(1), says(TakeState::Denied, 1, day_ms, MS), MS);
    assert!(denied.find(key(1), 1, LONGEST).is_some());
    assert!(denied.find(key(1), 1, LONGEST + MS).is_none());
}

#[test]
fn a_subject_that_was_reset_is_forgotten_in_all_its_limits() {
    let mut denied = DeniedKeys::new();
    for index in 0..3 {
        let said = says(TakeState::Denied, 1, 100, MS);
        denied.remember(&limit(), (index, [1; 16]), said, MS);
    }
    denied.remember(&limit(), key(2), says(TakeState::Denied, 1, 100, MS), MS);
    denied.forget(&[1; 16], MS);
    assert_eq!(denied.len(), 1);
    assert!(denied.find(key(2), 1, 2 * MS).is_some());
    denied.clear(MS);
    assert!(denied.is_empty());
}

/// Found by the simulation (seed 546): one bridge stood still with a denial on its way, the other one
/// brought the word of the reset that came after it.
#[test]
fn r12_an_answer_that_is_overtaken_by_the_word_of_a_reset_is_not_remembered() {
    let said = |asked: Duration| says(TakeState::Denied, 1, 500, asked);
    let mut denied = DeniedKeys::new();
    denied.forget(&[1; 16], 5 * MS);
    denied.remember(&limit(), key(1), said(4 * MS), 6 * MS);
    assert!(denied.is_empty());
    denied.remember(&limit(), key(1), said(6 * MS), 7 * MS);
    assert!(denied.find(key(1), 1, 8 * MS).is_some());
    // The word itself may have been lost with a stream.
    denied.clear(9 * MS);
    denied.remember(&limit(), key(1), said(8 * MS), 10 * MS);
    assert!(denied.is_empty());
}

proptest! {
    /// Whatever is remembered, found and forgotten: bounded, and never longer or for less than was said.
    #[test]
    fn x4_r12_bounded_and_sound(
        capacity in 0..6_usize,
        steps in prop::collection::vec((0..4_u8, 0..9_u8, 1..4_u64, 0..50_u64), 0..200),
    ) {
        let mut denied = DeniedKeys::with_capacity(capacity);
        // All that was said, never forgotten but by `forget`.
        let mut said: Vec<(u8, u64, Duration)> = Vec::new();
        let mut now = Duration::ZERO;
        for (kind, n, need, ms) in steps {
            match kind {
                0 | 1 => {
                    denied.remember(&limit(), key(n), says(TakeState::Denied, need, ms, now), now);
                    said.push((n, need, now + Duration::from_millis(ms)));
                }
                2 => {
                    denied.forget(&[n; 16], now);
                    said.retain(|(of, ..)| *of != n);
                }
                _ => now += Duration::from_millis(ms),
            }
            prop_assert!(denied.len() <= capacity);
            prop_assert!(denied.order.len() <= capacity * 2 + 1);
            for n in 0..9 {
                let sound = said.iter().any(|(of, least, until)| (*of, *least <= need) == (n, true) && now < *until);
                let known = denied.find(key(n), need, now);
                prop_assert!(known.is_none() || sound, "{} {}", n, need);
            }
        }
    }
}

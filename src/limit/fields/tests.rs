use super::*;
use crate::policy::Algorithm;
use proptest::prelude::*;

fn limit(name: &str, limit: u64, window_us: u64, headers: LimitHeaders) -> Limit {
    Limit {
        headers,
        ..Limit::new(name, Algorithm::FixedWindow, limit, window_us)
    }
}

fn taken(state: TakeState, available: u64, reset_us: u64, retry_us: u64) -> Taken {
    Taken::new(state, available, reset_us, retry_us)
}

fn shown(items: &[(Limit, Taken)]) -> Vec<(&'static str, String)> {
    fields(items.iter().map(|(limit, taken)| (limit, taken)))
}

fn retry(items: &[(Limit, Taken)]) -> Option<u64> {
    retry_after_s(items.iter().map(|(limit, taken)| (limit, taken)))
}

#[test]
fn draft_11_one_item_per_limit() {
    let items = [
        (
            limit("per-ip", 100, 60_000_000, LimitHeaders::Draft11),
            taken(TakeState::Ok, 42, 17_000_001, 0),
        ),
        (
            limit("per-user", 600, 60_000_000, LimitHeaders::Draft11),
            taken(TakeState::Ok, 0, 1, 0),
        ),
    ];
    assert_eq!(
        shown(&items),
        [
            (
                "ratelimit-policy",
                r#""per-ip";q=100;w=60, "per-user";q=600;w=60"#.to_owned()
            ),
            (
                "ratelimit",
                r#""per-ip";r=42;t=18, "per-user";r=0;t=1"#.to_owned()
            ),
        ]
    );
}

#[test]
fn shadow_limits_and_silent_ones_are_not_shown() {
    let mut shadow = limit("shadow", 1, 1_000_000, LimitHeaders::Draft11);
    shadow.shadow = true;
    let silent = limit("silent", 1, 1_000_000, LimitHeaders::None);
    let denied = taken(TakeState::Denied, 0, 5_000_000, 5_000_000);
    assert_eq!(shown(&[(shadow.clone(), denied), (silent, denied)]), []);
    assert_eq!(shown(&[]), []);
    assert_eq!(retry(&[(shadow.clone(), denied)]), None);
    assert_eq!(retry(&[(shadow, taken(TakeState::Never, 0, 0, 0))]), None);
}

/// A policy without a whole number of seconds says no window rather than a wrong one.
#[test]
fn a_window_below_a_second_is_left_out() {
    for (window_us, policy) in [
        (500_000, r#""x";q=5"#),
        (1_500_000, r#""x";q=5"#),
        (1_000_000, r#""x";q=5;w=1"#),
        (86_400_000_000, r#""x";q=5;w=86400"#),
    ] {
        let items = [(
            limit("x", 5, window_us, LimitHeaders::Draft11),
            taken(TakeState::Ok, 5, 0, 0),
        )];
        assert_eq!(shown(&items)[0].1, policy);
    }
}

#[test]
fn integers_and_strings_stay_structured() {
    let odd = limit(
        "a\"b\\c\u{e9}\n",
        u64::MAX,
        1_000_000,
        LimitHeaders::Draft11,
    );
    let items = [(odd, taken(TakeState::Ok, u64::MAX, u64::MAX, 0))];
    assert_eq!(
        shown(&items),
        [
            (
                "ratelimit-policy",
                r#""a\"b\\c";q=999999999999999;w=1"#.to_owned()
            ),
            (
                "ratelimit",
                r#""a\"b\\c";r=999999999999999;t=18446744073710"#.to_owned()
            ),
        ]
    );
}

#[test]
fn legacy_fields_speak_of_the_tightest_limit() {
    let items = [
        (
            limit("a", 100, 60_000_000, LimitHeaders::Legacy),
            taken(TakeState::Ok, 42, 2_000_000, 0),
        ),
        (
            limit("b", 10, 60_000_000, LimitHeaders::Legacy),
            taken(TakeState::Ok, 3, 2_500_000, 0),
        ),
        (
            limit("c", 50, 60_000_000, LimitHeaders::Legacy),
            taken(TakeState::Ok, 3, 9_000_000, 0),
        ),
        (
            limit("d", 5, 60_000_000, LimitHeaders::Draft11),
            taken(TakeState::Ok, 1, 9_000_000, 0),
        ),
    ];
    let legacy: Vec<_> = shown(&items).split_off(2);
    assert_eq!(
        legacy,
        [
            ("x-ratelimit-limit", "10".to_owned()),
            ("x-ratelimit-remaining", "3".to_owned()),
            ("x-ratelimit-reset", "3".to_owned()),
        ]
    );
}

#[test]
fn retry_after_waits_for_the_slowest_denial() {
    let x = || limit("x", 5, 1_000_000, LimitHeaders::Draft11);
    let ok = taken(TakeState::Ok, 5, 90_000_000, 0);
    let denied = |reset_us, retry_us| taken(TakeState::Denied, 0, reset_us, retry_us);
    assert_eq!(retry(&[]), None);
    assert_eq!(retry(&[(x(), ok)]), None);
    assert_eq!(
        retry(&[(x(), ok), (x(), denied(1_000_001, 1_000_001))]),
        Some(2)
    );
    assert_eq!(
        retry(&[(x(), denied(3_000_000, 9_000_000)), (x(), denied(8, 8))]),
        Some(9)
    );
    assert_eq!(
        retry(&[(x(), denied(0, 0))]),
        Some(1),
        "0 would ask for a storm"
    );
}

/// specs/limits.md, 7: a cost that can never fit must not be told to try again.
#[test]
fn a_cost_that_never_fits_has_no_retry_after() {
    let x = || limit("x", 5, 1_000_000, LimitHeaders::Draft11);
    let never = taken(TakeState::Never, 5, 0, 0);
    let denied = taken(TakeState::Denied, 0, 1_000_000, 1_000_000);
    assert_eq!(retry(&[(x(), denied), (x(), never)]), None);
    assert_eq!(retry(&[(x(), never), (x(), denied)]), None);
}

proptest! {
    /// draft-11, 8.4: never before the end of the effective window of a limit that denied.
    #[test]
    fn retry_after_is_never_before_the_end_of_t(
        takes in prop::collection::vec((0..2_u8, any::<u64>(), any::<u64>()), 1..6),
    ) {
        let items: Vec<_> = takes.iter().map(|(denied, reset_us, retry_us)| {
            let state = if *denied == 1 { TakeState::Denied } else { TakeState::Ok };
            let reset_us = reset_us % 1_000_000_000_000;
            (limit("x", 5, 1_000_000, LimitHeaders::Draft11), taken(state, 0, reset_us, retry_us % 1_000_000_000_000))
        }).collect();
        let told = retry(&items);
        let denied: Vec<_> = items.iter().filter(|(_, taken)| taken.state == TakeState::Denied).collect();
        prop_assert_eq!(told.is_some(), !denied.is_empty());
        for (_, taken) in denied {
            let us = told.unwrap() * 1_000_000;
            prop_assert!(us >= taken.retry_us && us >= taken.reset_us);
            prop_assert!(told.unwrap() >= seconds(taken.reset_us));
        }
    }
}

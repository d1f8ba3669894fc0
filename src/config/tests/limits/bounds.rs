//! Limits: what never fits, and what is probably not meant.

use super::super::{errors, limit};
use super::{WINDOW, warnings, with};
use crate::config::parse;

#[test]
fn costs_that_never_fit_and_unused_entries_are_warned_of() {
    let json = limit(
        r#""algorithm": "fixed_window", "limit": 5, "window": "1s", "key": ["path"], "cost": 6"#,
    );
    let config = parse(json.as_bytes()).unwrap();
    assert_eq!(
        config.warnings,
        [
            "limits.x.cost: never fits: every request is refused",
            "limits.x: no policy uses it"
        ]
    );
}

#[test]
fn a_bucket_stays_within_exact_microseconds() {
    let with = |fields: &str| {
        errors(&limit(&format!(
            r#""algorithm": "token_bucket", "key": ["path"], {fields}"#
        )))
    };
    assert!(with(r#""limit": 1000, "window": "1ms""#).is_empty());
    assert_eq!(
        with(r#""limit": 1001, "window": "1ms""#),
        [
            "limits.x.limit: must be at most 1000 in 1ms: token_bucket counts in whole microseconds, got 1001"
        ]
    );
    assert!(with(r#""limit": 1, "window": "1d", "burst": 366"#).is_empty());
    for burst in ["367", "9007199254740991"] {
        assert_eq!(
            with(&format!(r#""limit": 1, "window": "1d", "burst": {burst}"#)),
            [format!(
                "limits.x.burst: must refill within 366d, got {burst} at 1 in 1d"
            )]
        );
    }
}

#[test]
fn what_is_probably_not_meant_is_warned_of() {
    let leaky = with("leaky_bucket", r#""cost": 1000, "max_delay""#);
    for (fields, place) in [
        (
            format!(r#"{WINDOW}, "cost": {{"header": "a", "min": 101, "max": 200}}"#),
            "cost.min",
        ),
        (
            format!(r#"{WINDOW}, "cost": {{"header": "a", "max": 101}}"#),
            "cost.max",
        ),
        (
            format!(r#"{WINDOW}, "cost": {{"header": "a", "min": 0, "max": 5}}"#),
            "cost.min",
        ),
        (
            format!(r#"{WINDOW}, "cost": {{"response_header": "a", "max": 500, "reserve": 101}}"#),
            "cost.reserve",
        ),
        (
            format!(r#"{WINDOW}, "lease": {{"max": "1.99%"}}"#),
            "lease.max",
        ),
        (
            format!(r#"{WINDOW}, "lease": {{"max": "13%"}}"#),
            "lease.max",
        ),
        (
            format!(r#"{WINDOW}, "on_error": "local", "peers": 101"#),
            "peers",
        ),
        (
            format!(r#"{WINDOW}, "on_denied": {{"body": "no"}}"#),
            "on_denied.body",
        ),
        (WINDOW.replace("path", "header:X-Real-IP"), "key[0]"),
        (
            with("token_bucket", "\"burst\": 100").replace("1m", "1d"),
            "algorithm",
        ),
        (format!(r#"{leaky}: "599ms""#), "max_delay"),
    ] {
        let found = warnings(&fields);
        assert_eq!(found.len(), 1, "{fields}: {found:?}");
        assert!(
            found[0].starts_with(&format!("limits.x.{place}: ")),
            "{found:?}"
        );
    }
    for fields in [
        WINDOW.to_owned(),
        format!(r#"{WINDOW}, "cost": {{"header": "a", "max": 100}}"#),
        format!(r#"{WINDOW}, "cost": {{"response_header": "a", "max": 500, "reserve": 100}}"#),
        format!(r#"{WINDOW}, "lease": {{"max": "2%"}}"#),
        format!(r#"{WINDOW}, "lease": {{"max": "12.5%"}}"#),
        format!(r#"{WINDOW}, "on_error": "local", "peers": 100"#),
        WINDOW.replace("path", "header:x-api-key"),
        with("token_bucket", "\"burst\": 99").replace("1m", "1d"),
        with("token_bucket", "\"burst\": 100"),
        WINDOW.replace("1m", "month"),
        format!(r#"{leaky}: "600ms""#),
    ] {
        assert_eq!(warnings(&fields), Vec::<String>::new(), "{fields}");
    }
}

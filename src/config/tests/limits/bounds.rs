//! Limits: what never fits, and what is probably not meant.

use super::super::{errors, limit};
use super::{WINDOW, warnings, with};
use crate::config::{ConfigError, parse};
use crate::policy::{Cost, Limit};
use crate::wire::op::{Op, Take, TakeOptions};
use crate::wire::resp::decode_all;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use std::cell::Cell;

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

/// What `limit` sends for one request, whatever it costs.
fn takes(limit: &Limit) -> Vec<u8> {
    let costs = match limit.cost {
        Cost::Fixed(units) => [units, units, units],
        Cost::RequestHeader {
            default, min, max, ..
        } => [default, min, max],
        Cost::ResponseHeader {
            default,
            max,
            reserve,
            ..
        } => [default, max, reserve],
    };
    let calendar = limit.calendar.as_ref().map(|calendar| calendar.to_wire());
    let take = |cost| Take {
        algorithm: limit.algorithm.name().as_bytes(),
        subject: &[7; 16],
        id: &limit.id,
        limit: limit.limit,
        window_us: limit.window_us,
        burst: limit.burst,
        cost,
        options: TakeOptions {
            calendar: calendar.as_deref().map(str::as_bytes),
            lease: (limit.lease_max > 0).then_some(limit.lease_max),
            overridable: limit.overridable.then_some(limit.name.as_bytes()),
            ..TakeOptions::default()
        },
    };
    let mut message = Vec::new();
    Op::LimitTake(costs.map(take).to_vec()).encode(&mut message);
    message
}

/// Values for one field: good ones, at the edges, and worse.
fn values(field: &str) -> Vec<Value> {
    match field {
        "algorithm" => vec![
            json!("fixed_window"),
            json!("sliding_window"),
            json!("sliding_window_log"),
            json!("token_bucket"),
            json!("leaky_bucket"),
            json!("concurrency"),
        ],
        "limit" | "burst" => vec![
            json!(1),
            json!(10_000),
            json!(9_007_199_254_740_991_u64),
            json!(0),
        ],
        "window" => vec![
            json!("1ms"),
            json!("366d"),
            json!("day"),
            json!("year"),
            json!("367d"),
        ],
        "timezone" => vec![json!("America/Argentina/ComodRivadavia"), json!("x")],
        "max_delay" => vec![json!("1ms"), json!("30s"), json!("0s")],
        "slot_ttl" => vec![json!("1s"), json!("24h"), json!("366d")],
        "cost" => vec![
            json!(0),
            json!(9_007_199_254_740_991_u64),
            json!({ "header": "a", "min": 0, "max": 9_007_199_254_740_991_u64 }),
            json!({ "response_header": "a", "max": 5, "reserve": 5 }),
        ],
        "apply" => vec![json!("request"), json!({ "response_status": [401] })],
        "override" => vec![json!(true)],
        _ => vec![json!({ "max": "0.01%" }), json!({ "max": "100%" })],
    }
}

const FIELDS: [&str; 11] = [
    "algorithm",
    "limit",
    "burst",
    "window",
    "timezone",
    "max_delay",
    "slot_ttl",
    "cost",
    "apply",
    "override",
    "lease",
];

fn fields() -> impl Strategy<Value = Value> {
    let chosen = |field| {
        let often = match field {
            "algorithm" | "limit" | "window" => 0.95,
            _ => 0.25,
        };
        weighted(often, select(values(field)))
    };
    let choices: Vec<_> = FIELDS.into_iter().map(chosen).collect();
    choices.prop_map(|chosen| {
        let mut limit = json!({ "key": ["path"] });
        for (field, value) in FIELDS.into_iter().zip(chosen) {
            if let Some(value) = value {
                limit[field] = value;
            }
        }
        limit
    })
}

/// A limit that compiles is one that the bridge can be asked about, whatever a request costs; one that
/// does not says why.
#[test]
fn what_compiles_is_within_what_the_wire_takes() {
    let compiled = Cell::new(0);
    let mut runner = TestRunner::new(Config::with_cases(4_096));
    let result = runner.run(&fields(), |fields| {
        let json = json!({ "version": 1, "limits": { "x": fields } }).to_string();
        match parse(json.as_bytes()) {
            Ok(config) => {
                compiled.set(compiled.get() + 1);
                let message = takes(&config.limits[0]);
                let values = decode_all(&message).unwrap();
                prop_assert!(Op::parse(&values[0]).is_ok(), "{json}");
            }
            Err(errors) => {
                let said = |e: &ConfigError| e.path.starts_with("limits.x") && !e.reason.is_empty();
                prop_assert!(errors.0.iter().all(said), "{errors}");
            }
        }
        Ok(())
    });
    result.unwrap();
    // About 225 of 4,096.
    assert!(compiled.get() > 100, "{} compiled", compiled.get());
}

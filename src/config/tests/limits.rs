//! Limits: what compiles to what, and what makes a counter its own.

mod bounds;

use super::{errors, limit};
use crate::config::parse;
use crate::policy::{Algorithm, Apply, Calendar, CalendarUnit, Cost, Limit, OnDenied, StatusRule};

/// Compiles a limit `x` with these fields.
fn compiled(fields: &str) -> Limit {
    let config = parse(limit(fields).as_bytes());
    let mut config = config.unwrap_or_else(|errors| panic!("{fields}\n{errors}"));
    config.limits.remove(0)
}

/// What it is warned of, but that no policy uses it.
fn warnings(fields: &str) -> Vec<String> {
    let config = parse(limit(fields).as_bytes());
    let config = config.unwrap_or_else(|errors| panic!("{fields}\n{errors}"));
    let of_use = "limits.x: no policy uses it";
    let warnings = config.warnings.into_iter();
    warnings.filter(|warning| warning != of_use).collect()
}

const WINDOW: &str =
    r#""algorithm": "fixed_window", "limit": 100, "window": "1m", "key": ["path"]"#;

/// [`WINDOW`] with another algorithm.
fn with(algorithm: &str, fields: &str) -> String {
    format!("{}, {fields}", WINDOW.replace("fixed_window", algorithm))
}

#[test]
fn every_algorithm_compiles() {
    for algorithm in Algorithm::ALL {
        let name = algorithm.name();
        let fields = match algorithm {
            Algorithm::LeakyBucket => with(name, r#""max_delay": "2s""#),
            Algorithm::Concurrency => {
                format!(r#""algorithm": "{name}", "limit": 100, "key": ["path"]"#)
            }
            _ => WINDOW.replace("fixed_window", name),
        };
        let limit = compiled(&fields);
        assert_eq!((limit.algorithm, limit.limit), (algorithm, 100));
        assert_eq!(limit.window_us, 60_000_000, "{name}: also a slot's default");
        let burst = match algorithm {
            Algorithm::LeakyBucket => 2_000_000,
            _ => 100,
        };
        assert_eq!((limit.burst, limit.calendar), (burst, None), "{name}");
    }
}

#[test]
fn what_is_left_out_has_the_defaults_of_a_limit() {
    let limit = compiled(&WINDOW.replace("path", "client.ip"));
    let expected = Limit {
        id: limit.id,
        ..Limit::new("x", Algorithm::FixedWindow, 100, 60_000_000)
    };
    assert_eq!(limit, expected);
}

#[test]
fn windows_of_the_calendar_have_a_zone_and_their_longest_length() {
    for unit in CalendarUnit::ALL {
        for (zone, written) in [
            ("UTC", ""),
            ("UTC", r#", "timezone": "UTC""#),
            ("Europe/Berlin", r#", "timezone": "Europe/Berlin""#),
        ] {
            let limit = compiled(&format!("{}{written}", WINDOW.replace("1m", unit.name())));
            let zone = zone.to_owned();
            assert_eq!(limit.calendar, Some(Calendar { unit, zone }));
            assert_eq!(limit.window_us, unit.longest_us());
        }
    }
}

#[test]
fn a_slot_lives_as_long_as_slot_ttl_says_or_window_in_its_place() {
    let base = r#""algorithm": "concurrency", "limit": 4, "key": ["path"]"#;
    for (field, us) in [
        (r#""slot_ttl": "1s""#, 1_000_000),
        (r#""slot_ttl": "24h""#, 86_400_000_000),
        (r#""window": "5m""#, 300_000_000),
    ] {
        let fields = format!("{base}, {field}");
        assert_eq!(compiled(&fields).window_us, us);
        let warned = warnings(&fields).len();
        assert_eq!(warned, usize::from(field.contains("window")), "{field}");
    }
}

#[test]
fn costs_compile() {
    let cost = |cost: &str| compiled(&format!(r#"{WINDOW}, "cost": {cost}"#)).cost;
    assert_eq!(cost("0"), Cost::Fixed(0));
    assert_eq!(cost("7.0"), Cost::Fixed(7));
    let request = |default, min, max| Cost::RequestHeader {
        name: "x-cost".to_owned(),
        default,
        min,
        max,
    };
    assert_eq!(
        cost(r#"{"header": "X-Cost", "max": 9.0}"#),
        request(1, 1, 9)
    );
    let zero = r#"{"header": "X-Cost", "default": 0, "min": 0, "max": 9}"#;
    assert_eq!(cost(zero), request(0, 0, 9));
    // Without a header a request costs what the least one does.
    assert_eq!(
        cost(r#"{"header": "X-Cost", "min": 3, "max": 9}"#),
        request(3, 3, 9)
    );
    let response = |default, reserve| Cost::ResponseHeader {
        name: "x-tokens".to_owned(),
        default,
        max: 9,
        reserve,
    };
    assert_eq!(
        cost(r#"{"response_header": "X-Tokens", "max": 9}"#),
        response(1, 0)
    );
    assert_eq!(
        cost(r#"{"response_header": "X-Tokens", "default": 0, "max": 9, "reserve": 9}"#),
        response(0, 9)
    );
}

#[test]
fn statuses_are_numbers_or_classes() {
    let apply = |apply: &str| compiled(&format!(r#"{WINDOW}, "apply": {apply}"#)).apply;
    assert_eq!(apply(r#""request""#), Apply::Request);
    assert_eq!(
        apply(r#"{"response_status": [401.0, "403", "5xx", 200, 599]}"#),
        Apply::ResponseStatus(vec![
            StatusRule::Exactly(401),
            StatusRule::Exactly(403),
            StatusRule::Class(5),
            StatusRule::Exactly(200),
            StatusRule::Exactly(599),
        ])
    );
    for bad in ["0401", "+401", "401 ", "x", "", "1xx", "-1"] {
        let fields = format!(r#"{WINDOW}, "apply": {{"response_status": ["{bad}"]}}"#);
        assert_eq!(errors(&limit(&fields)).len(), 1, "{bad}");
    }
}

#[test]
fn percentages_are_parts_of_10_000() {
    let enforce =
        |text: &str| errors(&limit(&format!(r#"{WINDOW}, "enforce": "{text}""#))).is_empty();
    for (text, parts) in [
        ("0%", 0),
        ("0.01%", 1),
        ("0.5%", 50),
        ("5%", 500),
        ("05%", 500),
        ("12.25%", 1_225),
        ("99.99%", 9_999),
        ("100%", 10_000),
        ("100.0%", 10_000),
    ] {
        assert_eq!(
            compiled(&format!(r#"{WINDOW}, "enforce": "{text}""#)).enforce,
            parts
        );
    }
    for bad in [
        "", "%", "5", "5 %", " 5%", "+5%", "-5%", ".5%", "5.%", "5..1%", "5.123%", "100.01%",
        "101%", "0100%", "1e1%", "NaN%", "5%%", "٥%",
    ] {
        assert!(!enforce(bad), "{bad}");
    }
}

#[test]
fn a_lease_is_a_part_of_what_a_key_holds_and_one_unit_at_least() {
    let lease = |fields: &str, max: &str| {
        compiled(&format!(r#"{fields}, "lease": {{"max": "{max}"}}"#)).lease_max
    };
    assert_eq!(lease(WINDOW, "5%"), 5);
    assert_eq!(lease(WINDOW, "0.99%"), 1);
    assert_eq!(lease(WINDOW, "0.01%"), 1);
    assert_eq!(lease(WINDOW, "100%"), 100);
    let bucket = with("token_bucket", r#""burst": 40"#);
    assert_eq!(lease(&bucket, "5%"), 2);
    let most = WINDOW.replace("100", "9007199254740991");
    assert_eq!(lease(&most, "100%"), 9_007_199_254_740_991);
}

#[test]
fn what_a_denied_client_gets_compiles() {
    let denied = |fields: &str| compiled(&format!(r#"{WINDOW}, "on_denied": {fields}"#)).on_denied;
    assert_eq!(
        denied(r#"{"status": 503.0}"#),
        OnDenied {
            status: Some(503),
            ..OnDenied::default()
        }
    );
    assert_eq!(
        denied(r#"{"body": "a\nb", "headers": {"Content-Type": "text/plain", "x-a": ""}}"#),
        OnDenied {
            status: None,
            body: Some("a\nb".to_owned()),
            headers: vec![
                ("content-type".to_owned(), "text/plain".to_owned()),
                ("x-a".to_owned(), String::new()),
            ],
        }
    );
    let full = format!(r#"{{"body": "{}"}}"#, "x".repeat(8_192));
    assert_eq!(denied(&full).body.map(|body| body.len()), Some(8_192));
}

/// A counter keeps its state as long as it means the same (R16): not when what it counts, or in what
/// time, is another; but who is charged how much, and what follows, may change under a running fleet.
#[test]
fn a_changed_limit_has_another_id_and_an_unchanged_one_the_same() {
    let id = |fields: &str| compiled(fields).id;
    let bucket = WINDOW.replace("fixed_window", "token_bucket");
    let leaky = with("leaky_bucket", r#""max_delay": "1s""#);
    let slots = r#""algorithm": "concurrency", "limit": 4, "key": ["path"]"#.to_owned();
    let day = WINDOW.replace("1m", "day");

    let same = [
        (&bucket, r#""burst": 100"#),
        (&bucket, r#""cost": 2"#),
        (&bucket, r#""cost": {"header": "x-cost", "max": 5}"#),
        (
            &bucket,
            r#""cost": {"response_header": "x-cost", "max": 5}"#,
        ),
        (&bucket, r#""apply": {"response_status": [401]}"#),
        (&bucket, r#""override": true"#),
        (&bucket, r#""shadow": true"#),
        (&bucket, r#""enforce": "25%""#),
        (&bucket, r#""lease": {"max": "5%"}"#),
        (&bucket, r#""on_error": "deny""#),
        (&bucket, r#""headers": "legacy""#),
        (&bucket, r#""on_denied": {"status": 503}"#),
        (&bucket, r#""retry_jitter": "5s""#),
        (&slots, r#""slot_ttl": "1m""#),
        (&day, r#""timezone": "UTC""#),
    ];
    for (base, field) in same {
        assert_eq!(id(base), id(&format!("{base}, {field}")), "{field}");
    }
    // The same time in another unit is the same limit.
    assert_eq!(id(&bucket), id(&bucket.replace("1m", "60s")));

    let others = [
        bucket.clone(),
        WINDOW.to_owned(),
        bucket.replace("100", "101"),
        bucket.replace("1m", "2m"),
        bucket.replace("\"path\"", "\"host\""),
        bucket.replace("\"path\"", "\"path\", \"host\""),
        format!(r#"{bucket}, "burst": 101"#),
        leaky.clone(),
        leaky.replace("1s", "1001ms"),
        slots.clone(),
        format!(r#"{slots}, "slot_ttl": "61s""#),
        day.clone(),
        format!(r#"{day}, "timezone": "Europe/Berlin""#),
        format!(r#"{day}, "timezone": "Europe/Paris""#),
        WINDOW.replace("1m", "week"),
        WINDOW.replace("1m", "25h"),
        with("sliding_window", r#""cost": 1"#),
        with("sliding_window_log", r#""cost": 1"#),
    ];
    for (n, fields) in others.iter().enumerate() {
        for other in &others[..n] {
            assert_ne!(id(fields), id(other), "{fields}\n{other}");
        }
    }
}

#[test]
fn one_pass_finds_every_mistake_of_a_limit() {
    let fields = r#""algorithm": "leaky_bucket", "limit": 0, "window": "month", "timezone": "Mars/Phobos",
        "burst": 1, "slot_ttl": "1m", "key": [1], "cost": {"response_header": "a b", "max": 0, "min": 1},
        "apply": {"response_status": [1, 401, "x"]}, "override": 1, "shadow": true, "enforce": "5%",
        "lease": {"max": 5}, "on_error": "local", "headers": 1,
        "on_denied": {"status": 1, "body": 1, "headers": {"te": "1", "x-a": "\n"}},
        "retry_jitter": "1ms""#;
    let found = errors(&limit(fields));
    for place in [
        "limit",
        "window",
        "timezone",
        "burst",
        "max_delay",
        "slot_ttl",
        "key[0]",
        "cost.response_header",
        "cost.max",
        "cost.min",
        "cost",
        "apply.response_status[0]",
        "apply.response_status[2]",
        "apply",
        "override",
        "enforce",
        "lease.max",
        "lease",
        "peers",
        "headers",
        "on_denied.status",
        "on_denied.body",
        "on_denied.headers.te",
        "on_denied.headers.x-a",
        "retry_jitter",
    ] {
        let start = format!("limits.x.{place}: ");
        assert!(
            found.iter().any(|e| e.starts_with(&start)),
            "{place}\n{}",
            found.join("\n")
        );
    }
}

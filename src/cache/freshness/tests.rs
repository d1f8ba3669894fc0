use super::*;
use proptest::prelude::*;

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const DATE_MS: u64 = 784_111_777_000;

fn cache(ttl_ms: Option<u64>) -> policy::Cache {
    policy::Cache {
        name: "c".to_owned(),
        ttl_ms,
        ttl_max_ms: 86_400_000,
        max_body: 1024,
        ..policy::Cache::default()
    }
}

fn at(wall_ms: Option<u64>) -> Timing {
    Timing {
        response_delay_ms: 0,
        wall_ms,
        roll: 0,
    }
}

fn of(pairs: &[(&str, &str)], timing: Timing, ttl_ms: Option<u64>) -> Option<(u64, Source)> {
    let headers = Headers::from_pairs(pairs.iter().copied());
    let directives = Directives::of(&headers);
    lifetime(&directives, 200, &headers, &timing, &cache(ttl_ms)).map(|l| (l.ms, l.source))
}

fn age(pairs: &[(&str, &str)], timing: Timing) -> u64 {
    initial_age_ms(&Headers::from_pairs(pairs.iter().copied()), &timing)
}

#[test]
fn rfc9111_5_2_2_10_s_maxage_wins_over_max_age() {
    for value in ["max-age=3600, s-maxage=1", "s-maxage=1, max-age=3600"] {
        assert_eq!(
            of(&[("cache-control", value)], at(None), None),
            Some((1000, Source::SMaxage))
        );
    }
    let lines = [
        ("cache-control", "max-age=1"),
        ("cache-control", "s-maxage=3600"),
    ];
    assert_eq!(
        of(&lines, at(None), None),
        Some((3_600_000, Source::SMaxage))
    );
}

#[test]
fn rfc9111_5_3_max_age_wins_over_expires() {
    for expires in [
        "Sun, 06 Nov 1994 08:49:36 GMT",
        "0",
        "Sun, 06 Nov 2044 08:49:36 GMT",
    ] {
        let pairs = [
            ("cache-control", "max-age=7"),
            ("expires", expires),
            ("date", DATE),
        ];
        assert_eq!(
            of(&pairs, at(None), Some(1)),
            Some((7000, Source::MaxAge)),
            "{expires}"
        );
    }
}

#[test]
fn rfc9111_4_2_1_expires_minus_date() {
    let with = |expires, date| {
        of(
            &[("expires", expires), ("date", date)],
            at(Some(DATE_MS)),
            Some(9),
        )
    };
    assert_eq!(
        with("Sun, 06 Nov 1994 08:49:47 GMT", DATE),
        Some((10_000, Source::Expires))
    );
    assert_eq!(with(DATE, DATE), Some((0, Source::Expires)));
    assert_eq!(
        with("Sun, 06 Nov 1994 08:49:36 GMT", DATE),
        Some((0, Source::Expires)),
        "past"
    );
    assert_eq!(
        with("Sun, 06 Nov 1994 08:49:47 GMT", "foo"),
        Some((10_000, Source::Expires)),
        "arrival stands in for Date"
    );
}

#[test]
fn rfc9111_5_3_an_invalid_or_repeated_expires_is_stale() {
    for expires in ["0", "-1", "", "tomorrow", "Sun, 06 Nov 2094 08:49:47 UTC"] {
        assert_eq!(
            of(&[("expires", expires), ("date", DATE)], at(None), Some(9)),
            Some((0, Source::Expires))
        );
    }
    let far = "Sun, 06 Nov 2044 08:49:37 GMT";
    assert_eq!(
        of(
            &[("expires", far), ("expires", far), ("date", DATE)],
            at(None),
            None
        ),
        Some((0, Source::Expires))
    );
    assert_eq!(
        of(&[("expires", far)], at(None), None),
        Some((0, Source::Expires)),
        "no Date, no clock"
    );
}

#[test]
fn the_policys_ttl_is_for_answers_that_name_none() {
    assert_eq!(
        of(
            &[("date", DATE), ("cache-control", "public")],
            at(None),
            Some(60_000)
        ),
        Some((60_000, Source::Policy))
    );
    assert_eq!(of(&[], at(None), None), None);
    assert_eq!(
        of(&[("cache-control", "max-age=0")], at(None), Some(60_000)),
        Some((0, Source::MaxAge))
    );
}

#[test]
fn rfc9111_5_1_age_is_the_first_number() {
    let cases = [
        (&["7200"][..], 7200),
        (&["abc"], 0),
        (&["-7200"], 0),
        (&["7200.0"], 0),
        (&["7200, 0"], 7200),
        (&["0, 7200"], 0),
        (&["7200", "0"], 7200),
        (&["0", "7200"], 0),
        (&["3600", "3600"], 3600),
        (&["7200;foo=bar"], 7200),
        (&[" 5 "], 5),
        (&[], 0),
        (&["2147483647"], (1 << 31) - 1),
        (&["2147483648"], 1 << 31),
        (&["99999999999999999999"], 1 << 31),
    ];
    for (lines, seconds) in cases {
        let pairs: Vec<_> = lines.iter().map(|line| ("age", *line)).collect();
        assert_eq!(age(&pairs, at(None)), seconds * 1000, "{lines:?}");
    }
}

#[test]
fn rfc9111_4_2_3_corrected_initial_age() {
    let timing = Timing {
        response_delay_ms: 1500,
        wall_ms: Some(DATE_MS + 30_000),
        ..Timing::default()
    };
    assert_eq!(age(&[("date", DATE)], timing), 30_000, "apparent age");
    assert_eq!(
        age(&[("date", DATE), ("age", "60")], timing),
        61_500,
        "corrected age value"
    );
    assert_eq!(
        age(&[("date", DATE), ("age", "10")], timing),
        30_000,
        "the larger one"
    );
    assert_eq!(age(&[], timing), 1500, "the delay alone");
    let ahead = Timing {
        response_delay_ms: 0,
        wall_ms: Some(DATE_MS - 30_000),
        ..Timing::default()
    };
    assert_eq!(
        age(&[("date", DATE)], ahead),
        0,
        "a Date in the future makes nothing younger"
    );
    assert_eq!(
        age(&[("date", DATE)], at(None)),
        0,
        "no clock, no apparent age"
    );
}

proptest! {
    #[test]
    fn age_never_decreases_with_what_makes_older(
        seconds in 0..10_000_u64, delay in 0..10_000_u64, wall in 0..10_000_u64, more in 0..10_000_u64,
    ) {
        let base = Timing { response_delay_ms: delay, wall_ms: Some(DATE_MS + wall * 1000), roll: 0 };
        let of = |seconds: u64, timing| age(&[("date", DATE), ("age", &seconds.to_string())], timing);
        let before = of(seconds, base);
        prop_assert!(before >= delay && before >= seconds * 1000 && before >= wall * 1000);
        prop_assert!(of(seconds + more, base) >= before);
        let slower = Timing { response_delay_ms: delay + more, ..base };
        prop_assert!(of(seconds, slower) >= before);
        let later = Timing { wall_ms: Some(DATE_MS + (wall + more) * 1000), ..base };
        prop_assert!(of(seconds, later) >= before);
    }

    #[test]
    fn any_values_are_read(
        age_line in prop::collection::vec(any::<u8>(), 0..16),
        expires in prop::collection::vec(any::<u8>(), 0..40),
        delay in any::<u64>(),
        wall in any::<Option<u64>>(),
    ) {
        let headers = Headers::from_pairs([("age", age_line), ("expires", expires.clone()), ("date", expires)]);
        let timing = Timing { response_delay_ms: delay, wall_ms: wall, roll: 0 };
        prop_assert!(initial_age_ms(&headers, &timing) >= delay);
        prop_assert!(lifetime(&Directives::default(), 200, &headers, &timing, &cache(None)).is_some());
    }
}

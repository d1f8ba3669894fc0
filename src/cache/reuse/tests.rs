use super::*;
use crate::cache::key::Url;
use crate::cache::record::Usage;
use proptest::prelude::*;

const BORN_US: u64 = 1_700_000_000_000_000;
const DATE: &[u8] = b"Sun, 06 Nov 1994 08:49:37 GMT";

fn record() -> Record<'static> {
    Record {
        url: b"http://a/b",
        policy: "api",
        vary: vec![("foo", Some(b"1, 2")), ("bar", None)],
        extras: Vec::new(),
        lifetime_ms: 60_000,
        usage: Usage::default(),
        status: 200,
        headers: vec![
            ("content-type", b"text/plain"),
            ("etag", b"\"abc\""),
            ("last-modified", DATE),
            ("cache-control", b"max-age=60"),
            ("vary", b"foo, bar"),
            ("cache-status", b"origin; hit"),
        ],
        body: b"hello",
    }
}

/// A request that selects [`record`], with more fields.
fn headers(pairs: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::from_pairs([("foo", "1,2"), ("other", "x")]);
    for (name, value) in pairs {
        headers.append(name, *value);
    }
    headers
}

fn with<T>(
    method: &str,
    url: &str,
    policy: &str,
    headers: &Headers,
    run: impl Fn(&RequestMeta<'_>) -> T,
) -> T {
    let url = Url::parse(url.as_bytes()).expect("valid");
    let method = method.as_bytes();
    run(&RequestMeta {
        method,
        url: &url,
        policy,
        headers,
        session: false,
        extras: &[],
        credential: None,
    })
}

fn check_at(after_us: u64) -> Reuse {
    with("GET", "http://a/b", "api", &headers(&[]), |request| {
        check(&record(), BORN_US, BORN_US + after_us, request, None)
    })
}

fn answered<T>(
    record: &Record<'_>,
    method: &str,
    pairs: &[(&str, &str)],
    run: impl Fn(Answer<'_>) -> T,
) -> T {
    with(method, "http://a/b", "api", &headers(pairs), |request| {
        let age = Age {
            age_ms: 3_999,
            left_ms: 57_000,
        };
        let status = Status::Hit { ttl_s: age.ttl_s() };
        run(answer(record, request, age, status))
    })
}

fn status(record: &Record<'_>, pairs: &[(&str, &str)]) -> u16 {
    answered(record, "GET", pairs, |answer| answer.status)
}

#[test]
fn rfc9111_4_2_fresh_until_its_lifetime_is_over() {
    let fresh = |age_ms, left_ms| Reuse::Fresh(Age { age_ms, left_ms });
    assert_eq!(check_at(0), fresh(0, 60_000));
    assert_eq!(check_at(1), fresh(0, 60_000));
    assert_eq!(check_at(1_000_000), fresh(1_000, 59_000));
    assert_eq!(check_at(59_999_999), fresh(59_999, 1));
    let over = Age {
        age_ms: 60_000,
        left_ms: 0,
    };
    assert_eq!(check_at(60_000_000), Reuse::Stale(over));
    assert!(matches!(check_at(u64::MAX - BORN_US), Reuse::Stale(_)));
    let before = with("GET", "http://a/b", "api", &headers(&[]), |request| {
        check(&record(), BORN_US, BORN_US - 5, request, None)
    });
    assert_eq!(before, fresh(0, 60_000), "a clock that stepped back");
}

#[test]
fn c4_any_other_tuple_is_a_mismatch() {
    let run = |method, url, policy, headers: &Headers| {
        with(method, url, policy, headers, |request| {
            check(&record(), BORN_US, BORN_US, request, None)
        })
    };
    let same = headers(&[]);
    assert!(matches!(
        run("GET", "http://a/b", "api", &same),
        Reuse::Fresh(_)
    ));
    assert!(matches!(
        run("HEAD", "http://a/b", "api", &same),
        Reuse::Fresh(_)
    ));
    for (method, url, policy) in [
        ("POST", "http://a/b", "api"),
        ("GET", "https://a/b", "api"),
        ("GET", "http://a:80/b", "api"),
        ("GET", "http://b/b", "api"),
        ("GET", "http://a/B", "api"),
        ("GET", "http://a/b?", "api"),
        ("GET", "http://a/b", "other"),
    ] {
        assert_eq!(
            run(method, url, policy, &same),
            Reuse::Mismatch,
            "{method} {url} {policy}"
        );
    }
    assert_eq!(
        run("GET", "http://a/b", "api", &Headers::new()),
        Reuse::Mismatch,
        "foo is absent"
    );
    assert_eq!(
        run("GET", "http://a/b", "api", &headers(&[("foo", "3")])),
        Reuse::Mismatch,
        "another foo"
    );
    assert_eq!(
        run("GET", "http://a/b", "api", &headers(&[("bar", "")])),
        Reuse::Mismatch,
        "bar is empty, not absent"
    );
}

#[test]
fn rfc9111_5_1_the_answer_has_age_and_cache_status() {
    answered(&record(), "GET", &[], |answer| {
        assert_eq!((answer.status, answer.body), (200, &b"hello"[..]));
        assert_eq!(answer.headers.only("age"), Some(&b"3"[..]));
        assert_eq!(
            answer.headers.only("content-type"),
            Some(&b"text/plain"[..])
        );
        let lines: Vec<_> = answer.headers.all("cache-status").collect();
        assert_eq!(lines, [&b"origin; hit"[..], b"tidegate; hit; ttl=57"]);
    });
}

#[test]
fn rfc9110_9_3_2_head_gets_what_get_would() {
    let get = answered(&record(), "GET", &[], |a| {
        (a.status, a.headers, a.body.len())
    });
    let head = answered(&record(), "HEAD", &[], |a| {
        (a.status, a.headers, a.body.len())
    });
    assert_eq!(get, head);
}

#[test]
fn rfc9110_13_1_2_if_none_match() {
    for tag in [
        "\"abc\"",
        "W/\"abc\"",
        "*",
        "\"x\", \"abc\"",
        "\"x\",W/\"abc\" , \"y\"",
        "\"a,b\", \"abc\"",
    ] {
        assert_eq!(status(&record(), &[("if-none-match", tag)]), 304, "{tag}");
    }
    assert_eq!(
        status(
            &record(),
            &[("if-none-match", "\"x\""), ("if-none-match", "\"abc\"")]
        ),
        304,
        "second line"
    );
    for tag in [
        "",
        "\"x\"",
        "abc",
        "\"ABC\"",
        "w/\"abc\"",
        "\"x, \\\"abc\\\"\"",
        "\"abc",
    ] {
        assert_eq!(status(&record(), &[("if-none-match", tag)]), 200, "{tag}");
    }
    let mut slashed = record();
    slashed.headers[1].1 = b"\"a\\\"";
    let tags = "\"a\\\", \"x\"";
    assert_eq!(
        status(&slashed, &[("if-none-match", tags)]),
        304,
        "a backslash escapes nothing in an entity tag"
    );
    let mut weak = record();
    weak.headers[1].1 = b"W/\"abc\"";
    assert_eq!(
        status(&weak, &[("if-none-match", "\"abc\"")]),
        304,
        "weak comparison"
    );
    let mut bare = record();
    bare.headers.remove(1);
    assert_eq!(status(&bare, &[("if-none-match", "\"abc\"")]), 200);
    assert_eq!(status(&bare, &[("if-none-match", "*")]), 304);
}

#[test]
fn rfc9110_13_1_3_if_modified_since() {
    let same = "Sun, 06 Nov 1994 08:49:37 GMT";
    let cases = [
        (same, 304),
        ("Sun, 06 Nov 1994 08:49:38 GMT", 304),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 304),
        ("Sun, 06 Nov 1994 08:49:36 GMT", 200),
        ("yesterday", 200),
        ("", 200),
    ];
    for (since, expected) in cases {
        assert_eq!(
            status(&record(), &[("if-modified-since", since)]),
            expected,
            "{since}"
        );
    }
    assert_eq!(
        status(
            &record(),
            &[("if-modified-since", same), ("if-modified-since", same)]
        ),
        200,
        "not one date"
    );
    let mut dated = record();
    dated.headers[2].0 = "date";
    assert_eq!(
        status(&dated, &[("if-modified-since", same)]),
        304,
        "Date stands in"
    );
    dated.headers.remove(2);
    assert_eq!(
        status(&dated, &[("if-modified-since", same)]),
        200,
        "no date at all"
    );
}

#[test]
fn rfc9110_13_2_2_if_none_match_decides_alone() {
    let later = ("if-modified-since", "Sun, 06 Nov 2044 08:49:37 GMT");
    assert_eq!(status(&record(), &[("if-none-match", "\"x\""), later]), 200);
    let earlier = ("if-modified-since", "Sun, 06 Nov 1934 08:49:37 GMT");
    assert_eq!(
        status(&record(), &[("if-none-match", "\"abc\""), earlier]),
        304
    );
}

#[test]
fn rfc9110_13_2_1_preconditions_are_for_200_alone() {
    for code in [203, 301, 404, 410] {
        let other = Record {
            status: code,
            ..record()
        };
        assert_eq!(status(&other, &[("if-none-match", "\"abc\"")]), code);
    }
}

#[test]
fn rfc9110_15_4_5_a_304_carries_what_it_must_and_no_representation() {
    let names = |record: &Record<'_>| {
        answered(record, "GET", &[("if-none-match", "*")], |answer| {
            assert_eq!((answer.status, answer.body), (304, &b""[..]));
            answer
                .headers
                .iter()
                .map(|(name, _)| name.to_owned())
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(
        names(&record()),
        [
            "etag",
            "cache-control",
            "vary",
            "cache-status",
            "age",
            "cache-status"
        ]
    );
    let mut bare = record();
    bare.headers.remove(1);
    assert_eq!(
        names(&bare),
        [
            "last-modified",
            "cache-control",
            "vary",
            "cache-status",
            "age",
            "cache-status"
        ]
    );
}

proptest! {
    #[test]
    fn c8_age_is_monotone_and_never_beyond_the_lifetime(born in any::<u64>(), a in any::<u32>(), b in any::<u32>(), lifetime_ms in 1..100_000_u64) {
        let record = Record { lifetime_ms, ..record() };
        let at = |after: u32| with("GET", "http://a/b", "api", &headers(&[]), |request| {
            check(&record, born, born.saturating_add(u64::from(after)), request, None)
        });
        match (at(a.min(b)), at(a.max(b))) {
            (Reuse::Fresh(first), Reuse::Fresh(second)) => {
                prop_assert!(first.age_ms <= second.age_ms && second.left_ms <= first.left_ms);
                prop_assert_eq!(i64::try_from(second.age_ms).unwrap() + second.left_ms, i64::try_from(lifetime_ms).unwrap());
                prop_assert!(second.left_ms > 0);
            }
            (_, Reuse::Stale(age)) => prop_assert!(age.left_ms <= 0),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn any_conditions_are_read(value in prop::collection::vec(any::<u8>(), 0..40), second in any::<bool>()) {
        let name = if second { "if-modified-since" } else { "if-none-match" };
        let headers = Headers::from_pairs([(name, value)]);
        let record = record();
        let age = Age { age_ms: 0, left_ms: 1 };
        let said = Status::Hit { ttl_s: 0 };
        let status = with("GET", "http://a/b", "api", &headers, |request| answer(&record, request, age, said).status);
        prop_assert!(status == 200 || status == 304);
    }
}

use super::*;
use crate::cache::record::Usage;
use proptest::prelude::*;

const LM: &[u8] = b"Sun, 06 Nov 1994 08:49:37 GMT";

fn record(headers: Vec<(&'static str, &'static [u8])>) -> Record<'static> {
    Record {
        url: b"http://a/",
        policy: "p",
        vary: Vec::new(),
        extras: Vec::new(),
        lifetime_ms: 1,
        usage: Usage::default(),
        status: 200,
        headers,
        body: b"0123456789",
    }
}

fn of(range: &str) -> Part {
    let request = Headers::from_pairs([("range", range)]);
    wanted(&record(Vec::new()), b"GET", &request)
}

#[test]
fn rfc9110_14_1_2_one_range_of_bytes() {
    for (range, first, last) in [
        ("bytes=0-1", 0, 1),
        ("bytes=0-0", 0, 0),
        ("BYTES=3-5", 3, 5),
        ("bytes=5-", 5, 9),
        ("bytes=9-9", 9, 9),
        ("bytes=5-99999999999999999999999", 5, 9),
        ("bytes=-3", 7, 9),
        ("bytes=-99", 0, 9),
    ] {
        assert_eq!(of(range), Part::Bytes(first, last), "{range}");
    }
}

#[test]
fn rfc9110_15_5_17_nothing_of_it() {
    for range in [
        "bytes=10-",
        "bytes=10-11",
        "bytes=99999999999999999999-",
        "bytes=-0",
    ] {
        assert_eq!(of(range), Part::Unsatisfiable, "{range}");
    }
}

#[test]
fn rfc9110_14_2_what_is_not_understood_is_ignored() {
    for range in [
        "",
        "bytes=",
        "bytes=-",
        "bytes=5-3",
        "bytes=a-b",
        "bytes=0-1,3-4",
        "bytes =0-1",
        "items=0-1",
        "bytes=+1-2",
        "0-1",
    ] {
        assert_eq!(of(range), Part::Whole, "{range}");
    }
    let request = Headers::from_pairs([("range", "bytes=0-1")]);
    let stored = record(Vec::new());
    assert_eq!(wanted(&stored, b"HEAD", &request), Part::Whole);
    let twice = Headers::from_pairs([("range", "bytes=0-1"), ("range", "bytes=0-1")]);
    assert_eq!(wanted(&stored, b"GET", &twice), Part::Whole);
    let other = Record {
        status: 404,
        ..record(Vec::new())
    };
    assert_eq!(wanted(&other, b"GET", &request), Part::Whole);
}

#[test]
fn rfc9110_13_1_5_if_range_compares_strongly() {
    let later: &[u8] = b"Sun, 06 Nov 1994 08:49:38 GMT";
    let stored = record(vec![
        ("etag", b"\"a\""),
        ("last-modified", LM),
        ("date", later),
    ]);
    let with = |stored: &Record<'_>, condition: &str| {
        let request = Headers::from_pairs([("range", "bytes=0-1"), ("if-range", condition)]);
        wanted(stored, b"GET", &request) == Part::Bytes(0, 1)
    };
    assert!(with(&stored, "\"a\""));
    assert!(with(&stored, "Sun, 06 Nov 1994 08:49:37 GMT"));
    for condition in [
        "\"b\"",
        "W/\"a\"",
        "a",
        "",
        "Sun, 06 Nov 1994 08:49:38 GMT",
        "Sun, 06 Nov 1994 08:49:36 GMT",
    ] {
        assert!(!with(&stored, condition), "{condition}");
    }
    let weak = record(vec![
        ("etag", b"W/\"a\""),
        ("last-modified", LM),
        ("date", LM),
    ]);
    assert!(!with(&weak, "W/\"a\""));
    let condition = "Sun, 06 Nov 1994 08:49:37 GMT";
    assert!(
        !with(&weak, condition),
        "RFC 9110, 8.8.2.2: not a second old"
    );
}

proptest! {
    #[test]
    fn any_range_is_read(range in prop::collection::vec(any::<u8>(), 0..40)) {
        crate::cache::fuzz::fuzz_range(&range);
    }
}

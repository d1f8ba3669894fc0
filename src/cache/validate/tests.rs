use super::*;
use crate::cache::record::Usage;

const LM: &[u8] = b"Sun, 06 Nov 1994 08:49:37 GMT";

fn record<'a>(headers: &[(&'a str, &'a [u8])]) -> Record<'a> {
    Record {
        url: b"http://a/",
        policy: "p",
        vary: Vec::new(),
        extras: Vec::new(),
        lifetime_ms: 1,
        usage: Usage::default(),
        status: 200,
        headers: headers.to_vec(),
        body: b"hello",
    }
}

fn asked(record: &Record<'_>, own: &[(&str, &str)]) -> (bool, Vec<(String, String)>) {
    let mut request = Headers::from_pairs(own.iter().copied());
    let conditional = make_conditional(record, &mut request);
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let lines = request
        .iter()
        .map(|(name, value)| (name.to_owned(), text(value)));
    (conditional, lines.collect())
}

#[test]
fn rfc9111_4_3_1_the_stored_validators_are_sent() {
    let both = record(&[("etag", b"W/\"a\""), ("last-modified", LM)]);
    let (conditional, lines) = asked(&both, &[("accept", "x")]);
    assert!(conditional);
    let names: Vec<_> = lines.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["accept", "if-none-match", "if-modified-since"]);
    assert_eq!(lines[1].1, "W/\"a\"");
}

#[test]
fn rfc9111_4_3_2_the_clients_conditions_do_not_reach_the_origin_with_ours() {
    let own = [
        ("if-none-match", "\"client\""),
        ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("range", "bytes=0-1"),
        ("if-range", "\"client\""),
    ];
    let (conditional, lines) = asked(&record(&[("etag", b"\"a\"")]), &own);
    assert!(conditional);
    assert_eq!(lines, [("if-none-match".to_owned(), "\"a\"".to_owned())]);
    let (conditional, lines) = asked(&record(&[]), &own);
    assert!(!conditional && lines.len() == 4, "nothing to validate with");
}

#[test]
fn rfc9110_8_8_3_what_is_no_validator_is_not_sent() {
    for tag in [&b"abc"[..], b"w/\"a\"", b"\"a b\"", b"\"", b""] {
        assert!(!asked(&record(&[("etag", tag)]), &[]).0, "{tag:?}");
    }
    assert!(!asked(&record(&[("last-modified", b"yesterday")]), &[]).0);
    let missing = Record {
        status: 404,
        ..record(&[("etag", b"\"a\"")])
    };
    assert!(!asked(&missing, &[]).0, "RFC 9110, 13.2.1");
}

#[test]
fn rfc9111_3_2_a_304_replaces_stored_fields_and_leaves_those_of_the_body() {
    let stored = record(&[
        ("etag", b"\"a\""),
        ("x", b"1"),
        ("y", b"1"),
        ("y", b"2"),
        ("content-encoding", b"gzip"),
        ("cache-control", b"max-age=1"),
    ]);
    let update = Headers::from_pairs([
        ("etag", "\"a\""),
        ("y", "3"),
        ("content-encoding", "br"),
        ("content-length", "9"),
        ("cache-control", "max-age=2"),
        ("connection", "z"),
        ("z", "hop"),
        ("age", "5"),
    ]);
    let merged = freshened(&stored, &update).expect("about it");
    let value = |name: &str| merged.only(name).map(<[u8]>::to_vec);
    assert_eq!(value("x").as_deref(), Some(&b"1"[..]));
    assert_eq!(value("y").as_deref(), Some(&b"3"[..]));
    assert_eq!(value("content-encoding").as_deref(), Some(&b"gzip"[..]));
    assert_eq!(value("cache-control").as_deref(), Some(&b"max-age=2"[..]));
    for gone in ["content-length", "z", "age"] {
        assert_eq!(value(gone), None, "{gone}");
    }
}

#[test]
fn rfc9111_4_3_4_a_304_about_another_representation_updates_nothing() {
    let stored = record(&[("etag", b"\"a\"")]);
    let said = |tag: &str| freshened(&stored, &Headers::from_pairs([("etag", tag)])).is_some();
    assert!(said("\"a\"") && said("W/\"b\""));
    assert!(!said("\"b\""));
    assert!(freshened(&stored, &Headers::new()).is_some());
}

#[test]
fn rfc9111_4_3_5_a_head_updates_what_it_is_about() {
    let stored = record(&[("etag", b"\"a\""), ("x", b"1")]);
    let head = |lines: &[(&str, &str)]| {
        freshened_by_head(&stored, &Headers::from_pairs(lines.iter().copied()))
    };
    let merged = head(&[("etag", "\"a\""), ("content-length", "5"), ("x", "2")]).expect("same");
    assert_eq!(merged.only("x"), Some(&b"2"[..]));
    assert!(head(&[("x", "2")]).is_some());
    for other in [
        ("etag", "\"b\""),
        ("content-length", "6"),
        ("last-modified", "x"),
    ] {
        assert!(head(&[other]).is_none(), "{other:?}");
    }
}

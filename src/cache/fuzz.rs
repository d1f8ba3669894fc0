//! Fuzz targets, one per parser that reads bytes from outside. Each states what must hold of any
//! input; `tests/fuzz` and the property tests call them.

use super::control::{MAX_DELTA_S, RequestControl, ResponseControl};
use super::crc::crc32;
use super::key::{Target, Url};
use super::range;
use super::record::{Record, Usage, VERSION};
use super::sf;
use super::targeted::Directives;
use super::vary::Vary;
use crate::http::{Headers, date};

/// Cache-Control: no number above 2^31, and the lines' order does not matter.
pub fn fuzz_control(data: &[u8]) {
    let lines: Vec<&[u8]> = data.split(|b| *b == b'\n').collect();
    let control = ResponseControl::parse(lines.iter().copied());
    for number in [
        control.max_age,
        control.s_maxage,
        control.stale_if_error,
        control.stale_while_revalidate,
    ] {
        assert!(number.is_none_or(|n| n <= MAX_DELTA_S));
    }
    let mut reversed = ResponseControl::parse(lines.iter().rev().copied());
    for scope in [&mut reversed.no_cache, &mut reversed.private] {
        if let super::control::Scope::Fields(names) = scope {
            names.sort();
        }
    }
    let mut control = control;
    for scope in [&mut control.no_cache, &mut control.private] {
        if let super::control::Scope::Fields(names) = scope {
            names.sort();
        }
    }
    assert_eq!(control, reversed);
    RequestControl::parse(lines.into_iter());
}

/// HTTP-date: what is read and written again is the same second.
pub fn fuzz_date(data: &[u8]) {
    if let Some(seconds) = date::parse(data, Some(1_800_000_000)) {
        assert_eq!(
            date::parse(date::imf_fixdate(seconds).as_bytes(), None),
            Some(seconds)
        );
    }
}

/// Records: what decodes is what encoding gives. The bytes are tried with a right checksum too, which
/// a fuzzer does not find by itself.
pub fn fuzz_record(data: &[u8]) {
    let summed = [data, &crc32(data).to_be_bytes()].concat();
    for bytes in [data, &summed] {
        if let Ok(record) = Record::decode(bytes) {
            // What an older version says is written as the present one.
            let again = record.encode();
            let same = again.as_deref() == Ok(bytes);
            let old = bytes.first() != Some(&VERSION);
            assert!(same || old);
            if let Ok(again) = &again {
                assert_eq!(Record::decode(again).as_ref(), Ok(&record));
            }
        }
    }
}

/// The same record as another version's, with the checksum of that.
#[cfg(test)]
pub(crate) fn of_version(record: &[u8], version: u8) -> Vec<u8> {
    let (content, _) = record.split_last_chunk::<4>().unwrap_or((record, &[0; 4]));
    let content = [&[version], content.get(1..).unwrap_or_default()].concat();
    let sum = crc32(&content).to_be_bytes();
    [&content[..], &sum].concat()
}

/// Range: a part is inside the body and not empty.
pub fn fuzz_range(data: &[u8]) {
    let record = Record {
        url: b"http://a/",
        policy: "p",
        vary: Vec::new(),
        extras: Vec::new(),
        lifetime_ms: 1,
        usage: Usage::default(),
        status: 200,
        headers: vec![("etag", b"\"a\"")],
        body: b"0123456789",
    };
    for name in ["range", "if-range"] {
        let request = Headers::from_pairs([("range", data), (name, data)]);
        if let range::Part::Bytes(first, last) = range::wanted(&record, b"GET", &request) {
            assert!(first <= last && last < record.body.len());
        }
    }
    let request = Headers::from_pairs([("range", data)]);
    if let range::Part::Bytes(first, last) = range::wanted(&record, b"GET", &request) {
        assert!(first <= last && last < record.body.len());
    }
}

/// Structured fields: what targets this cache has no number above 2^31, and is a dictionary.
pub fn fuzz_targeted(data: &[u8]) {
    let headers = Headers::from_pairs([("cdn-cache-control", data), ("cache-groups", data)]);
    let said = Directives::of(&headers);
    let control = &said.control;
    for number in [control.max_age, control.s_maxage, control.stale_if_error] {
        assert!(number.is_none_or(|n| n <= MAX_DELTA_S));
    }
    assert!(!said.targeted || sf::dictionary(data.trim_ascii()).is_some_and(|all| !all.is_empty()));
    if let Some(strings) = sf::strings(data) {
        assert!(strings.iter().flatten().all(|b| (b' '..=b'~').contains(b)));
    }
}

/// URLs: canonical text parses to itself; a reference resolves to the same origin.
pub fn fuzz_url(data: &[u8]) {
    if let Ok(Target::Url(url)) = Target::parse(data) {
        assert_eq!(Url::parse(url.as_bytes()).as_ref(), Ok(&url));
    }
    let base = Url::new(b"http", b"a.example", b"/b/c?d");
    if let Some(url) = base.ok().and_then(|base| base.resolve(data)) {
        assert_eq!(url.origin(), b"http://a.example");
        assert_eq!(Url::parse(url.as_bytes()).as_ref(), Ok(&url));
    }
}

/// Vary: the wire form of an answer's list reads back as it, and no other text reads as a list.
pub fn fuzz_vary(data: &[u8]) {
    if let Ok(vary) = Vary::of_response(&Headers::from_pairs([("vary", data)])) {
        assert_eq!(Vary::from_wire(vary.to_wire().as_bytes()), Ok(vary));
    }
    if let Ok(vary) = Vary::from_wire(data) {
        assert_eq!(vary.to_wire().as_bytes(), data);
    }
}

use super::*;
use proptest::prelude::*;

fn all<'a>(line: &'a [u8], name: &'a [u8]) -> Vec<&'a [u8]> {
    values(line, name).collect()
}

#[test]
fn values_are_found_as_browsers_write_them_and_as_others_do() {
    for (line, found) in [
        ("sid=a", vec!["a"]),
        ("x=1; sid=a; y=2", vec!["a"]),
        ("x=1;sid=a;y=2", vec!["a"]),
        (" sid = a ;", vec!["a"]),
        ("sid=a=b==", vec!["a=b=="]),
        ("sid=", vec![""]),
        ("sid=a; sid=a", vec!["a", "a"]),
        ("sid=a; sid=b", vec!["a", "b"]),
        // Quotes protect nothing, so a planted quote hides no second cookie.
        ("x=\"; sid=a; y=\"", vec!["a"]),
        ("sid=\"a\"", vec!["\"a\""]),
        ("sid", vec![]),
        ("SID=a", vec![]),
        ("xsid=a; sidx=a; x=sid=a", vec![]),
        ("x=1, sid=a", vec![]),
        ("", vec![]),
        (";;;", vec![]),
        ("=sid", vec![]),
    ] {
        let found: Vec<&[u8]> = found.into_iter().map(str::as_bytes).collect();
        assert_eq!(all(line.as_bytes(), b"sid"), found, "{line}");
    }
}

#[test]
fn the_others_stay_byte_for_byte() {
    for (line, left) in [
        ("sid=a; x=1", Some("x=1")),
        ("x=1; sid=a", Some("x=1")),
        ("x=1; sid=a; y=2", Some("x=1; y=2")),
        ("x=1;sid=a;y=2", Some("x=1;y=2")),
        ("sid=a; x=1; sid=b; y=2; sid=c", Some("x=1; y=2")),
        ("x=\"1; sid=a; \"2; =; ;; y", Some("x=\"1; \"2; =; ;; y")),
        ("  sid=a;   x = 1 ; sid", Some("x = 1 ; sid")),
        ("sid=a; $Version=1; x=\u{e9}", Some("$Version=1; x=\u{e9}")),
        ("sid=a", None),
        ("sid=a;", None),
        ("; sid=a; ;\t; sid=b", None),
    ] {
        let left = left.map_or(Without::Nothing, |left| Without::Line(left.into()));
        assert_eq!(without(line.as_bytes(), b"sid"), left, "{line}");
    }
    assert_eq!(without(b"x=1; y", b"sid"), Without::Untouched);
    assert_eq!(
        without(b"x=\xff\xfe; sid=\xff", b"sid"),
        Without::Line(b"x=\xff\xfe".to_vec())
    );
}

/// 5,000 pairs, 64 KiB, ours among them many times: one pass, one buffer.
#[test]
fn a_huge_line_is_one_pass() {
    let line = "k=v; sid=a; ".repeat(5_461);
    assert!(line.len() > 65_000);
    let Without::Line(left) = without(line.as_bytes(), b"sid") else {
        panic!("others were there")
    };
    assert!(left == "k=v; ".repeat(5_461).as_bytes());
    assert_eq!(all(line.as_bytes(), b"sid").len(), 5_461);
    assert!(left.capacity() <= line.len());
}

proptest! {
    #[test]
    fn removing_touches_nothing_else(
        name in "[a-z]{1,2}",
        line in prop::collection::vec(prop::sample::select(b"ab=; \t\"\xff".to_vec()), 0..40),
    ) {
        let mut data = vec![name.len() as u8];
        data.extend(name.bytes());
        data.extend(&line);
        fuzz_without(&data);
    }

    #[test]
    fn any_bytes_are_a_line(data in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzz_without(&data);
    }

    /// What a browser sends and what is left is what it would have sent without ours.
    #[test]
    fn a_jar_without_ours(
        jar in prop::collection::vec(("[a-z]{1,3}", "[!#-:<-~]{0,8}"), 0..8), at: prop::sample::Index,
    ) {
        let jar: Vec<String> = jar.iter().map(|(name, value)| format!("_{name}={value}")).collect();
        let mut with = jar.clone();
        with.insert(at.index(jar.len() + 1), "sid=token".to_owned());
        let left = without(with.join("; ").as_bytes(), b"sid");
        let expected = if jar.is_empty() {
            Without::Nothing
        } else {
            Without::Line(jar.join("; ").into_bytes())
        };
        prop_assert_eq!(left, expected);
    }
}

use super::*;
use proptest::prelude::*;

fn all(line: &str) -> Vec<String> {
    members(line.as_bytes())
        .map(|m| String::from_utf8_lossy(m).into_owned())
        .collect()
}

#[test]
fn rfc9110_5_6_1_2_empty_members_are_skipped() {
    assert_eq!(all(",a , ,\tb,,"), ["a", "b"]);
    assert_eq!(all(" , "), [""; 0]);
}

#[test]
fn rfc9110_5_6_4_commas_in_quoted_strings_do_not_separate() {
    assert_eq!(all(r#"a="x, \", y", b"#), [r#"a="x, \", y""#, "b"]);
}

#[test]
fn an_open_quote_is_told() {
    let mut list = members(b"a, \"b, c");
    assert_eq!(list.by_ref().count(), 2);
    assert!(list.unbalanced());
    let mut list = members(b"a, \"b\"");
    assert_eq!(list.by_ref().count(), 2);
    assert!(!list.unbalanced());
}

#[test]
fn unquote_takes_exactly_one_quoted_string() {
    assert_eq!(unquote(br#""a\"b\\""#).as_deref(), Some(&br#"a"b\"#[..]));
    for bad in [&b"a"[..], b"\"", b"\"a", b"a\"", b"\"a\"b\"", b"\"a\\\""] {
        assert_eq!(unquote(bad), None, "{}", String::from_utf8_lossy(bad));
    }
}

proptest! {
    #[test]
    fn members_of_any_bytes_are_trimmed_parts_in_order(line in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut at = 0;
        for member in members(&line) {
            prop_assert!(!member.is_empty());
            prop_assert_eq!(member.trim_ascii(), member);
            let found = line[at..].windows(member.len()).position(|w| w == member);
            at += found.expect("in order") + member.len();
        }
    }
}

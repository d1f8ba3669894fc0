use super::*;
use proptest::prelude::*;

fn vary(lines: &[&str]) -> Result<Vary, VaryError> {
    Vary::of_response(&Headers::from_pairs(
        lines.iter().map(|line| ("vary", *line)),
    ))
}

fn request(pairs: &[(&str, &str)]) -> Headers {
    Headers::from_pairs(pairs.iter().copied())
}

fn same(names: &str, left: &[(&str, &str)], right: &[(&str, &str)]) -> bool {
    let vary = vary(&[names]).expect(names);
    vary.field("p", &request(left), &[]) == vary.field("p", &request(right), &[])
}

#[test]
fn lists_are_lower_cased_sorted_and_each_name_counts_once() {
    let list = vary(&["Foo, accept-encoding", " , foo,Bar"]).expect("valid");
    assert_eq!(list.to_wire(), "accept-encoding,bar,foo");
    assert_eq!(vary(&[]).expect("empty").to_wire(), "");
    assert_eq!(vary(&["", ","]).expect("empty"), Vary::default());
}

#[test]
fn rfc9111_4_1_a_star_anywhere_never_matches() {
    for lines in [
        &["*"][..],
        &["*, *"],
        &["*", "*"],
        &[", *"],
        &["", "*"],
        &["*, Foo"],
        &["Foo, *"],
        &["foo", "bar , * "],
    ] {
        assert_eq!(vary(lines), Err(VaryError::Any), "{lines:?}");
    }
}

#[test]
fn lists_are_bounded() {
    let names = |n: usize| {
        (0..n)
            .map(|i| format!("x{i}"))
            .collect::<Vec<_>>()
            .join(",")
    };
    assert!(vary(&[&names(MAX_NAMES)]).is_ok());
    assert_eq!(vary(&[&names(MAX_NAMES + 1)]), Err(VaryError::Long));
    assert_eq!(vary(&[&"x".repeat(2000)]), Err(VaryError::Long));
    assert_eq!(vary(&["a b"]), Err(VaryError::Name));
    assert_eq!(vary(&["\"a\""]), Err(VaryError::Name));
}

#[test]
fn only_canonical_text_is_taken_from_the_wire() {
    for bad in ["a,,b", ",", "b,a", "a,a", "A", "a, b", "*", "a,*", "a b"] {
        assert!(Vary::from_wire(bad.as_bytes()).is_err(), "{bad}");
    }
    let many = (10..99)
        .map(|i| format!("x{i}"))
        .collect::<Vec<_>>()
        .join(",");
    assert_eq!(Vary::from_wire(many.as_bytes()), Err(VaryError::Long));
    assert_eq!(Vary::from_wire(b""), Ok(Vary::default()));
}

#[test]
fn rfc9111_4_1_absent_and_empty_are_not_the_same() {
    assert!(!same("foo", &[], &[("foo", "")]));
    assert!(!same("foo", &[], &[("foo", "1")]));
    assert!(same("foo", &[], &[("other", "1")]));
}

#[test]
fn rfc9111_4_1_lines_are_combined_and_list_space_is_removed() {
    assert!(same(
        "foo",
        &[("foo", "1, 2")],
        &[("foo", "1"), ("foo", "2")]
    ));
    assert!(same("foo", &[("foo", "1,2")], &[("foo", " 1, 2 ")]));
    assert!(!same("foo", &[("foo", "1,2")], &[("foo", "2,1")]));
    assert!(!same("foo", &[("foo", "a b")], &[("foo", "ab")]));
    assert!(
        !same("foo", &[("foo", "\"1, 2\"")], &[("foo", "\"1,2\"")]),
        "quoted space means something"
    );
    assert!(!same("foo", &[("foo", "A")], &[("foo", "a")]));
}

#[test]
fn fields_that_are_no_lists_keep_their_space() {
    for name in ["user-agent", "cookie", "authorization", "referer"] {
        assert!(!same(name, &[(name, "a,b")], &[(name, "a, b")]), "{name}");
    }
    assert!(same(
        "cookie",
        &[("cookie", "a=1; b=2")],
        &[("cookie", "a=1"), ("cookie", "b=2")]
    ));
}

#[test]
fn rfc9110_12_5_3_accept_encoding_has_neither_case_nor_order() {
    let name = "accept-encoding";
    assert!(same(name, &[(name, "gzip, br")], &[(name, "BR,gzip")]));
    assert!(same(
        name,
        &[(name, "gzip;q=0.5, br")],
        &[(name, "br, gzip; q=0.5")]
    ));
    assert!(!same(
        name,
        &[(name, "gzip;q=0.5, br")],
        &[(name, "gzip, br")]
    ));
    assert!(!same(name, &[(name, "gzip")], &[(name, "identity")]));
}

#[test]
fn rfc9110_12_5_4_accept_language_has_weights_but_neither_case_nor_order() {
    let name = "accept-language";
    assert!(same(name, &[(name, "en, de")], &[(name, "eN ,  De")]));
    assert!(same(name, &[(name, "en, de")], &[(name, "de, en")]));
    assert!(same(name, &[(name, "en;q=1.0, de")], &[(name, "de, en")]));
    assert!(!same(
        name,
        &[(name, "en, de;q=0.5")],
        &[(name, "de, en;q=0.5")]
    ));
}

#[test]
fn policies_and_vary_lists_do_not_share_variants() {
    let headers = request(&[("a", "1"), ("b", "1")]);
    let (a, b, none) = (
        vary(&["a"]).expect("a"),
        vary(&["b"]).expect("b"),
        Vary::default(),
    );
    let fields = [
        a.field("p", &headers, &[]),
        b.field("p", &headers, &[]),
        none.field("p", &headers, &[]),
        a.field("q", &headers, &[]),
    ];
    for (i, left) in fields.iter().enumerate() {
        for right in &fields[i + 1..] {
            assert_ne!(left, right);
        }
    }
}

#[test]
fn variant_names_are_frozen() {
    // A change of this value orphans every stored answer of a running fleet.
    let field =
        vary(&["accept"])
            .expect("valid")
            .field("api", &request(&[("accept", "text/html")]), &[]);
    let hex: String = field.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex, "0c5f1388f75f7585c19bea157ce5f23c");
}

proptest! {
    #[test]
    fn any_bytes_are_read(data in prop::collection::vec(any::<u8>(), 0..128)) {
        crate::cache::fuzz::fuzz_vary(&data);
    }

    #[test]
    fn near_grammar_is_read(text in "[a-c*, ]{0,24}") {
        crate::cache::fuzz::fuzz_vary(text.as_bytes());
    }

    #[test]
    fn equal_selections_are_equal_variants_and_others_are_not(
        left in prop::collection::vec(("[ab]", "[xy,]{0,2}"), 0..4),
        right in prop::collection::vec(("[ab]", "[xy,]{0,2}"), 0..4),
    ) {
        let vary = vary(&["a, b"]).expect("valid");
        let (left, right) = (Headers::from_pairs(left), Headers::from_pairs(right));
        prop_assert_eq!(vary.select(&left) == vary.select(&right), vary.field("p", &left, &[]) == vary.field("p", &right, &[]));
    }

    #[test]
    fn order_of_other_lines_changes_nothing(mut pairs in prop::collection::vec(("[a-d]", "[x-z]{0,2}"), 0..6)) {
        let vary = vary(&["a"]).expect("valid");
        let before = vary.field("p", &Headers::from_pairs(pairs.clone()), &[]);
        pairs.sort_by_key(|(name, _)| name != "a");
        prop_assert_eq!(vary.field("p", &Headers::from_pairs(pairs), &[]), before);
    }
}

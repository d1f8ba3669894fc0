use super::*;
use proptest::prelude::*;

fn response(lines: &[&str]) -> ResponseControl {
    ResponseControl::parse(lines.iter().map(|line| line.as_bytes()))
}

fn request(line: &str) -> RequestControl {
    RequestControl::parse([line.as_bytes()].into_iter())
}

#[test]
fn rfc9111_5_2_directives_of_all_lines_count_and_names_have_no_case() {
    let control = response(&[
        "Max-Age=60 ,, PUBLIC",
        "s-maxage=5,must-revalidate,\tproxy-revalidate",
    ]);
    assert_eq!(control.max_age, Some(60));
    assert_eq!(control.s_maxage, Some(5));
    assert!(control.public && control.must_revalidate && control.proxy_revalidate);
    assert_eq!(response(&[]), ResponseControl::default());
    assert_eq!(response(&["", " , ,"]), ResponseControl::default());
}

#[test]
fn rfc9111_5_2_both_argument_forms_are_read() {
    assert_eq!(response(&["max-age=\"3600\""]).max_age, Some(3600));
    assert_eq!(response(&["max-age=\"36\\00\""]).max_age, Some(3600));
    assert_eq!(response(&["max-age=003600"]).max_age, Some(3600));
}

#[test]
fn rfc9111_5_2_3_unknown_directives_are_ignored_and_quoted_text_is_no_directive() {
    let control = response(&["community=\"UCI, no-store\", max-age=1, x=\"max-age=3600\""]);
    assert_eq!(
        control,
        ResponseControl {
            max_age: Some(1),
            ..Default::default()
        }
    );
    let control = response(&[r#"x="a\", no-store", max-age=2"#]);
    assert_eq!(
        control,
        ResponseControl {
            max_age: Some(2),
            ..Default::default()
        }
    );
}

#[test]
fn rfc9111_1_2_2_overflow_is_2_to_31() {
    for text in [
        "2147483648",
        "2147483649",
        "99999999999",
        "99999999999999999999999999",
    ] {
        assert_eq!(
            response(&[&format!("max-age={text}")]).max_age,
            Some(MAX_DELTA_S),
            "{text}"
        );
    }
    assert_eq!(
        response(&["max-age=2147483647"]).max_age,
        Some(MAX_DELTA_S - 1)
    );
}

#[test]
fn rfc9111_4_2_1_invalid_freshness_is_stale() {
    for text in [
        "", "=", "=a3600", "=3600a", "='3600'", "=-1", "=+1", "=3600.0", "= 3600", " =3600", "=\"",
        "=\"\"", "=0x10", "=3 600",
    ] {
        let control = response(&[&format!("max-age{text}")]);
        assert_eq!(control.max_age, Some(0), "max-age{text}");
    }
}

#[test]
fn rfc9111_4_2_1_the_shortest_of_several_wins() {
    assert_eq!(response(&["max-age=1800, max-age=1"]).max_age, Some(1));
    assert_eq!(response(&["max-age=1", "max-age=1800"]).max_age, Some(1));
    assert_eq!(response(&["max-age=1800", "max-age=x"]).max_age, Some(0));
}

#[test]
fn rfc9111_5_2_2_4_no_cache_may_name_fields() {
    let fields = |names: &[&str]| Scope::Fields(names.iter().map(|n| (*n).to_owned()).collect());
    assert_eq!(
        response(&["no-cache=\"Set-Cookie, b\""]).no_cache,
        fields(&["set-cookie", "b"])
    );
    assert_eq!(response(&["no-cache=a"]).no_cache, fields(&["a"]));
    assert_eq!(
        response(&["no-cache=\"a\", no-cache=\"b\""]).no_cache,
        fields(&["a", "b"])
    );
    assert_eq!(response(&["private=\"x\""]).private, fields(&["x"]));
    assert!(response(&["private=\"x\""]).private.names("x"));
    assert!(!response(&["private"]).private.names("x"));
}

#[test]
fn rfc9111_5_2_2_4_field_names_that_cannot_be_read_mean_the_whole_answer() {
    for text in [
        "no-cache",
        "no-cache=",
        "no-cache=\"\"",
        "no-cache=\"a b\"",
        "no-cache= a",
        "no-cache=\"a\", no-cache",
    ] {
        assert_eq!(response(&[text]).no_cache, Scope::Everything, "{text}");
    }
}

#[test]
fn what_restricts_counts_with_any_argument_and_what_permits_with_none() {
    let control =
        response(&["no-store=1, must-revalidate=x, public=1, immutable=y, must-understand=z"]);
    assert!(control.no_store && control.must_revalidate);
    assert!(!control.public && !control.immutable && !control.must_understand);
}

#[test]
fn a_quoted_string_that_never_ends_hides_nothing() {
    let control = response(&["must-understand, max-age=60, x=\"no-store, private"]);
    assert!(control.no_store && !control.must_understand);
    assert!(request("x=\"no-store").no_store);
}

#[test]
fn rfc9111_5_2_1_request_directives() {
    let control = request(
        "max-age=10, max-age=5, min-fresh=3, min-fresh=9, max-stale=7, no-cache, no-store, only-if-cached",
    );
    assert_eq!(
        (control.max_age, control.min_fresh, control.max_stale),
        (Some(5), Some(9), Some(7))
    );
    assert!(
        control.no_cache && control.no_store && control.only_if_cached && !control.no_transform
    );
    assert_eq!(request("max-stale").max_stale, Some(MAX_DELTA_S));
    assert_eq!(request("max-stale, max-stale=4").max_stale, Some(4));
    assert_eq!(request("min-fresh=x").min_fresh, Some(MAX_DELTA_S));
}

#[test]
fn time_is_linear_in_the_input() {
    // Hostile shapes: quotes, escapes, commas. Quadratic reading of a megabyte would not end in time.
    for unit in [
        "\"",
        "\\",
        ",",
        "a=\"\\\"",
        "no-cache=\"a,",
        "max-age=1,",
        "=",
    ] {
        let line = unit.repeat((1 << 20) / unit.len());
        response(&[&line]);
        request(&line);
    }
}

fn directive() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("max-age".to_owned()),
        Just("s-maxage".to_owned()),
        Just("no-cache".to_owned()),
        Just("private".to_owned()),
        Just("no-store".to_owned()),
        Just("public".to_owned()),
        Just("must-understand".to_owned()),
        "[a-z-]{1,8}",
    ];
    let argument = prop_oneof![
        Just(String::new()),
        "=[0-9]{1,12}",
        "=\"[a-z0-9, ]{0,12}\"?",
        "[ =,\"\\\\a1]{0,6}"
    ];
    (name, argument).prop_map(|(name, argument)| name + &argument)
}

proptest! {
    #[test]
    fn any_bytes_are_read(data in prop::collection::vec(any::<u8>(), 0..256)) {
        crate::cache::fuzz::fuzz_control(&data);
    }

    #[test]
    fn near_grammar_is_read(members in prop::collection::vec(directive(), 0..8), newline in any::<bool>()) {
        let separator = if newline { "\n" } else { "," };
        crate::cache::fuzz::fuzz_control(members.join(separator).as_bytes());
    }

    #[test]
    fn one_more_directive_never_makes_an_answer_more_shareable(
        members in prop::collection::vec(directive().prop_filter("permits", |d| !d.starts_with("must-understand")), 1..6),
    ) {
        // Dropping `no-store`, `private` or `no-cache` anywhere in front keeps their effect.
        for extra in ["no-store", "private", "no-cache"] {
            let line = format!("{extra}, {}", members.join(", "));
            let control = response(&[&line]);
            let kept = match extra {
                "no-store" => control.no_store,
                "private" => control.private == Scope::Everything,
                _ => control.no_cache == Scope::Everything,
            };
            prop_assert!(kept, "{}", extra);
        }
    }
}

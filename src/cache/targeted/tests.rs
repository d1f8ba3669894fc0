use super::*;

fn of(lines: &[(&str, &str)]) -> Directives {
    Directives::of(&Headers::from_pairs(lines.iter().copied()))
}

#[test]
fn rfc9213_2_1_a_targeted_field_takes_the_place_of_cache_control() {
    let said = of(&[
        ("cache-control", "no-store"),
        ("cdn-cache-control", "max-age=60, foobar;x=1"),
        ("cdn-cache-control", "stale-while-revalidate=5"),
    ]);
    assert!(said.targeted && !said.control.no_store);
    assert_eq!(said.control.max_age, Some(60));
    assert_eq!(said.control.stale_while_revalidate, Some(5));
}

#[test]
fn rfc9213_2_1_what_is_empty_or_no_structured_field_is_ignored() {
    for bad in [
        "",
        "max-age=10000, &&&&&",
        "max-age=\"10000\"",
        "max-age=1.5",
        "max-age=-1",
        "max-age",
        "max-age =100",
        "MaX-aGe=3600",
        "no-store=1",
        "private=token",
    ] {
        let said = of(&[("cache-control", "no-store"), ("cdn-cache-control", bad)]);
        assert!(!said.targeted && said.control.no_store, "{bad}");
    }
}

#[test]
fn rfc9213_2_1_directives_mean_what_they_mean_in_cache_control() {
    let said = of(&[("cdn-cache-control", "max-age=99999999999, private")]);
    assert_eq!(said.control.max_age, Some(MAX_DELTA_S));
    assert_eq!(said.control.private, Scope::Everything);
    let said = of(&[("cdn-cache-control", "no-cache=\"a, B\", no-store=?0")]);
    assert_eq!(
        said.control.no_cache,
        Scope::Fields(vec!["a".to_owned(), "b".to_owned()])
    );
    assert!(!said.control.no_store);
}

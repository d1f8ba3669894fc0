use super::*;
use proptest::prelude::*;

fn cookie() -> Credential {
    Credential::Cookie("__Host-sid".to_owned())
}

fn headers(pairs: &[(&str, &str)]) -> Headers {
    Headers::from_pairs(pairs.iter().map(|(name, value)| (*name, *value)))
}

#[test]
fn a_cookie_is_found_on_any_line() {
    for (pairs, found) in [
        (vec![], Found::None),
        (vec![("cookie", "a=1")], Found::None),
        (vec![("Cookie", "__Host-sid=T")], Found::One(b"T")),
        (
            vec![("cookie", "a=1"), ("cookie", "b=2; __Host-sid=T")],
            Found::One(b"T"),
        ),
        (
            vec![
                ("cookie", "a=1"),
                ("cookie", "__Host-sid=T"),
                ("cookie", "b=2"),
            ],
            Found::One(b"T"),
        ),
        (vec![("cookie", "__Host-sid=")], Found::One(b"")),
        (
            vec![("cookie", "__Host-sid=T; __Host-sid=T")],
            Found::Ambiguous,
        ),
        (
            vec![("cookie", "__Host-sid=T"), ("cookie", "__Host-sid=U")],
            Found::Ambiguous,
        ),
        // The other kind of credential, and other places, do not count.
        (vec![("authorization", "Bearer T")], Found::None),
        (
            vec![("cookie", "__Host-sid=T"), ("authorization", "Bearer U")],
            Found::One(b"T"),
        ),
        (
            vec![("cookie2", "__Host-sid=T"), ("x-cookie", "__Host-sid=T")],
            Found::None,
        ),
        (vec![("cookie", "__host-sid=T")], Found::None),
    ] {
        assert_eq!(find(&cookie(), &headers(&pairs)), found, "{pairs:?}");
    }
}

#[test]
fn a_bearer_token_is_the_only_authorization() {
    for (lines, found) in [
        (vec![], Found::None),
        (vec!["Bearer T"], Found::One(b"T")),
        (vec!["bEARER   T  "], Found::One(b"T")),
        (vec!["Bearer\tT"], Found::One(b"T")),
        (vec!["Bearer T U"], Found::One(b"T U")),
        (vec!["Bearer"], Found::One(b"")),
        (vec!["BearerT"], Found::None),
        (vec!["Basic dXNlcjpwYXNz"], Found::None),
        (vec![""], Found::None),
        (vec!["Bearer T", "Bearer T"], Found::Ambiguous),
        (vec!["Basic x", "Bearer T"], Found::Ambiguous),
        (vec!["Bearer T,Bearer T"], Found::Ambiguous),
        (vec!["Digest a=b, c=d"], Found::None),
    ] {
        let pairs: Vec<_> = lines.iter().map(|line| ("authorization", *line)).collect();
        let headers = headers(&pairs);
        assert_eq!(find(&Credential::Bearer, &headers), found, "{lines:?}");
    }
}

#[test]
fn strip_takes_ours_from_every_line_and_leaves_the_rest() {
    let mut all = headers(&[
        ("cookie", "a=1; __Host-sid=T"),
        ("accept", "*/*"),
        ("cookie", "__Host-sid=U"),
        ("cookie", "b =\"2; x"),
        ("authorization", "Bearer T"),
    ]);
    assert!(strip(&cookie(), &mut all));
    let left = headers(&[
        ("cookie", "a=1"),
        ("accept", "*/*"),
        ("cookie", "b =\"2; x"),
        ("authorization", "Bearer T"),
    ]);
    assert_eq!(all, left);
    assert!(!strip(&cookie(), &mut all), "nothing left to take");
    assert_eq!(all, left);
}

#[test]
fn strip_leaves_other_schemes() {
    let mut all = headers(&[("authorization", "Basic x"), ("authorization", "bearer T")]);
    assert!(strip(&Credential::Bearer, &mut all));
    assert_eq!(all, headers(&[("authorization", "Basic x")]));
}

/// Stops at the second cookie of our name, wherever the other 5,000 pairs are.
#[test]
fn five_thousand_pairs() {
    let line = "__Host-sid=T; ".repeat(5_000);
    let mut all = headers(&[("cookie", &line)]);
    assert_eq!(find(&cookie(), &all), Found::Ambiguous);
    assert!(strip(&cookie(), &mut all));
    assert!(all.is_empty());
}

proptest! {
    #[test]
    fn nothing_outlives_its_removal(
        data in prop::collection::vec(
            prop::sample::select(vec!["sid", "=", ";", " ", "\n", "!", "Bearer ", "x", "\u{e9}"]),
            0..24,
        ),
    ) {
        fuzz_strip(data.concat().as_bytes());
    }

    #[test]
    fn any_bytes(data in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzz_strip(&data);
    }
}

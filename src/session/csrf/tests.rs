use super::*;
use proptest::prelude::*;

fn post(pairs: &[(&str, &str)]) -> Result<(), CrossSite> {
    let headers = Headers::from_pairs(pairs.iter().map(|(name, value)| (*name, *value)));
    check(b"POST", b"https", b"app.example", &headers)
}

const OWN: &str = "https://app.example";
const EVIL: &str = "https://app.example.evil";

/// Fetch metadata wins over Origin, whichever way.
#[test]
fn the_nine_combinations_and_those_without_fetch_metadata() {
    let fetch = Err(CrossSite::FetchSite);
    for (site, origin, verdict) in [
        (Some("same-origin"), Some(OWN), Ok(())),
        (Some("same-origin"), Some(EVIL), Ok(())),
        (Some("same-origin"), None, Ok(())),
        (Some("cross-site"), Some(OWN), fetch),
        (Some("cross-site"), Some(EVIL), fetch),
        (Some("cross-site"), None, fetch),
        (None, Some(OWN), Ok(())),
        (None, Some(EVIL), Err(CrossSite::Origin)),
        (None, None, Err(CrossSite::NoEvidence)),
        (Some("none"), None, Ok(())),
        (Some("same-site"), Some(OWN), fetch),
        (Some("Same-Origin"), None, fetch),
        (Some(""), Some(OWN), fetch),
    ] {
        let fields = [("sec-fetch-site", site), ("origin", origin)];
        let pairs: Vec<_> = fields
            .iter()
            .filter_map(|(name, value)| Some((*name, (*value)?)))
            .collect();
        assert_eq!(post(&pairs), verdict, "{pairs:?}");
    }
}

#[test]
fn the_origin_is_compared_whole() {
    for (origin, same) in [
        ("https://app.example", true),
        ("https://APP.example", true),
        ("https://app.example:443", true),
        ("https://app.example:8443", false),
        ("https://app.example:80", false),
        ("http://app.example", false),
        ("https://app.example/", false),
        ("https://app.example.evil", false),
        ("https://evil.app.example", false),
        ("https://app.example@evil", false),
        ("https://app.example, https://evil", false),
        ("null", false),
        ("", false),
        ("https://", false),
        ("://app.example", false),
        ("app.example", false),
        ("https:app.example", false),
    ] {
        let verdict = if same { Ok(()) } else { Err(CrossSite::Origin) };
        assert_eq!(post(&[("origin", origin)]), verdict, "{origin}");
    }
    assert_eq!(
        post(&[("origin", OWN), ("origin", OWN)]),
        Err(CrossSite::Origin)
    );
    let both = [("sec-fetch-site", "none"), ("sec-fetch-site", "none")];
    assert_eq!(post(&both), Err(CrossSite::FetchSite));
}

#[test]
fn a_port_is_part_of_the_origin() {
    let headers = Headers::from_pairs([("origin", "http://localhost:10000")]);
    assert_eq!(check(b"PUT", b"http", b"localhost:10000", &headers), Ok(()));
    assert_eq!(
        check(b"PUT", b"http", b"localhost:10001", &headers),
        Err(CrossSite::Origin)
    );
    assert_eq!(
        check(b"PUT", b"http", b"localhost", &headers),
        Err(CrossSite::Origin)
    );
}

#[test]
fn the_referer_counts_only_when_nothing_better_is_there() {
    for (referer, same) in [
        ("https://app.example/form?next=https://evil/", true),
        ("https://app.example", true),
        ("https://app.example?x", true),
        ("https://app.example\\.evil/", true),
        ("https://app.example.evil/https://app.example", false),
        ("https://evil/?https://app.example/", false),
        ("https://user@app.example/", false),
        ("/form", false),
    ] {
        let verdict = if same {
            Ok(())
        } else {
            Err(CrossSite::Referer)
        };
        assert_eq!(post(&[("referer", referer)]), verdict, "{referer}");
    }
    let referer = ("referer", "https://app.example/form");
    assert_eq!(post(&[("origin", "null"), referer]), Err(CrossSite::Origin));
    assert_eq!(
        post(&[("sec-fetch-site", "cross-site"), referer]),
        Err(CrossSite::FetchSite)
    );
}

#[test]
fn only_known_safe_methods_are_safe() {
    let evil = Headers::from_pairs([("origin", EVIL), ("sec-fetch-site", "cross-site")]);
    for method in ["GET", "HEAD", "OPTIONS", "TRACE"] {
        assert_eq!(
            check(method.as_bytes(), b"https", b"app.example", &evil),
            Ok(()),
            "{method}"
        );
    }
    for method in [
        "POST", "PUT", "PATCH", "DELETE", "get", "CONNECT", "QUERY", "",
    ] {
        assert!(
            check(method.as_bytes(), b"https", b"app.example", &evil).is_err(),
            "{method}"
        );
    }
}

proptest! {
    #[test]
    fn any_bytes(origin in prop::collection::vec(any::<u8>(), 0..40), referer: bool) {
        let name = if referer { "referer" } else { "origin" };
        let headers = Headers::from_pairs([(name, origin.clone())]);
        if check(b"POST", b"https", b"app.example", &headers).is_ok() {
            prop_assert!(origin.to_ascii_lowercase().starts_with(OWN.as_bytes()));
        }
    }
}

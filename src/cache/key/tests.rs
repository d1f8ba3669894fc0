use super::*;
use proptest::prelude::*;

fn url(text: &str) -> Url {
    Url::parse(text.as_bytes()).expect(text)
}

fn text(url: &Url) -> &str {
    core::str::from_utf8(url.as_bytes()).expect("ascii")
}

#[test]
fn scheme_and_host_are_lower_cased_and_the_rest_is_kept_as_forwarded() {
    let url = Url::new(b"HTTP", b"Shop.Example:8080", b"/A/../b//c;x?Q=%6e&&").expect("valid");
    assert_eq!(text(&url), "http://shop.example:8080/A/../b//c;x?Q=%6e&&");
    assert_eq!(url.origin(), b"http://shop.example:8080");
    assert_eq!(url.path(), b"/A/../b//c;x?Q=%6e&&");
    assert_eq!(
        text(&Url::new(b"https", b"a:443", b"/").expect("valid")),
        "https://a:443/"
    );
}

#[test]
fn what_is_no_url_is_refused_with_its_reason() {
    let long = b"/".repeat(MAX_URL);
    type Parts<'a> = (&'a [u8], &'a [u8], &'a [u8], UrlError);
    let cases: [Parts<'_>; 12] = [
        (b"", b"a", b"/", UrlError::Scheme),
        (b"1http", b"a", b"/", UrlError::Scheme),
        (b"http:", b"a", b"/", UrlError::Scheme),
        (b"http", b"", b"/", UrlError::Authority),
        (b"http", b"user@a", b"/", UrlError::Authority),
        (b"http", b"a/b", b"/", UrlError::Authority),
        (b"http", b"a b", b"/", UrlError::Byte(1)),
        (b"http", b"a", b"", UrlError::Path),
        (b"http", b"a", b"*", UrlError::Path),
        (b"http", b"a", b"/a#b", UrlError::Byte(2)),
        (b"http", b"a", b"/\r\n", UrlError::Byte(1)),
        (b"http", b"a", &long, UrlError::Long),
    ];
    for (scheme, authority, path, error) in cases {
        assert_eq!(
            Url::new(scheme, authority, path),
            Err(error),
            "{}",
            String::from_utf8_lossy(path)
        );
        assert!(error.to_string().starts_with("url: "));
    }
}

#[test]
fn length_is_bounded_exactly() {
    let room = MAX_URL - "http://a".len();
    assert!(Url::new(b"http", b"a", &b"/".repeat(room)).is_ok());
    assert_eq!(
        Url::new(b"http", b"a", &b"/".repeat(room + 1)),
        Err(UrlError::Long)
    );
    assert_eq!(
        Target::parse(&b"/".repeat(MAX_URL + 1)),
        Err(UrlError::Long)
    );
}

#[test]
fn operators_write_absolute_urls_or_paths() {
    assert_eq!(
        Target::parse(b"/api/x?y"),
        Ok(Target::Path(b"/api/x?y".to_vec()))
    );
    assert_eq!(
        Target::parse(b"HTTP://A"),
        Ok(Target::Url(url("http://a/")))
    );
    assert_eq!(
        Target::parse(b"http://a?x"),
        Ok(Target::Url(url("http://a/?x")))
    );
    assert_eq!(Target::parse(b"a/b"), Err(UrlError::Scheme));
    assert_eq!(Target::parse(b"a:80/b"), Err(UrlError::Scheme));
    assert_eq!(Target::parse(b"http:///x"), Err(UrlError::Authority));
    assert_eq!(Target::parse(b""), Err(UrlError::Scheme));
    assert_eq!(Target::parse(b"/a b"), Err(UrlError::Byte(2)));
}

#[test]
fn what_is_parsed_agrees_with_the_wire() {
    // An operator's URL must reach the very key a request made.
    let request = Url::new(b"http", b"Shop.Example", b"/p?\xc3\xa4").expect("valid");
    assert_eq!(Url::parse(b"HTTP://SHOP.example/p?\xc3\xa4"), Ok(request));
}

#[test]
fn rfc3986_5_4_reference_resolution() {
    let base = url("http://a/b/c/d;p?q");
    let normal = [
        ("g", "/b/c/g"),
        ("./g", "/b/c/g"),
        ("g/", "/b/c/g/"),
        ("/g", "/g"),
        ("//a/g", "/g"),
        ("?y", "/b/c/d;p?y"),
        ("g?y", "/b/c/g?y"),
        ("#s", "/b/c/d;p?q"),
        ("g#s", "/b/c/g"),
        (";x", "/b/c/;x"),
        ("g;x", "/b/c/g;x"),
        ("", "/b/c/d;p?q"),
        (".", "/b/c/"),
        ("./", "/b/c/"),
        ("..", "/b/"),
        ("../", "/b/"),
        ("../g", "/b/g"),
        ("../..", "/"),
        ("../../", "/"),
        ("../../g", "/g"),
        ("../../../g", "/g"),
        ("/./g", "/g"),
        ("/../g", "/g"),
        ("g.", "/b/c/g."),
        (".g", "/b/c/.g"),
        ("g..", "/b/c/g.."),
        ("./../g", "/b/g"),
        ("./g/.", "/b/c/g/"),
        ("g/./h", "/b/c/g/h"),
        ("g/../h", "/b/c/h"),
        ("g;x=1/../y", "/b/c/y"),
        ("g?y/../x", "/b/c/g?y/../x"),
    ];
    for (reference, path) in normal {
        let resolved = base.resolve(reference.as_bytes()).expect(reference);
        assert_eq!(text(&resolved), format!("http://a{path}"), "{reference}");
    }
    for other in ["g:h", "http:g", "//g", "mailto:x"] {
        assert_eq!(base.resolve(other.as_bytes()), None, "{other}");
    }
}

#[test]
fn rfc9110_4_3_1_origins_are_compared_with_their_default_port_and_keep_the_requests_spelling() {
    let same = [
        ("http://a/", "HTTP://A:80/x"),
        ("http://a:80/", "http://a/x"),
        ("https://a/", "//a:443/x"),
        ("http://a:8080/", "http://a:8080/x"),
    ];
    for (base, location) in same {
        let base = url(base);
        let resolved = base.resolve(location.as_bytes()).expect(location);
        assert_eq!(resolved.origin(), base.origin());
        assert_eq!(resolved.path(), b"/x");
    }
    for (base, location) in [
        ("http://a/", "https://a/x"),
        ("http://a/", "http://b/x"),
        ("http://a/", "http://a:81/x"),
        ("http://a/", "http://a@b/x"),
    ] {
        assert_eq!(url(base).resolve(location.as_bytes()), None, "{location}");
    }
}

#[test]
fn a_reference_that_could_break_a_key_is_none() {
    let base = url("http://a/b");
    for reference in [&b"/x y"[..], b"/x\r\ny", b"/\0", b"http://a /x"] {
        assert_eq!(
            base.resolve(reference),
            None,
            "{}",
            String::from_utf8_lossy(reference)
        );
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read(data in prop::collection::vec(any::<u8>(), 0..128)) {
        crate::cache::fuzz::fuzz_url(&data);
    }

    #[test]
    fn near_grammar_is_read(text in "(http|HTTPS|x)?:?(//)?[a-zA-Z0-9.:@-]{0,12}[/?#.a-z%]{0,20}") {
        crate::cache::fuzz::fuzz_url(text.as_bytes());
    }

    #[test]
    fn different_parts_make_different_urls(a in "[a-z]{1,4}", b in "[a-z]{1,4}", p in "/[a-z/?:]{0,6}", q in "/[a-z/?:]{0,6}") {
        let left = Url::new(b"http", a.as_bytes(), p.as_bytes()).expect("valid");
        let right = Url::new(b"http", b.as_bytes(), q.as_bytes()).expect("valid");
        prop_assert_eq!(left == right, (a, p) == (b, q));
        prop_assert_eq!(left.as_bytes() == right.as_bytes(), left == right);
    }
}

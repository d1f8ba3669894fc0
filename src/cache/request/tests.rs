use super::*;

fn with(method: &str, pairs: &[(&str, &str)], end_of_stream: bool) -> Lookup {
    lookup(
        method.as_bytes(),
        &Headers::from_pairs(pairs.iter().copied()),
        end_of_stream,
    )
}

#[test]
fn get_and_head_look_up_and_only_get_fills() {
    assert_eq!(with("GET", &[], true), Lookup::Use { fill: true });
    assert_eq!(with("HEAD", &[], true), Lookup::Use { fill: false });
    assert_eq!(
        with("GET", &[("content-length", "0")], true),
        Lookup::Use { fill: true }
    );
    assert_eq!(
        with(
            "GET",
            &[("range", "bytes=0-1"), ("cache-control", "no-cache")],
            true
        ),
        Lookup::Use { fill: true }
    );
}

#[test]
fn rfc9111_4_4_methods_not_known_to_be_safe_are_unsafe() {
    for method in [
        "POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "get", "GETX", "",
    ] {
        assert_eq!(with(method, &[], false), Lookup::Unsafe, "{method}");
    }
    for method in ["OPTIONS", "TRACE"] {
        assert_eq!(
            with(method, &[], true),
            Lookup::Bypass(Bypass::Method),
            "{method}"
        );
    }
    assert_eq!(with("CONNECT", &[], false), Lookup::Bypass(Bypass::Upgrade));
}

#[test]
fn a_get_with_a_body_is_not_looked_up() {
    for method in ["GET", "HEAD"] {
        assert_eq!(with(method, &[], false), Lookup::Bypass(Bypass::Body));
        for pair in [
            ("content-length", "1"),
            ("content-length", "x"),
            ("transfer-encoding", "chunked"),
        ] {
            assert_eq!(
                with(method, &[pair], true),
                Lookup::Bypass(Bypass::Body),
                "{pair:?}"
            );
        }
        assert_eq!(
            with(
                method,
                &[("content-length", "0"), ("content-length", "5")],
                true
            ),
            Lookup::Bypass(Bypass::Body)
        );
    }
}

#[test]
fn rfc9111_4_3_2_preconditions_for_the_origin_reach_it() {
    for name in ["if-match", "if-unmodified-since"] {
        assert_eq!(
            with("GET", &[(name, "x")], true),
            Lookup::Bypass(Bypass::Precondition)
        );
    }
    for name in ["if-none-match", "if-modified-since", "if-range"] {
        assert_eq!(
            with("GET", &[(name, "x")], true),
            Lookup::Use { fill: true }
        );
    }
    assert_eq!(
        with("GET", &[("upgrade", "websocket")], true),
        Lookup::Bypass(Bypass::Upgrade)
    );
}

#[test]
fn override_fields_are_stripped_in_every_spelling() {
    let mut headers = Headers::from_pairs(
        OVERRIDES
            .iter()
            .map(|name| (name.to_ascii_uppercase(), "evil")),
    );
    headers.append("X_Forwarded-Host", "evil");
    headers.append("x_http_method_override", "DELETE");
    headers.append("x-forwarded-host", "again");
    for kept in [
        "x-forwarded-for",
        "x-forwarded-proto",
        "host",
        "x-hosts",
        "x",
    ] {
        headers.append(kept, "1");
    }
    assert!(strip_overrides(&mut headers, &policy::Cache::default()));
    let names: Vec<_> = headers.iter().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(
        names,
        [
            "x-forwarded-for",
            "x-forwarded-proto",
            "host",
            "x-hosts",
            "x"
        ]
    );
    assert!(!strip_overrides(&mut headers, &policy::Cache::default()));
}

#[test]
fn reasons_are_tokens() {
    for why in [
        Bypass::Body,
        Bypass::Upgrade,
        Bypass::Method,
        Bypass::Precondition,
        Bypass::Url,
    ] {
        assert!(crate::cache::list::is_token(why.name().as_bytes()));
    }
}

use super::*;

fn stored(pairs: &[(&str, &str)]) -> Vec<String> {
    let headers = Headers::from_pairs(pairs.iter().copied());
    let control = ResponseControl::parse(headers.all("cache-control"));
    kept(&headers, &control)
        .iter()
        .map(|(name, _)| name.to_owned())
        .collect()
}

#[test]
fn rfc9111_3_1_fields_of_one_connection_or_proxy_are_not_stored() {
    let names = stored(&[
        (":status", "200"),
        ("Connection", "A, close"),
        ("Connection", "b"),
        ("a", "1"),
        ("B", "2"),
        ("c", "3"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Authenticate", "Basic"),
        ("Proxy-Authentication-Info", "x"),
        ("Proxy-Connection", "close"),
        ("TE", "trailers"),
        ("Trailer", "x"),
        ("Transfer-Encoding", "chunked"),
        ("Upgrade", "h2c"),
        ("Content-Length", "5"),
        ("Age", "7"),
    ]);
    assert_eq!(names, ["c"]);
}

#[test]
fn fields_about_one_exchange_with_us_are_not_stored() {
    let names = stored(&[
        ("x-session-user", "7"),
        ("X_Session_Set", "7"),
        ("x-envoy-upstream-service-time", "7"),
        ("RateLimit", "x"),
        ("RateLimit-Policy", "x"),
        ("X-RateLimit-Remaining", "7"),
        ("retry-after", "7"),
        ("date", "x"),
        ("cache-status", "up; hit"),
        ("set-cookie", "a=b"),
        ("x-sessions", "kept: another name"),
    ]);
    assert_eq!(
        names,
        [
            "retry-after",
            "date",
            "cache-status",
            "set-cookie",
            "x-sessions"
        ]
    );
}

#[test]
fn rfc9111_5_2_2_4_and_5_2_2_7_named_fields_are_not_stored() {
    let names = stored(&[
        ("Cache-Control", "no-cache=\"A, b\", private=\"Set-Cookie\""),
        ("a", "1"),
        ("b", "2"),
        ("c", "3"),
        ("set-cookie", "s=1"),
    ]);
    assert_eq!(names, ["cache-control", "c"]);
}

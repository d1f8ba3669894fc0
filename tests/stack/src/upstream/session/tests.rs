use super::*;

const FIELDS: &str =
    "x-session-nonce: bm9uY2U\r\nx-session-version: 7\r\nX-Session-User: ada\r\naccept: */*\r\n";

fn ask(target: &str) -> String {
    let head = format!("GET /session/{target} HTTP/1.1\r\n{FIELDS}\r\n");
    let request = Request::parse(head.as_bytes()).unwrap().unwrap();
    let bytes = answer(&request).unwrap().encode(false);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The values of a field, and how long each is.
fn values(target: &str, name: &str) -> Vec<String> {
    let text = ask(target);
    let start = format!("{name}: ");
    text.lines()
        .filter_map(|line| line.strip_prefix(&start).map(str::to_owned))
        .collect()
}

#[test]
fn a_session_as_asked_for() {
    for (query, wanted) in [
        ("", r#"{"n":"bm9uY2U","roles":[],"uid":"ada","data":{}}"#),
        (
            "?uid=42&roles=a,b&data={\"k\":1}",
            r#"{"n":"bm9uY2U","roles":["a","b"],"uid":"42","data":{"k":1}}"#,
        ),
        ("?nonce=none", r#"{"roles":[],"uid":"ada","data":{}}"#),
        (
            "?nonce=wrong",
            r#"{"n":"Am9uY2U","roles":[],"uid":"ada","data":{}}"#,
        ),
        (
            "?nonce=b2xk",
            r#"{"n":"b2xk","roles":[],"uid":"ada","data":{}}"#,
        ),
    ] {
        let target = format!("set{query}");
        assert_eq!(values(&target, "x-session-set"), [wanted], "{query}");
    }
    let twice = values("set?nonce=twice", "x-session-set");
    assert_eq!(twice.len(), 2);
    assert_eq!(twice[0], twice[1]);
    let deep = values("set?nonce=deep", "x-session-set").concat();
    assert!(deep.contains(&"[".repeat(500)) && deep.len() < 4_096);
    assert!(values("set?nonce=huge", "x-session-set")[0].len() > 100_000);
    assert!(values("set?nonce=huge&bytes=9", "x-session-set")[0].contains("\"xxxxxxxxx\""));
    assert!(ask("set?status=503").starts_with("HTTP/1.1 503"));
    assert!(ask("set?data=%7b").starts_with("HTTP/1.1 400"));
}

#[test]
fn the_other_fields() {
    for (target, name, wanted) in [
        ("end", "x-session-end", "this"),
        ("end?scope=all%0d%0ax:y", "x-session-end", "allx:y"),
        ("rotate", "x-session-rotate", "?1"),
        ("update", "x-session-update", r#"{"n":"bm9uY2U","v":7}"#),
        (
            "update?v=3&data=[1]&roles=a",
            "x-session-update",
            r#"{"data":[1],"n":"bm9uY2U","roles":["a"],"v":3}"#,
        ),
    ] {
        assert_eq!(values(target, name), [wanted], "{target}");
    }
    let request = Request::parse(b"GET /session/update?ms=250 HTTP/1.1\r\n\r\n");
    let delayed = answer(&request.unwrap().unwrap()).unwrap();
    assert_eq!(delayed.delay_ms, Some(250));
}

#[test]
fn what_was_seen_is_what_is_ours() {
    let text = ask("seen");
    let body = text.split("\r\n\r\n").nth(1).unwrap();
    let seen: Value = serde_json::from_str(body).unwrap();
    let wanted = json!({ "headers": [
        ["x-session-nonce", "bm9uY2U"], ["x-session-version", "7"], ["x-session-user", "ada"],
    ] });
    assert_eq!(seen, wanted);
}

#[test]
fn no_other_path_is_answered() {
    for target in ["/session", "/session/", "/session/sets", "/sessions/set"] {
        let head = format!("GET {target} HTTP/1.1\r\n\r\n");
        let request = Request::parse(head.as_bytes()).unwrap().unwrap();
        assert!(answer(&request).is_none(), "{target}");
    }
}

use super::*;

/// The status and the answer's text.
fn ask(line: &str, fields: &str, body: &str) -> (u16, String) {
    let head = format!("{line} HTTP/1.1\r\n{fields}\r\n");
    let request = Request::parse(head.as_bytes()).unwrap().unwrap();
    let bytes = answer(&request, body.as_bytes()).unwrap().encode(false);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    (text[9..12].parse().unwrap(), text)
}

const NONCE: &str = "x-session-nonce: bm9uY2U\r\n";

#[test]
fn the_right_password_begins_a_session_with_the_requests_nonce() {
    for (body, session) in [
        (
            "name=ada&password=tide",
            r#"{"data":{},"n":"bm9uY2U","roles":["user"],"uid":"ada"}"#,
        ),
        (
            "password=tide&name=ada%40example",
            r#"{"data":{},"n":"bm9uY2U","roles":["user"],"uid":"ada@example"}"#,
        ),
        (
            "name=admin&password=tide",
            r#"{"data":{},"n":"bm9uY2U","roles":["user","admin"],"uid":"admin"}"#,
        ),
    ] {
        let (status, text) = ask("POST /login", NONCE, body);
        assert_eq!(status, 303, "{body}");
        assert!(text.contains("\r\nlocation: /account\r\n"), "{text}");
        let field = format!("\r\nx-session-set: {session}\r\n");
        assert!(text.contains(&field), "{body}: {text}");
    }
}

#[test]
fn what_is_refused_begins_none() {
    let long = format!("name={}&password=tide", "a".repeat(129));
    for (fields, body, wanted) in [
        (NONCE, "name=ada&password=Tide", 403),
        (NONCE, "name=ada", 403),
        (NONCE, "", 403),
        (NONCE, "\u{fffd}=&&==", 403),
        (NONCE, "name=&password=tide", 400),
        (NONCE, "name=a+b&password=tide", 400),
        (NONCE, "name=a%0d%0ax-session-end%3a+all&password=tide", 400),
        (NONCE, long.as_str(), 400),
        ("", "name=ada&password=tide", 503),
    ] {
        let (status, text) = ask("POST /login", fields, body);
        assert_eq!(status, wanted, "{body}");
        assert!(!text.contains("x-session-"), "{body}: {text}");
        assert!(text.contains("<form method=\"post\" action=\"/login\">"));
    }
}

#[test]
fn the_account_is_what_the_fields_say_escaped() {
    let fields = "x-session-user: <b>&\"'\r\nx-session-roles: user\r\nx-session-state: valid\r\n";
    let (status, text) = ask("GET /account", fields, "");
    assert_eq!(status, 200);
    assert!(
        text.contains("<strong>&lt;b&gt;&amp;&quot;&#39;</strong>"),
        "{text}"
    );
    assert!(text.contains("<td id=\"roles\">user</td>"), "{text}");
    assert!(ask("GET /account", "", "").1.contains("nobody"));
}

#[test]
fn only_a_post_logs_out() {
    let (status, text) = ask("POST /logout", "", "");
    assert_eq!(status, 303);
    assert!(text.contains("\r\nx-session-end: this\r\n"), "{text}");
    for line in [
        "GET /logout",
        "DELETE /logout",
        "PUT /login",
        "POST /account",
    ] {
        let (status, text) = ask(line, NONCE, "");
        assert_eq!(status, 405, "{line}");
        assert!(!text.contains("x-session-"), "{line}: {text}");
    }
}

#[test]
fn nothing_of_it_is_stored() {
    for line in ["GET /login", "POST /login", "GET /account", "POST /logout"] {
        let (_, text) = ask(line, NONCE, "name=ada&password=tide");
        assert!(text.contains("\r\ncache-control: no-store\r\n"), "{line}");
    }
}

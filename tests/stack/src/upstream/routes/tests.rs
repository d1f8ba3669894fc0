use super::*;

fn ask(state: &State, line: &str) -> (u16, String) {
    let request =
        Request::parse(format!("{line} HTTP/1.1\r\naccept-language: de\r\n\r\n").as_bytes());
    let bytes = answer(&request.unwrap().unwrap(), b"", state).encode(false);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    (text[9..12].parse().unwrap(), text)
}

#[test]
fn a_changed_product_has_another_version() {
    let state = State::default();
    assert!(
        ask(&state, "GET /api/products/7")
            .1
            .contains("\"version\":1")
    );
    for method in ["PUT", "POST", "DELETE", "PURGE"] {
        assert_eq!(ask(&state, &format!("{method} /api/products/7")).0, 204);
    }
    assert!(
        ask(&state, "GET /api/products/7")
            .1
            .contains("\"version\":5")
    );
    assert!(ask(&state, "GET /api/products").1.contains("\"version\":1"));
}

#[test]
fn no_two_answers_are_the_same() {
    let state = State::default();
    assert_ne!(
        ask(&state, "GET /api/products").1,
        ask(&state, "GET /api/products").1
    );
}

#[test]
fn requests_are_counted_by_path() {
    let state = State::default();
    for line in ["GET /echo?a", "GET /echo?b", "PUT /api/cart"] {
        ask(&state, line);
    }
    assert_eq!(state.counts()["/echo"], 2);
    ask(&state, "DELETE /__stats");
    assert!(!state.counts().contains_key("/echo"));
}

#[test]
fn what_the_query_asks_for() {
    let state = State::default();
    assert_eq!(ask(&state, "GET /status/503").0, 503);
    assert_eq!(ask(&state, "GET /status/99").0, 400);
    assert!(
        ask(&state, "GET /headers?etag=%22x%22")
            .1
            .contains("\r\netag: \"x\"\r\n")
    );
    assert!(
        !ask(&state, "GET /headers?a=1%0d%0aevil:2")
            .1
            .contains("evil")
    );
    assert!(
        ask(&state, "GET /vary?on=Accept-Language")
            .1
            .contains("\"value\":\"de\"")
    );
    assert!(
        ask(&state, "GET /size?n=70")
            .1
            .contains("content-length: 70\r\n")
    );
    let cut = ask(&state, "GET /reset?after=5").1;
    assert!(
        cut.contains("content-length: 1005\r\n") && cut.ends_with("\r\n\r\naaaaa"),
        "{cut}"
    );
    assert_eq!(
        ask(&state, "GET /raw?hex=485454502f312e3120323939").1,
        "HTTP/1.1 299"
    );
    assert_eq!(ask(&state, "GET /raw?hex=4").0, 400);
}

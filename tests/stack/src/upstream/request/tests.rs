use super::*;

fn parse(text: &str) -> Request {
    Request::parse(text.as_bytes()).unwrap().unwrap()
}

#[test]
fn heads_in_pieces_are_waited_for() {
    let whole = "GET /a?x=1 HTTP/1.1\r\nHost: h\r\n\r\n";
    for n in 0..whole.len() {
        assert!(
            Request::parse(&whole.as_bytes()[..n]).unwrap().is_none(),
            "{n}"
        );
    }
    assert_eq!(parse(whole).length, whole.len());
}

#[test]
fn query_is_decoded_in_order() {
    let request = parse("GET /p?a=1&b=%20x+y%2&a=2&c HTTP/1.1\r\n\r\n");
    let pairs = [("a", "1"), ("b", " x y%2"), ("a", "2"), ("c", "")];
    assert_eq!(
        request.query(),
        pairs.map(|(n, v)| (n.to_owned(), v.to_owned()))
    );
    assert_eq!(request.path(), "/p");
    assert_eq!(request.number("a", 7), 1);
    assert_eq!(request.number("b", 7), 7);
}

#[test]
fn framing() {
    assert_eq!(
        parse("GET / HTTP/1.1\r\n\r\n").framing(),
        Framing::Length(0)
    );
    assert_eq!(
        parse("PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\n").framing(),
        Framing::Length(3)
    );
    let chunked = parse("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(chunked.framing(), Framing::Chunked);
}

use super::*;
use std::net::TcpListener;

/// Serves `answers`, one for each request, each on the connection the client has; `None` closes it instead.
fn server(answers: Vec<Option<&'static [u8]>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut stream = None;
        for answer in answers {
            let mut live = stream
                .take()
                .unwrap_or_else(|| listener.accept().unwrap().0);
            if let Some(answer) = answer {
                let mut request = [0; 4096];
                let _n = live.read(&mut request).unwrap();
                live.write_all(answer).unwrap();
                stream = Some(live);
            }
        }
    });
    address
}

#[test]
fn bodies_by_length_chunks_and_close() {
    let address = server(vec![
        Some(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: 1\r\na: \xff\r\n\r\nhello"),
        Some(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nhe\r\n3\r\nllo\r\n0\r\nt: 1\r\n\r\n"),
        Some(b"HTTP/1.1 204 No Content\r\n\r\n"),
        Some(b"HTTP/1.1 200 OK\r\n\r\nhello"),
    ]);
    let mut client = Client::new(&address);
    let first = client.get("/").unwrap();
    assert_eq!((first.status, first.text()), (200, "hello".into()));
    assert_eq!(first.all("A").len(), 2);
    assert_eq!(client.get("/").unwrap().text(), "hello");
    assert_eq!(client.get("/").unwrap().status, 204);
    assert_eq!(client.get("/").unwrap().text(), "hello");
}

#[test]
fn a_kept_connection_that_was_closed_is_replaced() {
    let answer: Option<&[u8]> = Some(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let address = server(vec![answer, None, answer]);
    let mut client = Client::new(&address);
    assert_eq!(client.get("/").unwrap().status, 200);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(client.get("/").unwrap().status, 200);
}

#[test]
fn a_body_cut_short_is_an_error() {
    let address = server(vec![
        Some(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello"),
        None,
    ]);
    assert!(Client::new(&address).get("/").is_err());
}

#[test]
fn a_request_is_sent_as_given() {
    let request = Request::new("PUT", b"/\xff?q")
        .field("X-A", b"\x80")
        .field("X-A", "2")
        .body("hi");
    let expected =
        b"PUT /\xff?q HTTP/1.1\r\nhost: h\r\nX-A: \x80\r\nX-A: 2\r\ncontent-length: 2\r\n\r\nhi";
    assert_eq!(request.encode("h"), expected);
}

//! What many requests of one worker are told in one moment.

use crate::kit::{SOON, eventually};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use tidegate_e2e::Lab;

const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 1s }
limits:
  mine: { algorithm: fixed_window, limit: 1000000, window: 1d, key: [client.ip], on_error: deny }
policies:
  mine: { limits: [mine] }
routes:
  - { match: { path: /mine }, policy: mine }
";

/// Twice as many as used up a machine's stack.
const CLIENTS: usize = 1_000;

/// Found by the test of a worker that holds all it may (E11): Envoy carries what a callback wants done out when it has
/// returned, and each reply calls the filter back within that, one within the other. Four hundred in one moment used up the
/// stack of the machine: it trapped, and all requests of its worker with it.
#[test]
fn p1_a_thousand_requests_that_end_in_one_moment_are_all_answered() {
    let lab = Lab::with(POLICY, |spec| spec.workers = 1);
    assert_eq!(lab.client(0).get("/mine").unwrap().status, 200);
    lab.pause("bridge-0").unwrap();
    lab.pause("bridge-1").unwrap();
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| ask(&lab)).collect();
    for client in &mut clients {
        assert_eq!(status(client), "503");
    }
    lab.resume("bridge-0").unwrap();
    lab.resume("bridge-1").unwrap();
    eventually("the same worker decides", 200, || {
        lab.client(0).get("/mine").unwrap().status
    });
}

fn ask(lab: &Lab) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", lab.spec().proxy_port(0))).unwrap();
    stream
        .write_all(b"GET /mine HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
        .unwrap();
    stream
}

fn status(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(answer.get(9..12).unwrap_or_default()).into_owned()
}

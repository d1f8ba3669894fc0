//! What many requests of one worker are told in one moment.

use crate::kit::{SOON, asked, eventually, status_of};
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

/// More than twice as many as used up a machine's stack.
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
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| asked(&lab, "/mine")).collect();
    for client in &mut clients {
        assert_eq!(status_of(client, SOON), "503");
    }
    lab.resume("bridge-0").unwrap();
    lab.resume("bridge-1").unwrap();
    eventually("the same worker decides", 200, || {
        lab.client(0).get("/mine").unwrap().status
    });
}

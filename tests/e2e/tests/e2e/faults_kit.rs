//! What is asked while something is broken.

use std::collections::BTreeMap;
use std::time::Duration;
use tidegate_e2e::{Lab, Load, Request, Tally, wait};

/// One route for each thing a limit can do when Redis cannot be asked, and one that needs a session.
/// `local`: each of the two workers enforces half of it.
pub(crate) const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 300ms }
sessions:
  web: { cookie: sid }
limits:
  allow: { algorithm: fixed_window, limit: 1000000, window: 1d, key: [client.ip], on_error: allow }
  deny:  { algorithm: fixed_window, limit: 1000000, window: 1d, key: [client.ip], on_error: deny }
  local: { algorithm: fixed_window, limit: 20, window: 366d, key: [client.ip], on_error: local, peers: 2 }
caches:
  pages: { ttl: 1m }
policies:
  allow: { limits: [allow] }
  deny:  { limits: [deny] }
  local: { limits: [local] }
  web:   { session: web }
  pages: { cache: pages }
routes:
  - { match: { path_prefix: /allow }, policy: allow }
  - { match: { path_prefix: /deny }, policy: deny }
  - { match: { path_prefix: /local }, policy: local }
  - { match: { path_prefix: /web }, policy: web }
  - { match: { path_prefix: /api/products }, policy: pages }
";

/// Clients of the load, and so the most requests in flight.
pub(crate) const CLIENTS: usize = 16;

/// Requests that need Redis' answer: each that does not get it is a 503.
pub(crate) fn load(lab: &Lab) -> Load {
    let address = format!("127.0.0.1:{}", lab.spec().proxy_port(0));
    Load::start(&[address], CLIENTS, |_, _| Request::get("/deny"))
}

/// The load for a while, and for more than 100 requests.
pub(crate) fn load_for(lab: &Lab, time: Duration) -> Tally {
    let load = load(lab);
    std::thread::sleep(time);
    load.reaches(101);
    load.stop()
}

/// How many of `n` requests had each status, each on a connection of its own, so that both workers are asked.
pub(crate) fn statuses(lab: &Lab, n: usize, request: &Request) -> BTreeMap<u16, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..n {
        let status = lab.client(0).send(request).unwrap().status;
        *counts.entry(status).or_insert(0) += 1;
    }
    counts
}

/// Waits until 30 answers in a row, on as many connections, are 200; how long that took.
#[track_caller]
pub(crate) fn recovers(lab: &Lab, request: &Request, limit: Duration) -> Duration {
    let start = wait::now();
    let mut since = start.elapsed();
    let whole = wait::until("recovery", limit, || {
        since = start.elapsed();
        match statuses(lab, 30, request) {
            counts if counts.get(&200) == Some(&30) => Ok(()),
            counts => Err(format!("{counts:?}")),
        }
    });
    if let Err(error) = whole {
        panic!("{error}");
    }
    since
}

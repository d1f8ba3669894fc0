//! A stack with one Envoy whose upstream does what a test says.

use crate::cache_kit::is_hit;
use crate::kit::{SOON, eventually};
use crate::origin::Origin;
use serde_json::Value;
use std::net::TcpStream;
use tidegate_e2e::{Lab, Request, Response};

const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 5s }
caches:
  rules: { max_body: 64KiB }
  big: { max_body: 2MiB }
  user: { key: ['header:x-tenant'], query: { ignore: [utm_*], sort: true }, ttl: 60s }
policies:
  rules: { cache: rules }
  big: { cache: big }
  user: { cache: user }
routes:
  - { match: { path_prefix: /big }, policy: big }
  - { match: { path_prefix: /user }, policy: user }
default_policy: rules
";

pub(crate) fn start() -> (Origin, Lab) {
    let origin = Origin::start();
    let upstream = origin.address.clone();
    let lab = Lab::with(POLICY, |spec| spec.upstream = Some(upstream));
    (origin, lab)
}

pub(crate) fn get(target: &str) -> Request {
    Request::get(target).field("host", "rules.example")
}

pub(crate) fn ask(lab: &Lab, request: &Request) -> Response {
    lab.client(0).timeout(SOON).send(request).unwrap()
}

/// Fills until the answer is stored, and then until it is no longer fresh.
pub(crate) fn store(lab: &Lab, target: &str) {
    eventually("a hit", true, || is_hit(&ask(lab, &get(target))));
}

/// The objects' freshness ends now: what Redis says of it counts.
pub(crate) fn expire(lab: &Lab) {
    let script = "for _, k in ipairs(redis.call('KEYS', 'tg:c:*')) do \
                  for _, f in ipairs(redis.call('HKEYS', k)) do \
                  if string.sub(f, 1, 2) == 'm:' then \
                  local born, fresh, ends = string.match(redis.call('HGET', k, f), '^(%d+) (%d+) (%d+)$') \
                  redis.call('HSET', k, f, born .. ' 0 ' .. ends) end end end return 1";
    lab.redis_cache().call(&["EVAL", script, "0"]).unwrap();
}

/// Changes what Envoy is configured with, and starts it anew.
pub(crate) fn reconfigure(lab: &mut Lab, change: impl FnOnce(&mut Value)) {
    lab.reconfigure(0, change).unwrap();
}

pub(crate) fn connect(lab: &Lab) -> TcpStream {
    let envoys = lab.endpoints().unwrap().envoys;
    let stream = TcpStream::connect(envoys[0].trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

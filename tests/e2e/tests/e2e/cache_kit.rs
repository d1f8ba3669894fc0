//! The stack of the cache's tests.

use crate::kit::{Shared, eventually};
use tidegate_e2e::{Lab, Request, Response};

/// All Envoys are asked for one host, or they would be three sites.
pub(crate) const HOST: &str = "shop.example";

const POLICY: &str = "
version: 1
namespace: tg
bridge: { timeout: 5s }
caches:
  catalog: { max_body: 64KiB, tags_header: surrogate-key, ttl: 50s }
policies:
  shop: { cache: catalog }
default_policy: shop
";

pub(crate) static LAB: Shared = Shared::new(|| Lab::with(POLICY, |spec| spec.envoys = 3));

pub(crate) fn get(target: &str) -> Request {
    Request::get(target).field("host", HOST)
}

pub(crate) fn ask(lab: &Lab, envoy: u16, request: &Request) -> Response {
    lab.client(envoy).send(request).unwrap()
}

pub(crate) fn cache_status(answer: &Response) -> String {
    answer.all("cache-status").join(", ")
}

pub(crate) fn is_hit(answer: &Response) -> bool {
    cache_status(answer).contains("; hit;")
}

/// Asks until the answer comes from the store: storing takes place behind the answer.
#[track_caller]
pub(crate) fn warm(lab: &Lab, request: &Request) {
    eventually("a hit", true, || is_hit(&ask(lab, 0, request)));
}

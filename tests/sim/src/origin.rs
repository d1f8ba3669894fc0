//! The upstream: it stamps every page with its version and the number of the fill.

use crate::queue::Event;
use crate::request::{Credential, Kind};
use crate::rng::MS;
use crate::world::World;
use tidegate::http::Headers;

/// Resources: the first half under `/pages`, the second under `/mine`.
pub const RESOURCES: usize = 8;
/// How long an answer says it is fresh, seconds.
pub const MAX_AGE_S: u64 = 2;

/// Users.
pub const USERS: usize = 5;

/// One answer to a GET.
#[derive(Debug, Clone)]
pub struct Fill {
    /// Which resource.
    pub resource: usize,
    /// For which language; 0 where the page does not vary.
    pub lang: usize,
    /// For whom: a user, or nobody.
    pub principal: Option<String>,
    /// When Envoy sent the request.
    pub sent: u64,
    /// When the upstream answered.
    pub answered: u64,
    /// Its body was cut short.
    pub aborted: bool,
    /// It must not be stored.
    pub private: bool,
}

/// The upstream's memory.
#[derive(Debug, Default)]
pub struct Origin {
    /// Versions by resource.
    pub versions: [u64; RESOURCES],
    /// All answers to GETs.
    pub fills: Vec<Fill>,
}

/// The path of a resource.
pub fn path(resource: usize) -> String {
    let prefix = if resource < RESOURCES / 2 {
        "pages"
    } else {
        "mine"
    };
    format!("/{prefix}/{resource}")
}

/// The tag of a resource.
pub fn tag(resource: usize) -> String {
    format!("tag-{}", resource % 2)
}

/// Whether a page varies by language.
pub fn varies(resource: usize) -> bool {
    resource % 4 == 1
}

impl World {
    /// Envoy sends the request upstream.
    pub fn forward(&mut self, no: usize) {
        let request = &mut self.requests[no];
        if request.forwarded.is_some() || request.reply.is_some() {
            return self.violated(format!("X10: request {no} goes upstream twice"));
        }
        request.forwarded = Some(self.now);
        self.check_upstream(no);
        let wait = self.rng.latency(MS, 2_000 * MS, self.options.tail_permille);
        self.queue.at(self.now + wait, Event::Origin(no));
    }

    /// The upstream gets it, also when its client has gone meanwhile.
    pub fn origin(&mut self, no: usize) {
        let request = &self.requests[no];
        let status = |status: &str| (":status".to_owned(), status.as_bytes().to_vec());
        let user = request.headers.only("x-session-user");
        let user = user.map(|user| String::from_utf8_lossy(user).into_owned());
        let mut headers = vec![status("200")];
        let mut body = b"ok".to_vec();
        let mut aborted = false;
        match request.kind {
            Kind::Get {
                resource,
                lang,
                token,
            } => {
                let principal = user.filter(|_| token != Credential::None);
                let lang = if varies(resource) { lang } else { 0 };
                aborted = self.rng.chance(self.options.abort_permille);
                let fill = Fill {
                    resource,
                    lang,
                    principal,
                    sent: request.forwarded.unwrap_or(self.now),
                    answered: self.now,
                    aborted,
                    private: resource % 4 == 2,
                };
                let number = self.origin.fills.len();
                let version = self.origin.versions[resource];
                body = format!("fill={number};version={version};").into_bytes();
                body.resize(body.len() + self.rng.index(200), b'.');
                body.extend(b";end");
                let scope = if fill.private { "private" } else { "public" };
                let scope = if resource >= RESOURCES / 2 && !fill.private {
                    "max-age"
                } else {
                    scope
                };
                let control = match scope {
                    "max-age" => format!("max-age={MAX_AGE_S}"),
                    scope => format!("{scope}, max-age={MAX_AGE_S}"),
                };
                self.origin.fills.push(fill);
                headers.push(("cache-control".to_owned(), control.into_bytes()));
                headers.push(("surrogate-key".to_owned(), tag(resource).into_bytes()));
                if varies(resource) {
                    headers.push(("vary".to_owned(), b"x-lang".to_vec()));
                }
            }
            Kind::Account { act, .. } => {
                if let Some((name, value)) = self.wish(no, act) {
                    headers.push((name.to_owned(), value.into_bytes()));
                }
            }
            Kind::Put { resource } => self.origin.versions[resource] += 1,
            Kind::Limited {
                path: "/metered", ..
            } => {
                // Above what is allowed, and none at all, now and then.
                let cost = self.rng.between(0, 11);
                self.requests[no].cost = Some(cost).filter(|cost| *cost < 11);
                if cost < 11 {
                    headers.push(("x-cost".to_owned(), cost.to_string().into_bytes()));
                }
            }
            Kind::Limited { .. } | Kind::User { .. } => {}
        }
        if self.rng.chance(500) {
            let length = body.len().to_string();
            headers.push(("content-length".to_owned(), length.into_bytes()));
        } else {
            headers.push(("transfer-encoding".to_owned(), b"chunked".to_vec()));
        }
        if aborted {
            self.marks.hit("upstream_aborted");
            body.truncate(body.len() / 2);
        }
        let half = body.len() / 2;
        let rest = body.split_off(half);
        let request = &mut self.requests[no];
        request.upstream.headers = Some(Headers::from_lower(headers));
        request.upstream.chunks = [body, rest].into();
        request.upstream.aborted = aborted;
        let wait = self.rng.latency(MS, 2_000 * MS, self.options.tail_permille);
        self.queue.at(self.now + wait, Event::Response(no));
    }
}

//! The upstream: it stamps every page with its version and the number of the fill.

use crate::queue::Event;
use crate::request::{Credential, Kind};
use crate::rng::MS;
use crate::world::World;
use tidegate::cache::sent;
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

/// What a page is made of.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Which resource.
    pub resource: usize,
    /// For which language.
    pub lang: usize,
    /// For whom: a user, or nobody.
    pub principal: Option<String>,
    /// When Envoy sent the request.
    pub sent: u64,
}

/// An answer to a GET.
#[derive(Debug)]
pub struct Page {
    /// Its fields, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// All of its body.
    pub body: Vec<u8>,
    /// Only a part of that arrives.
    pub aborted: bool,
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
                let asked = Asked {
                    resource,
                    lang,
                    principal: user.filter(|_| token != Credential::None),
                    sent: request.forwarded.unwrap_or(self.now),
                };
                let route = request.headers.only(":authority").map(|host| {
                    let path = request.headers.only(":path").unwrap_or_default();
                    [host, b" ", path].concat()
                });
                let page = self.page(asked);
                (headers, body, aborted) = (page.headers, page.body, page.aborted);
                // One route of ten does not say what it sent.
                if let Some(said) = route.filter(|_| self.rng.chance(900)) {
                    headers.push((sent::FIELD.to_owned(), said));
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

    /// A page, and a note of it.
    pub fn page(&mut self, asked: Asked) -> Page {
        let Asked {
            resource,
            lang,
            principal,
            sent,
        } = asked;
        let aborted = self.rng.chance(self.options.abort_permille);
        let fill = Fill {
            resource,
            lang: if varies(resource) { lang } else { 0 },
            principal,
            sent,
            answered: self.now,
            aborted,
            private: resource % 4 == 2,
        };
        let number = self.origin.fills.len();
        let version = self.origin.versions[resource];
        let mut body = format!("fill={number};version={version};").into_bytes();
        body.resize(body.len() + self.rng.index(200), b'.');
        body.extend(b";end");
        let scope = match (fill.private, resource >= RESOURCES / 2) {
            (true, _) => "private, ",
            (false, true) => "",
            (false, false) => "public, ",
        };
        self.origin.fills.push(fill);
        let mut headers = vec![
            (":status".to_owned(), b"200".to_vec()),
            (
                "cache-control".to_owned(),
                format!("{scope}max-age={MAX_AGE_S}").into_bytes(),
            ),
            ("surrogate-key".to_owned(), tag(resource).into_bytes()),
        ];
        if varies(resource) {
            headers.push(("vary".to_owned(), b"x-lang".to_vec()));
        }
        Page {
            headers,
            body,
            aborted,
        }
    }
}

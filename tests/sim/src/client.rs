//! Clients: what is asked, when, and who leaves early.

use crate::origin::{RESOURCES, path};
use crate::policy::COOKIE;
use crate::queue::Event;
use crate::request::{Credential, Kind, Request};
use crate::rng::MS;
use crate::world::{Phase, World};
use tidegate::http::Headers;

/// The host all requests name.
pub const HOST: &str = "shop.example";
/// A well-formed token that nobody signed.
const FORGED: &str = "AQEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// Values of `x-key`: few, so that limits are reached.
pub const KEYS: usize = 2;

/// Requests of a burst.
const BURST: usize = 90;

impl World {
    /// The next request comes, and the one after it is planned.
    pub fn client(&mut self) {
        let rate = match self.phase {
            Phase::Faults => self.options.rate,
            Phase::Healed => 100,
            Phase::Quiet => return,
        };
        let gap = self.rng.between(1, 2_000 * MS / rate);
        self.queue.at(self.now + gap, Event::Client);
        let worker = self.rng.index(self.workers.len());
        if self.rng.chance(8) {
            self.queue.at(self.now, Event::Burst(worker, BURST));
        }
        let kind = self.any_kind();
        self.come(kind, worker);
        if self.rng.chance(80) {
            self.administer();
        }
    }

    /// One request of a burst for one key: enough in a short time for a worker to lease units of it.
    pub fn burst(&mut self, worker: usize, left: usize) {
        if self.phase == Phase::Quiet || left == 0 {
            return;
        }
        let gap = self.rng.between(MS / 2, 3 * MS);
        let event = Event::Burst(worker, left - 1);
        self.queue.at(self.now + gap, event);
        let path = "/hot";
        self.come(Kind::Limited { path, key: 0 }, worker);
    }

    fn come(&mut self, kind: Kind, worker: usize) {
        let fresh_after = match kind {
            Kind::Get { resource, .. } => self.fresh_after[resource],
            _ => 0,
        };
        let no = self.requests.len();
        let headers = self.headers(kind);
        let vm = self.workers[worker];
        let request = Request::new(kind, vm, self.now, headers, fresh_after);
        self.requests.push(request);
        self.trace
            .line(self.now, format!("request {no} {kind:?} in vm {vm}"));
        if self.rng.chance(self.options.hangup_permille) {
            let at = self.now + self.rng.between(0, 120 * MS);
            self.queue.at(at, Event::HangUp(no));
        }
        self.request(no);
    }

    /// A client leaves.
    pub fn hang_up(&mut self, no: usize) {
        if !self.requests[no].done {
            self.marks.hit("client_hung_up");
            self.end(no, "hung up");
        }
    }

    fn any_kind(&mut self) -> Kind {
        let key = self.rng.index(KEYS);
        let resource = self.rng.index(RESOURCES);
        let path = match self.rng.between(0, 99) {
            0..12 => "/fixed",
            12..22 => "/bucket",
            22..31 => "/both",
            31..39 => "/slots",
            39..45 => "/paced",
            45..51 => "/log",
            51..57 => "/metered",
            57..76 => {
                let token = self.any_credential();
                return Kind::User { token };
            }
            76..79 => return Kind::Put { resource },
            79..85 => {
                let (act, token) = (self.any_act(), self.any_credential());
                return Kind::Account { act, token };
            }
            _ => return self.any_get(resource),
        };
        Kind::Limited { path, key }
    }

    fn any_get(&mut self, resource: usize) -> Kind {
        Kind::Get {
            resource,
            lang: self.rng.index(2),
            token: if resource >= RESOURCES / 2 && self.rng.chance(400) {
                self.any_credential()
            } else {
                Credential::None
            },
        }
    }

    fn any_credential(&mut self) -> Credential {
        let known = self.sessions.all.len();
        if known == 0 || self.rng.chance(60) {
            return Credential::Forged;
        }
        // Mostly young ones, so that most are alive.
        let most = if self.rng.chance(200) { 80 } else { 12 };
        let back = self.rng.index(known.min(most));
        Credential::Token(known - 1 - back)
    }

    fn headers(&self, kind: Kind) -> Headers {
        let (method, path) = match kind {
            Kind::Limited { path, .. } => ("GET", path.to_owned()),
            Kind::User { .. } => ("GET", "/user".to_owned()),
            Kind::Account { .. } => ("POST", "/account".to_owned()),
            Kind::Put { resource } => ("PUT", path(resource)),
            Kind::Get { resource, .. } => ("GET", path(resource)),
        };
        let mut pairs = vec![
            (":method", method.to_owned()),
            (":scheme", "https".to_owned()),
            (":authority", HOST.to_owned()),
            (":path", path),
            ("x-session-user", "mallory".to_owned()),
        ];
        let token = match kind {
            Kind::Limited { key, .. } => {
                pairs.push(("x-key", format!("key-{key}")));
                Credential::None
            }
            Kind::Get { lang, token, .. } => {
                pairs.push(("x-lang", format!("lang-{lang}")));
                token
            }
            Kind::User { token } => token,
            Kind::Account { token, .. } => {
                pairs.push(("sec-fetch-site", "same-origin".to_owned()));
                token
            }
            Kind::Put { .. } => Credential::None,
        };
        let token = match token {
            Credential::None => None,
            Credential::Forged => Some(FORGED.to_owned()),
            Credential::Token(at) => Some(self.sessions.all[at].token.clone()),
        };
        if let Some(token) = token {
            pairs.push(("cookie", format!("{COOKIE}={token}")));
        }
        Headers::from_pairs(pairs)
    }
}

//! The admin API's callers: logins, log-outs, purges.

use crate::account;
use crate::bridge::vault;
use crate::check::session::Session;
use crate::client::{HOST, KEYS};
use crate::origin::{RESOURCES, USERS, path, tag};
use crate::policy::{self, ABSOLUTE_MS, IDLE_MS, REALM};
use crate::queue::Event;
use crate::request::Kind;
use crate::rng::MS;
use crate::world::World;
use redis_bridge::core::{AdminOp, AdminReply, Keys, Limit, NewSession, RequestId, Revocation};
use redis_bridge::vault::Form;
use tidegate::cache::Url;
use tidegate::http::Headers;
use tidegate::limit::RequestView;
use tidegate::limit::key::resolve;
use tidegate::session::token;

/// Limits somebody resets now and then.
const RESET: [&str; 8] = [
    "all", "bucket", "fixed", "hot", "log", "metered", "paced", "slots",
];

/// An admin operation on its way.
#[derive(Clone)]
pub struct Admin {
    op: AdminOp,
    /// At which bridge.
    pub bridge: usize,
    asked: u64,
    /// What it ends: indices of sessions.
    sessions: Vec<usize>,
    /// What it invalidates.
    resources: Vec<usize>,
}

impl World {
    /// Somebody asks for something.
    pub fn administer(&mut self) {
        match self.rng.between(0, 12) {
            0..4 => self.log_in(),
            4 | 5 => self.log_out(),
            6 => self.log_user_out(),
            7 | 8 => self.purge_url(),
            9 => self.purge_tag(),
            _ => self.reset_limit(),
        }
    }

    /// Asks for a session.
    pub fn log_in(&mut self) {
        let uid = account::uid(self.rng.index(USERS));
        let new = NewSession {
            realm: REALM.to_owned(),
            uid,
            roles: vec!["member".to_owned()],
            data: serde_json::Value::Null,
            idle_ms: IDLE_MS,
            absolute_ms: ABSOLUTE_MS,
            secret: self.rng.bytes(),
            nonce: self.rng.bytes(),
            form: Form::Sealed,
        };
        self.ask(AdminOp::CreateSession(new), Vec::new(), Vec::new());
    }

    /// An operation reaches its bridge.
    pub fn admin_at_bridge(&mut self, request: RequestId) {
        let Some(admin) = self.admin.get(&request) else {
            return;
        };
        let (bridge, op) = (admin.bridge, admin.op.clone());
        if self.bridges[bridge].up {
            self.bridge(bridge, |core, now| core.handle_admin(request, &op, now));
        }
    }

    /// A bridge answered.
    pub fn admin_answered(&mut self, request: RequestId, reply: AdminReply) {
        let Some(admin) = self.admin.remove(&request) else {
            return self.violated(format!(
                "X1: admin operation {} is answered twice",
                request.0
            ));
        };
        match (admin.op, reply) {
            (
                AdminOp::CreateSession(new),
                AdminReply::Created {
                    user,
                    hash,
                    deadline_us,
                },
            ) => {
                let Some(keys) = policy::keys() else {
                    return self.violated("the token keys do not parse".to_owned());
                };
                if user != vault().user_tag(REALM, &new.uid) {
                    self.violated("S12: a session of another user was created".to_owned());
                }
                let deadline_s = deadline_us / 1_000_000;
                self.sessions.all.push(Session {
                    token: token::mint(&keys, policy::realm(), user, deadline_s, new.secret),
                    handle: token::handle(&user, &hash),
                    key: Keys::new("tg").session(&user, &hash),
                    created: admin.asked,
                    deadline_us,
                    revoke_asked: None,
                    revoked: None,
                    uid: new.uid,
                    family: self.sessions.all.len(),
                    successor: None,
                });
            }
            (
                AdminOp::RevokeSession { .. } | AdminOp::RevokeUser { .. },
                AdminReply::Revoked { .. },
            ) => {
                self.marks.hit("revoke_acked");
                if let Some((_, done)) = self.sessions.users_ended.get_mut(&request) {
                    *done = Some(self.now);
                }
                for at in admin.sessions {
                    let session = &mut self.sessions.all[at];
                    session.revoked = session.revoked.or(Some(self.now));
                }
            }
            (AdminOp::PurgeTag { .. } | AdminOp::PurgeUrl { .. }, AdminReply::Count(_)) => {
                self.marks.hit("admin_purge_acked");
                for resource in admin.resources {
                    self.invalidated(resource, admin.asked);
                }
            }
            (AdminOp::Repeat(_), AdminReply::Revoked { .. }) => {}
            (AdminOp::LimitReset(_), AdminReply::Count(_)) => self.marks.hit("limit_reset"),
            (_, AdminReply::Failed(_)) => self.marks.hit("admin_failed"),
            (_, reply) => self.violated(format!("an admin operation answers {reply:?}")),
        }
    }

    /// An invalidation that was sent at `sent` is acknowledged.
    pub fn invalidated(&mut self, resource: usize, sent: u64) {
        let now = self.now;
        let filling = self.requests.iter().rev().take(200).any(|request| {
            let asks = matches!(request.kind, Kind::Get { resource: of, .. } if of == resource);
            asks && !request.done && request.forwarded.is_some_and(|at| at < now)
        });
        if filling {
            self.marks.hit("invalidate_during_fill");
        }
        let at = &mut self.fresh_after[resource];
        *at = (*at).max(sent);
    }

    /// A PUT's invalidation is over and its response goes to the client.
    pub fn purged(&mut self, no: usize) {
        if let (Kind::Put { resource }, Some((sent, true))) =
            (self.requests[no].kind, self.requests[no].purge)
        {
            self.marks.hit("put_purged");
            self.invalidated(resource, sent);
        }
    }

    /// The bridge's shell repeats what no replica is known to have.
    pub fn repeat(&mut self, bridge: usize, what: Vec<Revocation>) {
        self.last_request += 1;
        let request = RequestId(self.last_request);
        let admin = Admin {
            op: AdminOp::Repeat(what),
            bridge,
            asked: self.now,
            sessions: Vec::new(),
            resources: Vec::new(),
        };
        self.admin.insert(request, admin);
        self.queue.at(self.now + 1_000 * MS, Event::Admin(request));
    }

    fn log_out(&mut self) {
        let known = self.sessions.all.len();
        if known == 0 {
            return;
        }
        let at = known - 1 - self.rng.index(known.min(8));
        let (family, handle) = (
            self.sessions.all[at].family,
            self.sessions.all[at].handle.clone(),
        );
        // Whoever ends one token of a session ends both.
        self.sessions.families_ended.insert(family);
        for session in self.sessions.all.iter_mut().filter(|s| s.family == family) {
            session.revoke_asked = session.revoke_asked.or(Some(self.now));
        }
        self.ask(AdminOp::RevokeSession { handle }, vec![at], Vec::new());
    }

    fn log_user_out(&mut self) {
        let uid = account::uid(self.rng.index(USERS));
        let now = self.now;
        let mut sessions = Vec::new();
        for (at, session) in self.sessions.all.iter_mut().enumerate() {
            if session.uid == uid {
                session.revoke_asked = session.revoke_asked.or(Some(now));
                sessions.push(at);
            }
        }
        let request = RequestId(self.last_request + 1);
        self.sessions
            .users_ended
            .insert(request, (uid.clone(), None));
        let realm = REALM.to_owned();
        self.ask(AdminOp::RevokeUser { realm, uid }, sessions, Vec::new());
    }

    fn purge_url(&mut self) {
        let resource = self.rng.index(RESOURCES);
        let Ok(url) = Url::new(b"https", HOST.as_bytes(), path(resource).as_bytes()) else {
            return self.violated("a page's URL is none".to_owned());
        };
        self.origin.versions[resource] += 1;
        let url = url.as_bytes().to_vec();
        self.ask(AdminOp::PurgeUrl { url }, Vec::new(), vec![resource]);
    }

    fn purge_tag(&mut self) {
        let tag = tag(self.rng.index(2));
        let resources: Vec<usize> = (0..RESOURCES)
            .filter(|resource| crate::origin::tag(*resource) == tag)
            .collect();
        for resource in &resources {
            self.origin.versions[*resource] += 1;
        }
        let tag = tag.into_bytes();
        self.ask(AdminOp::PurgeTag { tag }, Vec::new(), resources);
    }

    fn reset_limit(&mut self) {
        let worker = self.rng.index(self.workers.len());
        let (mut name, mut key) = (RESET[self.rng.index(RESET.len())], self.rng.index(KEYS));
        // Mostly what is being asked for: its answer and the word of the reset overtake each other.
        let limited = self.requests.iter().rev().take(5);
        let mut asked = limited.filter_map(|request| match request.kind {
            Kind::Limited { path, key } => Some((&path[1..], key)),
            _ => None,
        });
        if let Some((path, of)) = asked.next().filter(|_| self.rng.chance(700)) {
            (name, key) = (if path == "both" { "fixed" } else { path }, of);
        }
        let key = format!("key-{key}");
        let headers = Headers::from_pairs([("x-key", key)]);
        let Some(slot) = self.vms.get(&self.workers[worker]) else {
            return;
        };
        let limit = slot
            .vm
            .config
            .limits
            .iter()
            .find(|limit| limit.name == name);
        let view = RequestView {
            method: b"",
            host: b"",
            path: b"",
            headers: &headers,
            client_ip: None,
            route: None,
            session: None,
        };
        let named = limit.and_then(|limit| Some((limit, resolve(&limit.key, &view).ok()?)));
        let Some((limit, subject)) = named else {
            return self.violated(format!("there is no limit {name}"));
        };
        let limit = Limit {
            algorithm: limit.algorithm.name().to_owned(),
            subject,
            id: limit.id,
            limit: limit.limit,
            window_us: limit.window_us,
            burst: limit.burst,
            calendar: None,
            overridable: None,
        };
        self.ask(AdminOp::LimitReset(limit), Vec::new(), Vec::new());
    }

    fn ask(&mut self, op: AdminOp, sessions: Vec<usize>, resources: Vec<usize>) {
        self.last_request += 1;
        let request = RequestId(self.last_request);
        let bridge = self.rng.index(self.bridges.len());
        let admin = Admin {
            op,
            bridge,
            asked: self.now,
            sessions,
            resources,
        };
        self.admin.insert(request, admin);
        let at = self.now + self.hop();
        self.queue.at(at, Event::Admin(request));
    }
}

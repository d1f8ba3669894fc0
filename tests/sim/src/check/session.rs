//! S1, S2: what was created, used and revoked.

use crate::policy::IDLE_MS;
use crate::world::World;
use redis_bridge::core::{Command, RequestId, Value};
use redis_bridge::script::Script;
use std::collections::{BTreeMap, BTreeSet};

/// A session somebody was told of.
#[derive(Debug, Clone)]
pub struct Session {
    /// Whose.
    pub uid: String,
    /// What the client presents.
    pub token: String,
    /// Its public name.
    pub handle: String,
    /// Its key in Redis.
    pub key: Vec<u8>,
    /// When its creation was asked for.
    pub created: u64,
    /// Its absolute deadline by Redis' clock, microseconds.
    pub deadline_us: u64,
    /// When its end was first asked for.
    pub revoke_asked: Option<u64>,
    /// When its end was first acknowledged.
    pub revoked: Option<u64>,
    /// The same for all tokens of one session.
    pub family: usize,
    /// The token that replaces it, once somebody was told.
    pub successor: Option<String>,
}

/// All sessions.
#[derive(Debug, Default)]
pub struct Sessions {
    /// Those acknowledged.
    pub all: Vec<Session>,
    /// When each key was last used, microseconds by Redis' clock.
    used: BTreeMap<Vec<u8>, u64>,
    /// Users whose sessions were asked to end: by which operation, and when it was acknowledged. One
    /// that was not may still be carried out.
    pub users_ended: BTreeMap<RequestId, (String, Option<u64>)>,
    /// Sessions of which one token was asked to end.
    pub families_ended: BTreeSet<usize>,
    /// Changes that were acknowledged: of which session, based on which version.
    pub updated: BTreeSet<(usize, u64)>,
}

impl World {
    /// A command on sessions ran.
    pub fn session_ran(&mut self, command: &Command, reply: &Value) {
        let now = self.redis_us();
        let Some(key) = command.keys.first() else {
            return;
        };
        let word = match reply.as_array().and_then(<[Value]>::first) {
            Some(Value::Simple(word)) => word.as_slice(),
            _ => return,
        };
        match (command.script, word) {
            (Script::SessionCreate, b"created") => {
                self.sessions.used.insert(key.clone(), now);
            }
            (Script::SessionRotate, b"rotated") => {
                self.sessions.used.insert(command.keys[3].clone(), now);
            }
            (Script::SessionGet, b"valid") => {
                let last = self.sessions.used.insert(key.clone(), now);
                let idle = last.map(|last| now.saturating_sub(last) / 1000);
                if idle.is_none_or(|idle| idle > IDLE_MS + 1) {
                    self.violated(format!("S1: valid after {idle:?} ms without use"));
                }
                let session = self.sessions.all.iter().find(|s| s.key == *key);
                if session.is_some_and(|session| now >= session.deadline_us) {
                    self.violated("S1: valid after its absolute deadline".to_owned());
                }
            }
            _ => {}
        }
    }

    /// Whether this session may be answered "absent" now.
    pub fn may_be_absent(&self, session: &Session) -> bool {
        let now = self.redis_us();
        let idle = self.sessions.used.get(&session.key);
        // A look-up slides it only when less than three quarters are left.
        let idle = idle.is_none_or(|used| now.saturating_sub(*used) / 1000 >= IDLE_MS * 3 / 4);
        let ended = self.sessions.users_ended.values();
        let ended = ended
            .filter(|(uid, _)| *uid == session.uid)
            .any(|(_, done)| done.is_none_or(|done| done >= session.created));
        // The token carries whole seconds.
        ended
            || session.revoke_asked.is_some()
            || now >= session.deadline_us / 1_000_000 * 1_000_000
            || idle
    }
}

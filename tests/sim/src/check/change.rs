//! S3, S7, S8: what changes of sessions may do.

use crate::request::Credential;
use crate::world::World;
use redis_bridge::core::{Command, Value};
use redis_bridge::script::Script;
use tidegate::wire::reply::SessionWritten;

impl World {
    /// A command on sessions ran; `before`: which of its keys were there.
    pub fn check_grown(&mut self, command: &Command, before: &[bool], reply: &Value) {
        let word = match reply.as_array().and_then(<[Value]>::first) {
            Some(Value::Simple(word)) => word.as_slice(),
            _ => b"",
        };
        for (at, key) in command.keys.iter().enumerate() {
            let there = self.redis.model.store.entries.contains_key(key);
            if before[at] || !there || !key.starts_with(b"tg:s:") {
                continue;
            }
            let may = match command.script {
                Script::SessionCreate => true,
                Script::SessionRotate => at == 3 && before[0] && word == b"rotated",
                _ => false,
            };
            if !may {
                let (script, key) = (command.script, String::from_utf8_lossy(key).into_owned());
                self.violated(format!("S3: {script} made {key}"));
            }
        }
    }

    /// One token has one successor, whoever asks and however often.
    pub fn check_successor(&mut self, own: usize, cookie: Option<&str>) {
        let Some(cookie) = cookie else {
            return self.violated("S7: a rotation without a token".to_owned());
        };
        let known = &mut self.sessions.all[own].successor;
        let first = known.get_or_insert_with(|| cookie.to_owned());
        if first != cookie {
            self.violated(format!("S7: session {own} has two successors"));
        }
    }

    /// A change is acknowledged: nobody else's was, of the same version.
    pub fn updated(&mut self, no: usize, token: Credential) {
        let (Credential::Token(own), Some(based)) = (token, self.requests[no].change.version)
        else {
            return self.violated(format!("S3: request {no} changes a session it has not"));
        };
        self.marks.hit("updated");
        let family = self.sessions.all[own].family;
        if !self.sessions.updated.insert((family, based)) {
            self.violated(format!(
                "S8: two changes of version {based} are acknowledged"
            ));
        }
        let written = self.requests[no].change.written;
        if let Some(SessionWritten::Updated { version }) = written
            && version != based + 1
        {
            self.violated(format!(
                "S8: a change of version {based} makes version {version}"
            ));
        }
    }
}

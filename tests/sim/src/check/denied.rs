//! R12: a worker that denies by itself is right: at that moment the shard would have denied too.

use crate::request::{Credential, Kind, LimitTold};
use crate::world::World;
use redis_bridge::core::{Command, Keys, Value};
use redis_bridge::model::ModelRedis;
use redis_bridge::script::Script;
use tidegate::limit::subject;
use tidegate::policy::Limit;
use tidegate::session::token::parse_handle;

impl World {
    /// A request was denied: by an answer, or by the worker alone. Of the latter it is noted whether the
    /// shard would have denied as well.
    pub fn check_denied_alone(&mut self, no: usize) {
        let request = &self.requests[no];
        if request.limits != LimitTold::Nothing {
            return;
        }
        let limits: Vec<(&'static str, Vec<u8>)> = match request.kind {
            Kind::Limited { path: "/both", key } => {
                vec![("all", b"all".to_vec()), ("fixed", name(key))]
            }
            Kind::Limited { path, key } => vec![(path.trim_start_matches('/'), name(key))],
            Kind::User {
                token: Credential::Token(at),
            } => {
                let user = parse_handle(self.sessions.all[at].handle.as_bytes());
                vec![("user", user.map_or(Vec::new(), |(user, _)| user.to_vec()))]
            }
            _ => return,
        };
        let Some(slot) = self.vms.get(&request.vm) else {
            return;
        };
        let config = std::rc::Rc::clone(&slot.vm.config);
        let denies = limits.iter().any(|(name, part)| {
            let limit = config.limits.iter().find(|limit| limit.name == *name);
            limit.is_some_and(|limit| self.would_deny(limit, part))
        });
        self.requests[no].denied_alone = Some(denies);
        // A share in memory says nothing of Redis.
        if !denies && self.options.on_error != "local" {
            let kind = &self.requests[no].kind;
            let text = format!("R12: request {no} {kind:?} is denied, Redis would admit it");
            self.violated(text);
        }
    }

    /// What the shard says now, without being asked.
    fn would_deny(&self, limit: &Limit, part: &[u8]) -> bool {
        let key = Keys::new("tg").limit(&subject(&[part]), &limit.id);
        let mut shard = ModelRedis::default();
        if let Some(entry) = self.redis.model.store.entries.get(&key) {
            shard.store.entries.insert(key.clone(), entry.clone());
        }
        let numbers = [limit.limit, limit.window_us, limit.burst, 1];
        let numbers = numbers.iter().map(|n| n.to_string().into_bytes());
        let command = Command {
            script: Script::LimitTakePlain,
            keys: vec![key],
            args: std::iter::once(limit.algorithm.name().into())
                .chain(numbers)
                .collect(),
        };
        let answer = shard.call(self.redis_us(), &command);
        answer.as_array().and_then(<[Value]>::first) == Some(&Value::Integer(0))
    }
}

/// A value of `x-key`.
fn name(key: usize) -> Vec<u8> {
    format!("key-{key}").into_bytes()
}

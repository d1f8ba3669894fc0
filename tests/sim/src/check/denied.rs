//! R12: what a worker denies from memory, Redis would deny at that very moment. Every such denial is
//! evaluated once more on what the model holds of that key.

use crate::client::HOST;
use crate::world::World;
use redis_bridge::core::{Command, Keys};
use redis_bridge::model::{Entry, ModelRedis};
use redis_bridge::script::Script;
use tidegate::limit::RequestView;
use tidegate::limit::key::resolve;
use tidegate::policy::{Cost, Limit};
use tidegate::stream::LocalReply;

/// A limit that applies to a request.
pub struct Applied {
    /// Its name.
    pub name: String,
    /// Whom it counts.
    pub subject: [u8; 16],
    /// Where it is kept in Redis.
    pub key: Vec<u8>,
    /// Its units may be leased.
    pub leased: bool,
    /// What asks for the units that must be available.
    pub take: Command,
}

impl World {
    /// Limits that apply to a request by its path and headers alone: what counts sessions is not among
    /// them.
    pub fn applied(&self, no: usize) -> Vec<Applied> {
        let request = &self.requests[no];
        let Some(slot) = self.vms.get(&request.vm) else {
            return Vec::new();
        };
        let headers = &request.headers;
        let (config, path) = (&slot.vm.config, headers.only(":path").unwrap_or_default());
        let method = headers.only(":method").unwrap_or_default();
        let view = RequestView {
            method,
            host: HOST.as_bytes(),
            path,
            headers,
            client_ip: None,
            route: None,
            session: None,
        };
        let target = config.router.find(HOST.as_bytes(), path, method);
        let policy = target.and_then(|target| config.policies.get(target.policy));
        let limits = policy.map_or(&[][..], |policy| &policy.limits);
        let limits = limits.iter().filter_map(|index| config.limits.get(*index));
        let applied = limits.filter_map(|limit| {
            let subject = resolve(&limit.key, &view).ok()?;
            Some(Applied::new(limit, &subject))
        });
        applied.collect()
    }

    /// A request is denied, and nobody was asked.
    pub fn check_remembered(&mut self, no: usize, reply: &LocalReply) {
        self.marks.hit("denied_local");
        let named = violated(reply);
        if named.is_empty() {
            return self.violated(format!("R12: request {no} is denied by no limit"));
        }
        let (now_us, vm) = (self.redis_us(), self.requests[no].vm);
        for applied in self.applied(no) {
            let stored = self.redis.model.store.entries.get(&applied.key);
            if !named.contains(&applied.name) || applied.would_be_denied(now_us, stored) {
                continue;
            }
            if self.may_believe(vm, &applied) {
                self.marks.hit("denied_before_word_of_reset");
                continue;
            }
            let name = &applied.name;
            let text = format!("R12: request {no} is denied by {name}, which would admit it");
            return self.violated(text);
        }
    }
}

impl Applied {
    fn new(limit: &Limit, subject: &[u8; 16]) -> Self {
        let need = match limit.cost {
            Cost::Fixed(units) => units,
            Cost::RequestHeader { default, .. } => default,
            Cost::ResponseHeader { reserve, .. } => reserve.max(1),
        };
        let key = Keys::new("tg").limit(subject, &limit.id);
        let numbers = [
            limit.limit,
            limit.window_us,
            limit.burst,
            need,
            need,
            0,
            0,
            0,
        ];
        let mut args = vec![b"0".to_vec(), limit.algorithm.name().into()];
        args.extend(numbers.iter().map(|n| n.to_string().into_bytes()));
        Self {
            name: limit.name.clone(),
            subject: *subject,
            key: key.clone(),
            leased: limit.lease_max > 0,
            take: Command {
                script: Script::LimitTake,
                keys: vec![key],
                args,
            },
        }
    }

    /// Whether Redis would deny it, were this stored. Nothing is charged: it is asked of a copy.
    pub fn would_be_denied(&self, now_us: u64, stored: Option<&Entry>) -> bool {
        let mut shadow = ModelRedis::default();
        if let Some(entry) = stored {
            let entries = &mut shadow.store.entries;
            entries.insert(self.key.clone(), entry.clone());
        }
        let reply = shadow.call(now_us, &self.take);
        let admitted = reply.as_array().and_then(|reply| reply.first()?.as_u64());
        admitted == Some(0)
    }
}

/// The limits a denial names.
fn violated(reply: &LocalReply) -> Vec<String> {
    let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let named = body["violated-policies"].as_array();
    let named = named.into_iter().flatten();
    named
        .filter_map(|name| Some(name.as_str()?.to_owned()))
        .collect()
}

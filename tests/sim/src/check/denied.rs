//! R12: what a worker denies from memory, Redis would deny at that very moment. Every such denial is
//! evaluated once more on what the model holds of that key.

use crate::client::HOST;
use crate::world::World;
use redis_bridge::core::{Command, Keys};
use redis_bridge::model::ModelRedis;
use redis_bridge::script::Script;
use tidegate::limit::RequestView;
use tidegate::limit::key::resolve;
use tidegate::policy::{Cost, Limit};
use tidegate::stream::LocalReply;

/// A limit that applies to a request.
pub struct Applied {
    /// Its name.
    pub name: String,
    /// Where it is kept in Redis.
    pub key: Vec<u8>,
    /// Units that must be available.
    pub need: u64,
    /// What asks for as many.
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
        let now_us = self.redis_us();
        for applied in self.applied(no) {
            if !named.contains(&applied.name) || self.would_deny(now_us, &applied) {
                continue;
            }
            let name = &applied.name;
            let text = format!("R12: request {no} is denied by {name}, which would admit it");
            return self.violated(text);
        }
    }

    /// Whether Redis would deny it. Nothing is charged: it is asked of a copy.
    fn would_deny(&self, now_us: u64, applied: &Applied) -> bool {
        let mut shadow = ModelRedis::default();
        if let Some(entry) = self.redis.model.store.entries.get(&applied.key) {
            let entries = &mut shadow.store.entries;
            entries.insert(applied.key.clone(), entry.clone());
        }
        let reply = shadow.call(now_us, &applied.take);
        let admitted = reply.as_array().and_then(|reply| reply.first()?.as_u64());
        admitted == Some(0)
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
            key: key.clone(),
            need,
            take: Command {
                script: Script::LimitTake,
                keys: vec![key],
                args,
            },
        }
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

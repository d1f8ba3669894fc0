//! One command on a real Redis and on the model: they must agree, in every answer and every byte kept.

use crate::redis::{Client, Server};
use redis_bridge::core::{Command, Value};
use redis_bridge::model::{Data, Entry, ModelRedis, Store};
use redis_bridge::script::Script;
use std::collections::BTreeMap;

const PRELUDE: &str = "local call, try = redis.call, redis.pcall\n";

/// 2026-11-21T00:00:00Z, microseconds.
pub(crate) const T0: u64 = 1_795_219_200_000_000;
pub(crate) const MS: u64 = 1000;
pub(crate) const SECOND: u64 = 1_000_000;

pub(crate) struct Both {
    pub(crate) client: Client,
    pub(crate) model: ModelRedis,
    pub(crate) now: u64,
    _server: Server,
}

impl Both {
    /// On a standalone Redis.
    pub(crate) fn new() -> Self {
        Self::on(Server::start())
    }

    /// On a Redis in cluster mode that has all slots: keys of a call must share theirs.
    pub(crate) fn cluster() -> Self {
        let server = Server::start_cluster();
        let mut client = server.client();
        client.call(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
        let up = || {
            let info = client.call(&["CLUSTER", "INFO"]);
            let text = String::from_utf8_lossy(info.as_bytes().unwrap()).into_owned();
            text.contains("cluster_state:ok")
        };
        let mut tries = std::iter::repeat_with(up).take(500);
        let up = tries.any(|up| {
            std::thread::sleep(std::time::Duration::from_millis(if up { 0 } else { 20 }));
            up
        });
        assert!(up, "no cluster");
        Self::on(server)
    }

    fn on(server: Server) -> Self {
        Self {
            client: server.client(),
            model: ModelRedis::default(),
            now: T0,
            _server: server,
        }
    }

    pub(crate) fn clear(&mut self) {
        self.client.call(&["FLUSHALL"]);
        self.model = ModelRedis::default();
        self.now = T0;
    }

    /// Runs it on both at `self.now`.
    pub(crate) fn call(&mut self, command: &Command) -> Value {
        self.client.call(&["SET", "__now", &self.now.to_string()]);
        let mut args = vec![b"EVAL".to_vec(), shimmed(command.script)];
        args.push(command.keys.len().to_string().into_bytes());
        args.extend(command.keys.iter().cloned());
        args.extend(command.args.iter().cloned());
        let real = code_only(self.client.call(&args));
        let model = self.model.call(self.now, command);
        let args: Vec<_> = command
            .args
            .iter()
            .map(|arg| String::from_utf8_lossy(arg))
            .collect();
        assert_eq!(real, model, "{} {args:?} at {}", command.script, self.now);
        real
    }

    /// Puts something there that no script wrote.
    pub(crate) fn plant(&mut self, key: &[u8], data: Data, ttl_ms: Option<u64>) {
        self.client.call(&[b"DEL", key]);
        match &data {
            Data::Text(text) => {
                self.client.call(&[b"SET", key, text]);
            }
            Data::Hash(fields) => {
                for (field, value) in fields {
                    self.client.call(&[b"HSET", key, field, value]);
                }
            }
            Data::Zset(members) => {
                for (member, score) in members {
                    let score = score.to_string();
                    self.client.call(&[b"ZADD", key, score.as_bytes(), member]);
                }
            }
        }
        let expires_ms = ttl_ms.map(|ms| self.now / 1000 + ms);
        match expires_ms {
            Some(at) => self
                .client
                .call(&[&b"HSET"[..], b"__ttl", key, at.to_string().as_bytes()]),
            None => self.client.call(&[&b"HDEL"[..], b"__ttl", key]),
        };
        let entry = Entry { data, expires_ms };
        self.model.store.entries.insert(key.to_vec(), entry);
    }

    /// Takes a key's TTL away.
    pub(crate) fn persist(&mut self, key: &[u8]) {
        self.client.call(&[&b"HDEL"[..], b"__ttl", key]);
        if let Some(entry) = self.model.store.entries.get_mut(key) {
            entry.expires_ms = None;
        }
    }

    /// What both hold, once it is seen to be the same.
    pub(crate) fn dump(&mut self) -> BTreeMap<Vec<u8>, Entry> {
        let Value::Array(keys) = self.client.call(&["KEYS", "*"]) else {
            panic!("no keys");
        };
        let mut real = Store::default();
        for key in keys {
            let key = key.as_bytes().unwrap().to_vec();
            if !key.starts_with(b"__") {
                let entry = Entry {
                    data: self.data(&key),
                    expires_ms: number(&self.client.call(&[
                        &b"HGET"[..],
                        b"__ttl",
                        key.as_slice(),
                    ])),
                };
                real.entries.insert(key, entry);
            }
        }
        // Removed on both sides, or a clock that steps back would bring them to life on one.
        let kept = real.entries.clone();
        real.sweep(self.now);
        for key in kept.keys().filter(|key| !real.entries.contains_key(*key)) {
            self.client.call(&[&b"DEL"[..], key]);
            self.client.call(&[&b"HDEL"[..], b"__ttl", key]);
        }
        self.model.store.sweep(self.now);
        assert_eq!(real.entries, self.model.store.entries);
        real.entries
    }

    fn data(&mut self, key: &[u8]) -> Data {
        let kind = self.client.call(&[b"TYPE", key]);
        match kind.as_bytes().unwrap() {
            b"string" => Data::Text(bytes(&self.client.call(&[b"GET", key]))),
            b"hash" => Data::Hash(pairs(&self.client.call(&[b"HGETALL", key])).collect()),
            b"zset" => {
                let all = self
                    .client
                    .call(&[&b"ZRANGE"[..], key, b"0", b"-1", b"WITHSCORES"]);
                let score =
                    |text: Vec<u8>| -> i64 { String::from_utf8(text).unwrap().parse().unwrap() };
                Data::Zset(pairs(&all).map(|(m, s)| (m, score(s))).collect())
            }
            other => panic!("a key of type {other:?}"),
        }
    }
}

/// The production text but for its first line.
fn shimmed(script: Script) -> Vec<u8> {
    let source = script.source();
    assert_eq!(source.matches(PRELUDE).count(), 1);
    source
        .replace(PRELUDE, include_str!("shim.lua"))
        .into_bytes()
}

fn code_only(value: Value) -> Value {
    match value {
        Value::Error(line) => {
            let code: Vec<u8> = line
                .iter()
                .copied()
                .take_while(u8::is_ascii_uppercase)
                .collect();
            Value::Error(code)
        }
        value => value,
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    value.as_bytes().unwrap().to_vec()
}

fn number(value: &Value) -> Option<u64> {
    let text = value.as_bytes()?;
    String::from_utf8_lossy(text).parse().ok()
}

fn pairs(value: &Value) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    let (pairs, _) = value.as_array().unwrap().as_chunks::<2>();
    pairs.iter().map(|[a, b]| (bytes(a), bytes(b)))
}

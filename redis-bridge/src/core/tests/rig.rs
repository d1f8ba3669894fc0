//! A core, a model Redis, a clock, and the few operations tests speak.

use crate::core::{
    AdminOp, AdminReply, Batch, ConnId, Core, CoreConfig, NewSession, RequestId, Transmit, Value,
};
use crate::model::ModelRedis;
use crate::vault::{Form, Vault};
use std::time::Duration;
use tidegate::wire::frame::{self, Hello};
use tidegate::wire::op::{CacheGet, CachePut, SessionGet, Take, TakeOptions, Touch, Want};
use tidegate::wire::resp::{self, Value as Wire};
use tidegate::wire::{FromBridge, Op, PROTOCOL, ToBridge};

pub(super) const URL: &[u8] = b"http://a.example/1";
pub(super) const LEASE: [u8; 16] = [0xab; 16];

pub(super) struct Rig {
    pub(super) core: Core,
    pub(super) redis: ModelRedis,
    pub(super) now: Duration,
    /// Redis' clock when `now` is 0, microseconds.
    pub(super) epoch_us: u64,
    requests: u64,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with(CoreConfig::new("tg", "bridge-1"))
    }

    pub(super) fn with(config: CoreConfig) -> Self {
        Self {
            core: Core::new(config, Vault::new(&[7; 32])),
            redis: ModelRedis::default(),
            now: Duration::from_secs(1),
            epoch_us: 1_795_219_200_000_000,
            requests: 0,
        }
    }

    pub(super) fn cluster() -> Self {
        let mut config = CoreConfig::new("tg", "bridge-1");
        config.cluster = true;
        Self::with(config)
    }

    pub(super) fn redis_us(&self) -> u64 {
        self.epoch_us + u64::try_from(self.now.as_micros()).unwrap()
    }

    /// Opens a stream and says HELLO; its WELCOME is taken.
    pub(super) fn open(&mut self, conn: u64) -> ConnId {
        let conn = ConnId(conn);
        self.core.handle_open(conn);
        self.message(conn, &hello(b"tg", PROTOCOL));
        let sent = self.collect();
        assert!(matches!(&sent[..], [Transmit::Stream { .. }]), "{sent:?}");
        conn
    }

    pub(super) fn message(&mut self, conn: ConnId, message: &[u8]) {
        self.core.handle_message(conn, message, self.now);
    }

    pub(super) fn exchange(&mut self, conn: ConnId, id: u64, deadline_ms: u32, ops: &[Op<'_>]) {
        let mut body = Vec::new();
        ops.iter().for_each(|op| op.encode(&mut body));
        let mut message = Vec::new();
        frame::exchange(&mut message, id, deadline_ms, ops.len(), &body);
        self.message(conn, &message);
    }

    /// What Redis makes of a batch now.
    pub(super) fn execute(&mut self, batch: &Batch) -> Vec<Value> {
        let now = self.redis_us();
        let commands = batch.commands.iter();
        commands
            .map(|command| self.redis.call(now, command))
            .collect()
    }

    /// Answers batches until there are none; how many commands each had.
    pub(super) fn run(&mut self) -> Vec<usize> {
        let mut batches = Vec::new();
        while let Some(batch) = self.core.poll_batch(self.now) {
            batches.push(batch.commands.len());
            let replies = self.execute(&batch);
            self.core.handle_replies(batch.id, Ok(replies), self.now);
        }
        batches
    }

    pub(super) fn collect(&mut self) -> Vec<Transmit> {
        std::iter::from_fn(|| self.core.poll_transmit()).collect()
    }

    /// Runs the operations as one `POST` and returns the lines of the answer.
    pub(super) fn post(&mut self, ops: &[Op<'_>]) -> Vec<Value> {
        let mut body = Vec::new();
        ops.iter().for_each(|op| op.encode(&mut body));
        self.post_bytes(&body)
    }

    pub(super) fn post_bytes(&mut self, body: &[u8]) -> Vec<Value> {
        self.requests += 1;
        let request = RequestId(self.requests);
        self.core.handle_request(request, body, 1000, self.now);
        self.run();
        match &self.collect()[..] {
            [Transmit::Response { request: of, body }] if *of == request => values(body),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn admin(&mut self, op: &AdminOp) -> AdminReply {
        self.requests += 1;
        let request = RequestId(self.requests);
        self.core.handle_admin(request, op, self.now);
        self.run();
        match self.collect().pop() {
            Some(Transmit::Admin {
                request: of,
                result,
            }) if of == request => result,
            other => panic!("{other:?}"),
        }
    }
}

pub(super) fn hello(namespace: &[u8], protocol: i64) -> Vec<u8> {
    let mut out = Vec::new();
    let hello = Hello {
        protocol,
        namespace,
        node: b"node-1",
        worker: 7,
        version: b"0.1.0",
        digest: b"9f2c",
    };
    ToBridge::Hello(hello).encode(&mut out);
    out
}

pub(super) fn values(body: &[u8]) -> Vec<Value> {
    resp::decode_all(body).unwrap().iter().map(owned).collect()
}

pub(super) fn owned(value: &Wire<'_>) -> Value {
    match value {
        Wire::Array(items) => Value::Array(items.iter().map(owned).collect()),
        Wire::Bulk(bytes) => Value::Bulk(bytes.to_vec()),
        Wire::Error(line) => Value::Error(line.to_vec()),
        Wire::Integer(n) => Value::Integer(*n),
        Wire::Null => Value::Null,
        Wire::Simple(line) => Value::Simple(line.to_vec()),
    }
}

/// The replies in what was sent: stream, id, values.
pub(super) fn replies(sent: &[Transmit]) -> Vec<(ConnId, u64, Vec<Value>)> {
    let mut replies = Vec::new();
    for transmit in sent {
        if let Transmit::Stream { conn, message } = transmit {
            for frame in FromBridge::decode_all(message).unwrap() {
                if let FromBridge::Reply { id, values } = frame {
                    replies.push((*conn, id, values.iter().map(owned).collect()));
                }
            }
        }
    }
    replies
}

pub(super) fn error(line: &str) -> Value {
    Value::error(line)
}

pub(super) fn take<'a>(subject: &'a [u8; 16], id: &'a [u8; 8], limit: u64) -> Take<'a> {
    Take {
        algorithm: b"fixed_window",
        subject,
        id,
        limit,
        window_us: 60_000_000,
        burst: 1,
        cost: 1,
        options: TakeOptions::default(),
    }
}

/// How many ended.
pub(super) fn revoked(reply: AdminReply) -> u64 {
    match reply {
        AdminReply::Revoked { sessions, .. } => sessions,
        other => panic!("{other:?}"),
    }
}

pub(super) fn session_get<'a>(user: &'a [u8; 12], secret: &'a [u8; 18]) -> Op<'a> {
    Op::SessionGet(SessionGet {
        realm: b"web",
        user,
        secret,
        idle_ms: 1_800_000,
        touch: Touch::Threshold,
        data: false,
    })
}

pub(super) fn cache_get(url: &[u8]) -> Op<'_> {
    Op::CacheGet(CacheGet {
        url,
        field: &[1; 16],
        vary: b"",
        lease: &LEASE,
        lease_ms: 10_000,
        wait_ms: 0,
        want: Want::Fill,
    })
}

pub(super) fn cache_put<'a>(url: &'a [u8], record: &'a [u8], tags: &[&'a [u8]]) -> Op<'a> {
    Op::CachePut(CachePut {
        url,
        field: &[1; 16],
        vary: b"",
        lease: &LEASE,
        asked: &[1; 16],
        age_ms: 0,
        fresh_ms: 50_000,
        ttl_ms: 60_000,
        record,
        tags: tags.to_vec(),
    })
}

pub(super) fn new_session(uid: &str, secret: u8) -> NewSession {
    NewSession {
        realm: "web".to_owned(),
        uid: uid.to_owned(),
        roles: vec!["user".to_owned(), "admin".to_owned()],
        data: serde_json::json!({}),
        idle_ms: 1_800_000,
        absolute_ms: 43_200_000,
        secret: [secret; 18],
        nonce: [secret; 12],
        form: Form::Sealed,
    }
}

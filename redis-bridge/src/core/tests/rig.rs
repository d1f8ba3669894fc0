//! A core, a model Redis, a clock, and the few operations tests speak.

use crate::core::{
    AdminOp, AdminReply, Batch, Command, ConnId, Core, CoreConfig, NewSession, RequestId, Transmit,
    Value,
};
use crate::model::ModelRedis;
use crate::script::Script;
use crate::vault::{Form, Vault};
use std::time::Duration;
use tidegate::wire::frame::{self, Hello};
use tidegate::wire::op::{CacheGet, CachePut, SessionGet, Take, TakeOptions, Touch, Want};
use tidegate::wire::resp::{self, Value as Wire};
use tidegate::wire::{FromBridge, Op, PROTOCOL, ToBridge};

pub(in crate::core) const URL: &[u8] = b"http://a.example/1";
pub(in crate::core) const LEASE: [u8; 16] = [0xab; 16];

pub(in crate::core) struct Rig {
    pub(in crate::core) core: Core,
    pub(in crate::core) redis: ModelRedis,
    pub(in crate::core) now: Duration,
    /// Redis' clock when `now` is 0, microseconds.
    pub(in crate::core) epoch_us: u64,
    requests: u64,
}

impl Rig {
    pub(in crate::core) fn new() -> Self {
        Self::with(CoreConfig::new("tg", "bridge-1"))
    }

    pub(in crate::core) fn with(config: CoreConfig) -> Self {
        let mut core = Core::new(config, Vault::new(&[7; 32]));
        core.fleet.hears_from(0);
        Self {
            core,
            redis: ModelRedis::default(),
            now: Duration::from_secs(1),
            epoch_us: 1_795_219_200_000_000,
            requests: 0,
        }
    }

    pub(in crate::core) fn cluster() -> Self {
        let mut config = CoreConfig::new("tg", "bridge-1");
        config.cluster = true;
        Self::with(config)
    }

    pub(in crate::core) fn redis_us(&self) -> u64 {
        self.epoch_us + u64::try_from(self.now.as_micros()).unwrap()
    }

    /// Opens a stream and says HELLO; its WELCOME is taken.
    pub(in crate::core) fn open(&mut self, conn: u64) -> ConnId {
        let conn = ConnId(conn);
        self.core.handle_open(conn);
        self.message(conn, &hello(b"tg", PROTOCOL));
        let sent = self.collect();
        assert!(matches!(&sent[..], [Transmit::Stream { .. }]), "{sent:?}");
        conn
    }

    pub(in crate::core) fn message(&mut self, conn: ConnId, message: &[u8]) {
        self.core.handle_message(conn, message, self.now);
    }

    pub(in crate::core) fn exchange(
        &mut self,
        conn: ConnId,
        id: u64,
        deadline_ms: u32,
        ops: &[Op<'_>],
    ) {
        let mut body = Vec::new();
        ops.iter().for_each(|op| op.encode(&mut body));
        let mut message = Vec::new();
        frame::exchange(&mut message, id, deadline_ms, None, ops.len(), &body);
        self.message(conn, &message);
    }

    /// What Redis makes of a batch now.
    pub(in crate::core) fn execute(&mut self, batch: &Batch) -> Vec<Value> {
        let now = self.redis_us();
        let commands = batch.commands.iter();
        commands
            .map(|command| self.redis.call(now, command))
            .collect()
    }

    /// Answers batches until there are none; how many commands each had.
    pub(in crate::core) fn run(&mut self) -> Vec<usize> {
        let mut batches = Vec::new();
        while let Some(batch) = self.core.poll_batch(self.now) {
            batches.push(batch.commands.len());
            let replies = self.execute(&batch);
            let told: Vec<Vec<u8>> = batch
                .commands
                .iter()
                .zip(&replies)
                .filter_map(told)
                .collect();
            self.core.handle_replies(batch.id, Ok(replies), self.now);
            for message in told {
                self.core.handle_told(&message, self.now);
            }
        }
        batches
    }

    pub(in crate::core) fn collect(&mut self) -> Vec<Transmit> {
        std::iter::from_fn(|| self.core.poll_transmit()).collect()
    }

    /// Runs the operations as one `POST` and returns the lines of the answer.
    pub(in crate::core) fn post(&mut self, ops: &[Op<'_>]) -> Vec<Value> {
        let mut body = Vec::new();
        ops.iter().for_each(|op| op.encode(&mut body));
        self.post_bytes(&body)
    }

    pub(in crate::core) fn post_bytes(&mut self, body: &[u8]) -> Vec<Value> {
        self.requests += 1;
        let request = RequestId(self.requests);
        self.core
            .handle_request(request, body, 1000, None, self.now);
        self.run();
        match &self.collect()[..] {
            [Transmit::Response { request: of, body }] if *of == request => values(body),
            other => panic!("{other:?}"),
        }
    }

    pub(in crate::core) fn admin(&mut self, op: &AdminOp) -> AdminReply {
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

/// What a command makes Redis tell all bridges.
pub(in crate::core) fn told((command, reply): (&Command, &Value)) -> Option<Vec<u8>> {
    (command.script == Script::FleetTell).then_some(())?;
    let number = reply.as_u64()?.to_string().into_bytes();
    Some([&number[..], b" ", &command.args[1]].concat())
}

pub(in crate::core) fn hello(namespace: &[u8], protocol: i64) -> Vec<u8> {
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

pub(in crate::core) fn values(body: &[u8]) -> Vec<Value> {
    resp::decode_all(body).unwrap().iter().map(owned).collect()
}

pub(in crate::core) fn owned(value: &Wire<'_>) -> Value {
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
pub(in crate::core) fn replies(sent: &[Transmit]) -> Vec<(ConnId, u64, Vec<Value>)> {
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

pub(in crate::core) fn error(line: &str) -> Value {
    Value::error(line)
}

pub(in crate::core) fn take<'a>(subject: &'a [u8; 16], id: &'a [u8; 8], limit: u64) -> Take<'a> {
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
pub(in crate::core) fn revoked(reply: AdminReply) -> u64 {
    match reply {
        AdminReply::Revoked { sessions, .. } => sessions,
        other => panic!("{other:?}"),
    }
}

pub(in crate::core) fn session_get<'a>(user: &'a [u8; 12], secret: &'a [u8; 18]) -> Op<'a> {
    Op::SessionGet(SessionGet {
        realm: b"web",
        user,
        secret,
        idle_ms: 1_800_000,
        touch: Touch::Threshold,
        data: false,
    })
}

pub(in crate::core) fn cache_get(url: &[u8]) -> Op<'_> {
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

pub(in crate::core) fn cache_put<'a>(url: &'a [u8], record: &'a [u8], tags: &[&'a [u8]]) -> Op<'a> {
    Op::CachePut(CachePut {
        url,
        field: &[1; 16],
        vary: b"",
        lease: &LEASE,
        asked: &[1; 16],
        at_us: None,
        age_ms: 0,
        fresh_ms: 50_000,
        ttl_ms: 60_000,
        record,
        tags: tags.to_vec(),
    })
}

pub(in crate::core) fn new_session(uid: &str, secret: u8) -> NewSession {
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

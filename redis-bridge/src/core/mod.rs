//! The bridge without its sockets: what streams and requests ask, what Redis is asked for it, and what
//! is answered. Deterministic: no clock, no randomness, no I/O; `now` is the shell's monotonic clock.

mod accept;
mod admin;
mod advance;
mod audit;
mod calendar;
mod collapse;
mod config;
mod counters;
mod due;
mod exchanges;
mod failure;
mod fills;
mod fleet;
mod holds;
pub mod keys;
mod lanes;
mod latency;
mod outbox;
mod plan;
mod queue;
mod rank;
mod redis_time;
mod streams;
mod tasks;
mod trace;
mod turns;
mod types;
mod unshared;
mod value;
mod values;
mod window;

pub use admin::{
    AdminOp, AdminReply, Limit, NewSession, Override, OwnLimit, Revocation, Rotation, SessionInfo,
};
pub use audit::Audit;
pub use config::{Bounds, CoreConfig};
pub use counters::{Counters, Errors, Ops};
pub use failure::Failure;
pub use keys::Keys;
pub use lanes::{Shards, slot};
pub use latency::{Carrier, Latencies, Latency, Verb};
pub use streams::StreamInfo;
pub use trace::{Traced, TracedCall, TracedOp};
pub use types::{
    BackendError, Batch, BatchId, Command, ConnId, Ending, Load, Replies, RequestId, Role, Transmit,
};
pub use value::Value;

use crate::vault::Vault;
use audit::Audits;
use calendar::Calendars;
use collapse::Last;
use exchanges::{Exchanges, Origin};
use fills::Fills;
use fleet::Fleet;
use holds::Holds;
use outbox::Outbox;
use plan::{Context, Round};
use rank::Rank;
use redis_time::RedisTime;
use std::time::Duration;
use streams::Streams;
use tasks::Tasks;
use tidegate::wire::resp;
use tidegate::wire::{FromBridge, MAX_MESSAGE, ToBridge, TraceParent};
use trace::Traces;
use turns::Turns;
use unshared::Unshared;

/// Commands of a round that share a pipeline with decisions, bytes at most.
const SMALL: usize = 4 << 10;
/// Why streams are ended and not greeted while the state's Redis is cut off.
const CUT_OFF: &str = "this bridge is cut off with its redis";
/// How long an admin operation may take.
const ADMIN_TIME: Duration = Duration::from_secs(5);
/// How long the purge of a tag may take.
const PURGE_TIME: Duration = Duration::from_secs(60);

/// The bridge's state machine.
///
/// Calls are of three kinds. `handle_*`: something happened. `poll_*`: what to do now; after any
/// `handle_*` the shell polls batches and transmits until there are none. The rest reads.
///
/// A batch that was polled is always answered with [`Core::handle_replies`], whatever became of it.
/// Calls may come in any order otherwise; what refers to a stream, request or batch that is gone is
/// ignored and counted.
pub struct Core {
    config: CoreConfig,
    keys: Keys,
    vault: Vault,
    streams: Streams,
    exchanges: Exchanges,
    tasks: Tasks,
    holds: Holds,
    fills: Fills,
    turns: Turns,
    unshared: Unshared,
    fleet: Fleet,
    /// Keys of objects whose fill has ended since the last look.
    filled: Vec<Vec<u8>>,
    calendars: Calendars,
    outbox: Outbox,
    redis_time: RedisTime,
    counters: Counters,
    latencies: Latencies,
    traces: Traces,
    audit: Audits,
    repeats: Vec<Vec<Revocation>>,
    returns: u64,
    /// The latest time it was told.
    seen: Duration,
    draining: bool,
    cut_off: bool,
}

/// Public interface.
impl Core {
    /// A core with nothing open.
    pub fn new(config: CoreConfig, vault: Vault) -> Self {
        Self {
            keys: Keys::new(&config.namespace),
            fleet: Fleet::new(&config.bridge_id),
            config,
            vault,
            streams: Streams::default(),
            exchanges: Exchanges::default(),
            tasks: Tasks::default(),
            holds: Holds::default(),
            fills: Fills::default(),
            turns: Turns::default(),
            unshared: Unshared::default(),
            filled: Vec::new(),
            calendars: Calendars::default(),
            outbox: Outbox::default(),
            redis_time: RedisTime::default(),
            counters: Counters::default(),
            latencies: Latencies::default(),
            traces: Traces::default(),
            audit: Audits::default(),
            repeats: Vec::new(),
            returns: 0,
            seen: Duration::ZERO,
            draining: false,
            cut_off: false,
        }
    }

    /// A stream was opened.
    pub fn handle_open(&mut self, conn: ConnId) {
        self.streams.open(conn);
    }

    /// A stream is gone. What it waits for ends unanswered, and what is not yet with Redis is dropped.
    pub fn handle_close(&mut self, conn: ConnId) {
        self.outbox.forget(conn);
        self.unsync(conn);
        if let Some(stream) = self.streams.close(conn) {
            for id in stream.pending.into_values() {
                self.end(id);
            }
        }
        self.take_turns_back(conn);
    }

    /// One message of a stream: frames. A malformed one closes that stream and no other.
    pub fn handle_message(&mut self, conn: ConnId, message: &[u8], now: Duration) {
        self.seen = self.seen.max(now);
        if self.streams.get_mut(conn).is_none() {
            return;
        }
        if message.len() > MAX_MESSAGE {
            return self.refuse(conn, "message too large".to_owned());
        }
        let frames = match ToBridge::decode_all(message) {
            Ok(frames) => frames,
            Err(e) => return self.refuse(conn, format!("malformed message: {e}")),
        };
        for frame in frames {
            if let Err(reason) = self.frame(conn, frame, now) {
                return self.refuse(conn, reason);
            }
        }
    }

    /// A `POST /v1/exchange`: operations, answered by [`Transmit::Response`] with as many values, or
    /// by [`Transmit::Rejected`]. `trace`: whose trace it is part of.
    pub fn handle_request(
        &mut self,
        request: RequestId,
        body: &[u8],
        deadline_ms: u32,
        trace: Option<TraceParent>,
        now: Duration,
    ) {
        self.seen = self.seen.max(now);
        match resp::decode_all(body) {
            Ok(ops) => {
                self.exchange(Origin::Request(request), &ops, deadline_ms, trace, now);
            }
            Err(e) => self.outbox.push(Transmit::Rejected {
                request,
                reason: format!("malformed body: {e}"),
            }),
        }
    }

    /// An operation of the admin API, answered by [`Transmit::Admin`].
    pub fn handle_admin(&mut self, request: RequestId, op: &AdminOp, now: Duration) {
        self.seen = self.seen.max(now);
        self.counters.admin += 1;
        let time = match op {
            AdminOp::PurgeTag { .. } | AdminOp::SoftenTag { .. } => PURGE_TIME,
            _ => ADMIN_TIME,
        };
        let busy = self.is_busy(0, Rank::Session);
        let id = self
            .exchanges
            .begin(Origin::Admin(request), 1, 0, now, now + time);
        let begun = if busy {
            self.counters.busy += 1;
            Err(Failure::Busy)
        } else {
            plan::begin_admin(op, &mut self.context(now)).map(|begun| (Verb::Admin, begun))
        };
        self.begin(id, 0, begun);
        self.end_if_complete(id);
    }

    /// The caller of a request is gone.
    pub fn handle_cancel(&mut self, request: RequestId) {
        self.outbox.forget_request(request);
        if let Some(id) = self.exchanges.of_request(request) {
            self.end(id);
        }
    }

    /// Only the primary has what this batch of [`Role::Durable`] wrote; its replies follow.
    pub fn handle_unreplicated(&mut self, batch: BatchId) {
        match self.tasks.unreplicated(batch) {
            true => self.counters.unreplicated += 1,
            false => self.counters.bug += 1,
        }
    }

    /// A batch ended: one reply per command, in order, or none at all.
    pub fn handle_replies(&mut self, batch: BatchId, replies: Replies, now: Duration) {
        self.seen = self.seen.max(now);
        if replies.is_err() {
            self.counters.batches_failed += 1;
        }
        self.traces.replied(batch, &replies, now);
        let latencies = &mut self.latencies;
        let took = |script, since| latencies.script(script, now.saturating_sub(since));
        let replies = replies.map_err(Failure::from);
        let complete = self.tasks.replies(batch, replies, now, took);
        let Some((complete, fits)) = complete else {
            self.counters.bug += 1;
            return;
        };
        self.counters.bug += u64::from(!fits);
        for task in complete {
            self.advance(task, now);
        }
        for key in std::mem::take(&mut self.filled) {
            self.fills.wake(&key);
        }
    }

    /// What Redis' clock said, microseconds since the epoch, for WELCOME and PONG; extrapolated with
    /// `now` from here on. 0: Redis is not reachable.
    pub fn handle_redis_time(&mut self, time_us: u64, now: Duration) {
        self.redis_time.set(time_us, now);
    }

    /// Who has which slots of that role's Redis: its commands wait for their own shard only.
    pub fn handle_shards(&mut self, role: Role, shards: &Shards) {
        self.tasks.follow(role, shards.clone());
        if role == Role::State {
            self.tasks.follow(Role::Durable, shards.clone());
        }
    }

    /// Whatever workers remember of a subject's limits no longer holds; every one that is connected is
    /// told.
    pub fn handle_forget(&mut self, subject: &[u8; 16]) {
        self.counters.forgotten += 1;
        let conns: Vec<ConnId> = self.streams.greeted().map(|info| info.conn).collect();
        for conn in conns {
            let forget = FromBridge::Forget { subject };
            self.outbox.frame(conn, |out| forget.encode(out));
        }
    }

    /// Another bridge, or this one, has changed something about the URL of this hash (hex) that somebody is
    /// held for.
    pub fn handle_filled(&mut self, hash: &[u8]) {
        self.fills.wake(&self.keys.cached_hash(hash));
    }

    /// The process is leaving: says BYE on every stream and greets no new one. What is accepted is
    /// still answered.
    pub fn handle_drain(&mut self) {
        if std::mem::replace(&mut self.draining, true) {
            return;
        }
        let conns: Vec<ConnId> = self.streams.greeted().map(|info| info.conn).collect();
        for conn in conns {
            self.outbox.frame(conn, |out| FromBridge::Bye.encode(out));
        }
    }

    /// The state's Redis is cut off, and we with it, or is no longer. Every stream is ended and none greeted
    /// meanwhile: another bridge may be on the side that goes on, and the filters ask there what was pending here.
    pub fn handle_cut_off(&mut self, cut_off: bool) {
        self.cut_off = cut_off;
        if !cut_off {
            return;
        }
        let conns: Vec<ConnId> = self.streams.greeted().map(|info| info.conn).collect();
        for conn in conns {
            self.close(conn, Ending::Unavailable, CUT_OFF.to_owned());
        }
    }

    /// Answers whose turn has come, and ends every exchange whose deadline is not after `now`.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.seen = self.seen.max(now);
        while let Some((task, outcome)) = self.holds.pop(now) {
            self.late(task);
            self.settle_task(task, outcome);
        }
        self.look_again(now);
        self.fleet_due(now);
        while let Some(id) = self.exchanges.expired(now) {
            let tasks = self.exchanges.tasks(id);
            for task in tasks {
                match self.tasks.reached_redis(task) {
                    true => self.counters.timed_out += 1,
                    false => self.counters.expired += 1,
                }
            }
            let Some(ended) = self.end(id) else {
                break;
            };
            self.answer(ended);
        }
    }

    /// When [`Core::handle_timeout`] is due next.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let next = [
            self.exchanges.next_deadline(),
            self.holds.next(),
            self.fills.next(),
            self.fleet.next(),
        ];
        next.into_iter().flatten().min()
    }

    /// Commands that are ready, as one batch for one role. What has expired is answered and dropped
    /// before it costs Redis anything.
    pub fn poll_batch(&mut self, now: Duration) -> Option<Batch> {
        self.handle_timeout(now);
        let bounds = self.config.bounds;
        let mut over = Vec::new();
        let roles = [Role::Durable, Role::State, Role::Cache];
        let batch = roles.into_iter().find_map(|role| {
            // Durable ones wait for replicas, one after the other: what comes meanwhile is the next one.
            let windowed = role != Role::Durable;
            let bounds = lanes::Bounds {
                commands: bounds.commands_per_batch,
                batches: if windowed {
                    bounds.batches_in_flight
                } else {
                    1
                },
                windowed,
            };
            let ended = |exchange| self.exchanges.has_ended(exchange);
            self.tasks.batch(role, bounds, now, ended, &mut over)
        });
        for task in over {
            self.end_task(task);
        }
        self.counters.redis_queued = self.tasks.cuts();
        if let Some(batch) = &batch {
            self.trace_batch(batch, now);
            self.counters.batches += 1;
            self.counters.commands += batch.commands.len() as u64;
        }
        batch
    }

    /// Something to send. All replies that are ready for one stream are one message.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.outbox.poll()
    }

    /// Revocations that only a primary has: to be asked for again, with [`AdminOp::Repeat`], until the
    /// answer says that a replica has them.
    pub fn poll_repeat(&mut self) -> Option<Vec<Revocation>> {
        self.repeats.pop()
    }

    /// A line for the audit log.
    pub fn poll_audit(&mut self) -> Option<Audit> {
        self.audit.pop()
    }

    /// Totals since start.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How long things took since start.
    pub fn latencies(&self) -> &Latencies {
        &self.latencies
    }

    /// What is held now, and its bounds.
    pub fn load(&self) -> Load {
        let [state, cache, durable] = self.tasks.load();
        Load {
            exchanges: self.exchanges.items(),
            exchanges_max: self.config.bounds.pending_items,
            bytes: self.exchanges.bytes(),
            bytes_max: self.config.bounds.pending_bytes,
            waiting: [state.0, cache.0, durable.0],
            in_flight: [state.1, cache.1, durable.1],
        }
    }

    /// The workers that are connected, and which policy is live on each.
    pub fn streams(&self) -> impl Iterator<Item = &StreamInfo> {
        self.streams.greeted()
    }

    /// Exchanges and admin operations held now, and the bytes of their messages.
    pub fn pending(&self) -> (usize, usize) {
        (self.exchanges.items(), self.exchanges.bytes())
    }

    /// Commands that wait for a batch, and batches that wait for Redis.
    pub fn queued(&self) -> (usize, usize) {
        (self.tasks.waiting(), self.tasks.in_flight())
    }

    /// Workers here that may answer from their own memory now.
    pub fn remembering(&self, now: Duration) -> usize {
        self.fleet.remember(now)
    }

    /// Answers held: until a paced request's turn, or while somebody fills an object.
    pub fn held(&self) -> usize {
        self.holds.len() + self.fills.len()
    }

    /// True when nobody waits for anything: a draining process may exit once all is transmitted.
    pub fn is_idle(&self) -> bool {
        self.exchanges.none_waited_for()
    }

    /// Names of Redis keys, for what the shell does itself (purge by prefix).
    pub fn keys(&self) -> &Keys {
        &self.keys
    }
}

impl Core {
    /// Ends a stream because of what it sent.
    fn refuse(&mut self, conn: ConnId, reason: String) {
        self.counters.streams_refused += 1;
        self.close(conn, Ending::Protocol, reason);
    }

    /// Ends a stream; what is pending on it is not answered.
    fn close(&mut self, conn: ConnId, ending: Ending, reason: String) {
        self.unsync(conn);
        if let Some(stream) = self.streams.close(conn) {
            for id in stream.pending.into_values() {
                self.end(id);
            }
        }
        self.outbox.push(Transmit::Close {
            conn,
            ending,
            reason,
        });
    }

    fn is_busy(&self, bytes: usize, rank: Rank) -> bool {
        let bounds = &self.config.bounds;
        self.exchanges.items() >= rank.share(bounds.pending_items)
            || self.exchanges.bytes() + bytes > rank.share(bounds.pending_bytes)
    }

    /// Where commands of a round go. With one Redis for both roles the cache's look-ups share the decisions'
    /// pipelines, and its bodies do not: they would stand in front of them.
    fn role(&self, round: &Round) -> Role {
        match round.role {
            Role::Cache if self.config.shared && round.bytes() <= SMALL => Role::State,
            role => role,
        }
    }

    fn context(&mut self, now: Duration) -> Context<'_> {
        Context {
            config: &self.config,
            keys: &self.keys,
            vault: &self.vault,
            counters: &mut self.counters,
            audit: &mut self.audit,
            replicated: true,
            repeats: &mut self.repeats,
            returns: &mut self.returns,
            calendars: &mut self.calendars,
            redis_us: self.redis_time.at(now),
            now,
            filled: &mut self.filled,
            unshared: &mut self.unshared,
            fleet: &mut self.fleet,
        }
    }
}

#[cfg(test)]
mod tests;

//! A bridge process: the core, and what its shell does with it.

use crate::check;
use crate::net;
use crate::options::Mutant;
use crate::queue::Event;
use crate::rng::MS;
use crate::world::World;
use redis_bridge::core::{BatchId, ConnId, Core, CoreConfig, RequestId, Transmit};
use redis_bridge::vault::Vault;
use std::collections::BTreeSet;
use std::time::Duration;
use tidegate::wire::{FromBridge, frame};

/// How long the shell waits for Redis.
const REDIS_TIMEOUT: u64 = 400 * MS;
/// The shell asks Redis for the time this often.
const TIME_EVERY: u64 = 250 * MS;

/// A bridge.
pub struct Bridge {
    /// The state machine.
    pub core: Core,
    /// Which process this is.
    pub incarnation: u64,
    /// It runs.
    pub up: bool,
    /// It is stopped until then.
    pub frozen_until: u64,
    /// Its monotonic clock's origin, nanoseconds.
    pub origin: u64,
    /// Batches Redis has not answered.
    pub in_flight: BTreeSet<BatchId>,
    /// Its connection to Redis: grows with each new one.
    pub redis_conn: u64,
    /// When the last batch sent arrives.
    pub redis_last: u64,
    /// When the last reply arrives.
    pub reply_last: u64,
    /// When the last word of a reset arrives.
    pub told_last: u64,
    /// It hears nothing of what bridges tell until then.
    pub deaf_until: u64,
    /// Its subscription: grows with each new one.
    pub subscription: u64,
    /// Messages a mutant let it hear.
    pub heard: u64,
    timer: Option<u64>,
}

impl Bridge {
    /// A new process.
    pub fn new(index: usize, incarnation: u64, cluster: bool, origin: u64) -> Self {
        let mut config = CoreConfig::new("tg", format!("bridge-{index}-{incarnation}"));
        config.cluster = cluster;
        config.shared = !cluster;
        config.sessions_per_user = 10_000;
        Self {
            core: Core::new(config, vault()),
            incarnation,
            up: true,
            frozen_until: 0,
            origin,
            in_flight: BTreeSet::new(),
            redis_conn: 0,
            redis_last: 0,
            reply_last: 0,
            told_last: 0,
            deaf_until: 0,
            subscription: 0,
            heard: 0,
            timer: None,
        }
    }
}

/// The fleet's vault.
pub fn vault() -> Vault {
    Vault::new(&[7; 32])
}

impl World {
    /// The bridge's own clock.
    pub fn bridge_time(&self, bridge: usize) -> Duration {
        Duration::from_nanos(self.now + self.bridges[bridge].origin)
    }

    /// Something for the core, then all that follows from it.
    pub fn bridge(&mut self, bridge: usize, what: impl FnOnce(&mut Core, Duration)) {
        let now = self.bridge_time(bridge);
        what(&mut self.bridges[bridge].core, now);
        while let Some(batch) = self.bridges[bridge].core.poll_batch(now) {
            let at = &mut self.bridges[bridge];
            at.in_flight.insert(batch.id);
            let (incarnation, conn, id) = (at.incarnation, at.redis_conn, batch.id);
            let tail = self.tail();
            let latency = self.rng.latency(MS / 5, 600 * MS, tail);
            let at = &mut self.bridges[bridge];
            at.redis_last = ((self.now + latency).max(at.redis_last + 2)) & !1;
            let arrives = at.redis_last;
            self.queue.at(arrives, Event::Redis(bridge, conn, batch));
            let late = Err(redis_bridge::core::BackendError::Timeout);
            let at = self.now + REDIS_TIMEOUT;
            self.queue
                .at(at, Event::Replies(bridge, incarnation, id, late));
        }
        while let Some(transmit) = self.bridges[bridge].core.poll_transmit() {
            self.transmit_from_bridge(bridge, transmit);
        }
        while let Some(again) = self.bridges[bridge].core.poll_repeat() {
            self.marks.hit("logout_repeated");
            self.repeat(bridge, again);
        }
        let due = self.bridges[bridge].core.poll_timeout();
        let at = &mut self.bridges[bridge];
        let due = due.map(|due| {
            let due = u64::try_from(due.as_nanos()).unwrap_or(u64::MAX);
            due.saturating_sub(at.origin).max(self.now)
        });
        if let Some(due) = due
            && at
                .timer
                .is_none_or(|timer| due < timer || timer <= self.now)
        {
            at.timer = Some(due);
            self.queue.at(due, Event::BridgeTimer(bridge));
        }
        let (items, _) = at.core.pending();
        if items > 16_384 {
            self.violated(format!("X4: bridge {bridge} holds {items} exchanges"));
        }
        if self.bridges[bridge].core.counters().bug > 0 {
            self.violated(format!("bridge {bridge} counts a bug"));
        }
    }

    fn transmit_from_bridge(&mut self, bridge: usize, transmit: Transmit) {
        match transmit {
            Transmit::Admin { request, result } => self.admin_answered(request, result),
            Transmit::Close { conn, reason, .. } => {
                self.violated(format!(
                    "bridge {bridge} refused stream {}: {reason}",
                    conn.0
                ));
            }
            Transmit::Rejected { request, reason } => {
                self.violated(format!(
                    "bridge {bridge} rejected post {}: {reason}",
                    request.0
                ));
            }
            Transmit::Response { request, body } => self.posted(request, Some(body)),
            Transmit::Stream { conn, message } => {
                let message = self.note_replies(conn, message);
                self.send_down(conn, Event::ToWorker(conn, message));
            }
        }
    }

    /// Remembers what was said to whom; the mutants of the link change what is on the wire after.
    fn note_replies(&mut self, conn: ConnId, message: Vec<u8>) -> Vec<u8> {
        let Ok(frames) = FromBridge::decode_all(&message) else {
            self.violated("X6: a bridge sent no frames".to_owned());
            return message;
        };
        let mut ids = Vec::new();
        for frame in &frames {
            match frame {
                FromBridge::Reply { id, values } => {
                    ids.push(*id);
                    let said = check::exchange::hash(values);
                    self.said.insert((conn, *id), said);
                }
                FromBridge::Forget { subject } => self.forget_sent(conn, **subject),
                _ => {}
            }
        }
        let swap = self.options.mutant == Some(Mutant::SwapReplies) && ids.len() > 1;
        let absent = self.options.mutant == Some(Mutant::UnknownIsAbsent);
        let wins = self.options.mutant == Some(Mutant::UpdateLastWins);
        let unsaid = frames.iter().any(|frame| self.unsaid(frame));
        if !swap && !absent && !wins && !unsaid {
            return message;
        }
        let mut changed = Vec::new();
        for frame in frames {
            match frame {
                FromBridge::Reply { id, values } => {
                    let id = match ids.iter().position(|other| *other == id) {
                        Some(at) if swap => ids[(at + 1) % ids.len()],
                        _ => id,
                    };
                    let mut body = Vec::new();
                    for value in &values {
                        match value {
                            tidegate::wire::Value::Error(_) if absent => {
                                tidegate::wire::reply::SessionReply::Absent.encode(1, &mut body);
                            }
                            tidegate::wire::Value::Array(items) if wins => {
                                let mut items = items.clone();
                                if let Some(word @ tidegate::wire::Value::Simple(b"conflict")) =
                                    items.first_mut()
                                {
                                    *word = tidegate::wire::Value::Simple(b"updated");
                                }
                                tidegate::wire::Value::Array(items).encode(&mut body);
                            }
                            value => value.encode(&mut body),
                        }
                    }
                    if absent || wins {
                        let values = tidegate::wire::resp::decode_all(&body).unwrap_or_default();
                        self.said.insert((conn, id), check::exchange::hash(&values));
                    }
                    frame::reply(&mut changed, id, values.len(), &body);
                }
                frame if self.unsaid(&frame) => {}
                other => other.encode(&mut changed),
            }
        }
        changed
    }

    /// A stream reaches its bridge.
    pub fn opened_at_bridge(&mut self, conn: ConnId) {
        let (bridge, alive) = self.bridge_end(conn);
        if alive {
            self.bridge(bridge, |core, _| core.handle_open(conn));
        }
    }

    /// A message reaches its bridge.
    pub fn message_at_bridge(&mut self, conn: ConnId, message: &[u8]) {
        let (bridge, alive) = self.bridge_end(conn);
        if alive {
            self.bridge(bridge, |core, now| core.handle_message(conn, message, now));
        }
    }

    /// The bridge's end of a stream closes.
    pub fn closed_at_bridge(&mut self, conn: ConnId) {
        let (bridge, alive) = self.bridge_end(conn);
        if alive {
            self.conns[net::index(conn)].at_bridge = false;
            self.bridge(bridge, |core, _| core.handle_close(conn));
        }
    }

    /// A unary exchange reaches its bridge.
    pub fn post_at_bridge(&mut self, request: RequestId) {
        let Some(post) = self.posts.get(&request) else {
            return;
        };
        let (bridge, incarnation) = (post.bridge, post.incarnation);
        let (body, deadline_ms) = (post.body.clone(), post.timeout_ms);
        if !self.bridges[bridge].up || self.bridges[bridge].incarnation != incarnation {
            return self.posted(request, None);
        }
        self.bridge(bridge, |core, now| {
            core.handle_request(request, &body, deadline_ms, None, now);
        });
    }

    /// A batch ended.
    pub fn replies_at_bridge(
        &mut self,
        bridge: usize,
        incarnation: u64,
        batch: BatchId,
        replies: redis_bridge::core::Replies,
    ) {
        let at = &mut self.bridges[bridge];
        if at.incarnation != incarnation || !at.in_flight.remove(&batch) {
            return;
        }
        if replies.is_ok() {
            self.limits.told(bridge, incarnation, batch);
        }
        self.bridge(bridge, |core, now| core.handle_replies(batch, replies, now));
    }

    /// The core's timer is due.
    pub fn bridge_timer(&mut self, bridge: usize) {
        if self.bridges[bridge].up {
            self.bridge(bridge, Core::handle_timeout);
        }
    }

    /// The shell asks Redis for the time.
    pub fn ask_time(&mut self, bridge: usize) {
        self.queue
            .at(self.now + TIME_EVERY, Event::RedisTime(bridge));
        if self.bridges[bridge].up && self.redis.is_up(self.now) {
            let time_us = self.redis_us();
            let incarnation = self.bridges[bridge].incarnation;
            let at = self.now + self.hop();
            self.queue
                .at(at, Event::RedisTimeIs(bridge, incarnation, time_us));
        }
    }

    /// Kills the process; another one comes after `down` nanoseconds.
    pub fn crash_bridge(&mut self, bridge: usize, down: u64) {
        let at = &mut self.bridges[bridge];
        at.up = false;
        at.incarnation += 1;
        // Redis' answers to it are nobody's, least of all the next process'.
        at.redis_conn += 1;
        at.in_flight.clear();
        let conns: Vec<ConnId> = (0..self.conns.len() as u64)
            .map(ConnId)
            .filter(|conn| {
                let conn = &self.conns[net::index(*conn)];
                conn.bridge == bridge && conn.at_bridge
            })
            .collect();
        for conn in conns {
            self.conns[net::index(conn)].at_bridge = false;
            self.send_down(conn, Event::CloseAtWorker(conn));
        }
        let lost: Vec<RequestId> = self
            .posts
            .iter()
            .filter(|(_, post)| post.bridge == bridge)
            .map(|(request, _)| *request)
            .collect();
        for request in lost {
            self.posted(request, None);
        }
        self.queue.at(self.now + down, Event::BridgeUp(bridge));
    }

    /// A new process takes the dead one's place.
    pub fn bridge_up(&mut self, bridge: usize) {
        if self.bridges[bridge].up {
            return;
        }
        let (incarnation, conn) = (
            self.bridges[bridge].incarnation,
            self.bridges[bridge].redis_conn + 1,
        );
        let origin = self.clock_origin();
        let mut new = Bridge::new(bridge, incarnation, self.options.cluster, origin);
        new.redis_conn = conn;
        self.bridges[bridge] = new;
        self.unsubscribe(bridge);
    }

    fn bridge_end(&self, conn: ConnId) -> (usize, bool) {
        let at = &self.conns[net::index(conn)];
        let bridge = &self.bridges[at.bridge];
        let alive = at.at_bridge && bridge.up && bridge.incarnation == at.incarnation;
        (at.bridge, alive)
    }
}

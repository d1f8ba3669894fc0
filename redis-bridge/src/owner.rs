//! The one task that owns the core.
//!
//! It takes *all* events that are ready before it asks the core for batches: what arrived together,
//! from all connections, goes to Redis in one pipeline and comes back in one message per stream. With
//! one pipeline per message a bridge measured 45 µs and Redis 40 µs of CPU per request instead of 8 and
//! 7. Several pipelines may be in flight; their replies are polled here, so a reply costs no extra task.

use crate::backend::Backend;
use crate::core::{AdminReply, BatchId, ConnId, Core, Ending, Replies, RequestId, Role, Transmit};
use crate::grpc::body::SendError;
use crate::grpc::{Code, Outbox};
use crate::handle::{Event, ExchangeAnswer, ExchangeError};
use crate::metrics::Metrics;
use crate::repeat::Repeater;
use crate::spans::Spans;
use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use std::collections::HashMap;
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// Events taken in one turn: a bound on how long the first of them waits for its pipeline.
const TURN: usize = 1024;
/// While leaving: with nothing pending and no event for this long, the filters have moved.
const QUIET: Duration = Duration::from_millis(500);
/// A metric that looks at all workers is made this often, at most.
const LOOK: Duration = Duration::from_millis(250);
/// Far enough when there is no deadline.
const IDLE: Duration = Duration::from_secs(3600);

/// A batch, its replies, and whether a replica has what it wrote, where that was asked for.
type Running = Pin<Box<dyn Future<Output = (BatchId, Replies, bool)> + Send>>;

/// Owns the core; [`Owner::run`] is the task.
pub struct Owner {
    core: Core,
    backend: Backend,
    repeater: Repeater,
    metrics: Metrics,
    spans: Option<Spans>,
    events: mpsc::Receiver<Event>,
    time_us: watch::Receiver<u64>,
    leaving: watch::Receiver<bool>,
    finished: watch::Receiver<bool>,
    running: FuturesUnordered<Running>,
    streams: HashMap<ConnId, Outbox>,
    exchanges: HashMap<RequestId, ExchangeAnswer>,
    admin: HashMap<RequestId, oneshot::Sender<AdminReply>>,
    /// The core's time is counted from here.
    started: Instant,
    /// When all workers are looked at the next time, for a metric.
    look_at: Duration,
}

impl Owner {
    /// `leaving` turns true when the bridge shall end, `finished` when no listener can bring anything
    /// more.
    pub fn new(
        core: Core,
        backend: Backend,
        repeater: Repeater,
        metrics: Metrics,
        events: mpsc::Receiver<Event>,
        leaving: watch::Receiver<bool>,
        finished: watch::Receiver<bool>,
    ) -> Self {
        let time_us = backend.role(Role::State).time_us();
        Self {
            core,
            backend,
            repeater,
            metrics,
            spans: None,
            events,
            time_us,
            leaving,
            finished,
            running: FuturesUnordered::new(),
            streams: HashMap::new(),
            exchanges: HashMap::new(),
            admin: HashMap::new(),
            started: Instant::now(),
            look_at: Duration::ZERO,
        }
    }

    /// What the core tells of traced exchanges goes there.
    pub fn telling(mut self, spans: Option<Spans>) -> Self {
        self.spans = spans;
        self
    }

    /// Runs until `finished`, or until every handle is gone. While leaving it ends the streams once
    /// nothing is pending and the filters have had time to move to another bridge.
    pub async fn run(mut self) {
        let mut ready = Vec::with_capacity(TURN);
        let timer = tokio::time::sleep(IDLE);
        tokio::pin!(timer);
        let mut drained = false;
        let shards = |role| self.backend.role(role).shards();
        let (mut state, mut cache) = (shards(Role::State), shards(Role::Cache));
        let mut cut_off = self.backend.role(Role::State).cut_off();
        // What was known before is followed too.
        state.mark_changed();
        cache.mark_changed();
        cut_off.mark_changed();
        loop {
            let quiet = drained && self.core.is_idle();
            if quiet && *self.finished.borrow() {
                return;
            }
            let quiet = quiet && !self.streams.is_empty();
            let wake = match self.core.poll_timeout() {
                _ if quiet => Instant::now() + QUIET,
                Some(deadline) => self.started + deadline,
                None => Instant::now() + IDLE,
            };
            timer.as_mut().reset(wake);
            let running = !self.running.is_empty();
            tokio::select! {
                taken = self.events.recv_many(&mut ready, TURN) => {
                    if taken == 0 {
                        return;
                    }
                }
                Some(ran) = self.running.next(), if running => {
                    self.ran(ran, self.started.elapsed());
                }
                Ok(()) = self.time_us.changed() => {
                    let time_us = *self.time_us.borrow_and_update();
                    self.core.handle_redis_time(time_us, self.started.elapsed());
                }
                Ok(()) = state.changed() => {
                    self.core.handle_shards(Role::State, &state.borrow_and_update());
                }
                Ok(()) = cache.changed() => {
                    self.core.handle_shards(Role::Cache, &cache.borrow_and_update());
                }
                Ok(()) = cut_off.changed() => {
                    let cut_off = *cut_off.borrow_and_update();
                    self.metrics.cut_off.set(cut_off.into());
                    self.core.handle_cut_off(cut_off);
                }
                () = turned(&mut self.leaving), if !drained => {
                    drained = true;
                    self.core.handle_drain();
                }
                Ok(()) = self.finished.changed() => {}
                () = timer.as_mut() => {
                    if quiet {
                        self.end_streams();
                    }
                }
            }
            self.turn(&mut ready);
        }
    }

    /// Hands the core everything that is ready, then carries out everything it wants.
    fn turn(&mut self, ready: &mut Vec<Event>) {
        while ready.len() < TURN
            && let Ok(event) = self.events.try_recv()
        {
            ready.push(event);
        }
        // Not before: until when a worker may use its memory is counted from when it asked, and whatever is
        // handled now came no later than this.
        let now = self.started.elapsed();
        for event in ready.drain(..) {
            self.handle(event, now);
        }
        while let Some(Some(ran)) = self.running.next().now_or_never() {
            self.ran(ran, now);
        }
        if self
            .core
            .poll_timeout()
            .is_some_and(|deadline| deadline <= now)
        {
            self.core.handle_timeout(now);
        }
        while let Some(batch) = self.core.poll_batch(now) {
            let (backend, metrics) = (self.backend.clone(), self.metrics.clone());
            self.running.push(Box::pin(async move {
                let started = Instant::now();
                let (replies, replicated) = match batch.role {
                    Role::Durable => backend.run_durable(&batch).await,
                    Role::Cache | Role::State => (backend.run(&batch).await, true),
                };
                metrics.pipeline(batch.role, started.elapsed());
                (batch.id, replies, replicated)
            }));
        }
        while let Some(transmit) = self.core.poll_transmit() {
            self.transmit(transmit);
        }
        while let Some(again) = self.core.poll_repeat() {
            self.repeater.repeat(again);
        }
        while let Some(audit) = self.core.poll_audit() {
            tracing::info!(target: "tidegate_bridge::audit", "{audit}");
        }
        while let Some(traced) = self.core.poll_trace() {
            if let Some(spans) = &self.spans {
                spans.record(traced, self.started.elapsed());
            }
        }
        self.metrics.held.set(self.core.held().cast_signed() as i64);
        if now >= self.look_at {
            self.look_at = now + LOOK;
            let remembering = self.core.remembering(now);
            self.metrics
                .remembering
                .set(remembering.cast_signed() as i64);
        }
        self.metrics.publish(&self.core);
    }

    fn ran(&mut self, (batch, replies, replicated): (BatchId, Replies, bool), now: Duration) {
        if !replicated && replies.is_ok() {
            self.core.handle_unreplicated(batch);
        }
        self.core.handle_replies(batch, replies, now);
    }

    fn handle(&mut self, event: Event, now: Duration) {
        match event {
            Event::Admin(request, op, answer) => {
                self.admin.insert(request, answer);
                self.core.handle_admin(request, &op, now);
            }
            Event::Cancel(request) => {
                self.exchanges.remove(&request);
                self.core.handle_cancel(request);
            }
            Event::Close(conn, status) => {
                if let Some(outbox) = self.forget(conn) {
                    outbox.end(status);
                }
            }
            Event::Exchange(request, body, deadline_ms, trace, answer) => {
                self.exchanges.insert(request, answer);
                (self.core).handle_request(request, &body, deadline_ms, trace, now);
            }
            Event::Filled(hash) => self.core.handle_filled(&hash),
            Event::Forget(subject) => self.core.handle_forget(&subject),
            Event::Message(conn, message) => {
                // What a stream sent after it was closed is read by nobody.
                if self.streams.contains_key(&conn) {
                    self.core.handle_message(conn, &message, now);
                }
            }
            Event::Open(conn, outbox) => {
                self.metrics.streams.inc();
                self.streams.insert(conn, outbox);
                self.core.handle_open(conn);
            }
            Event::Subscribed => self.core.handle_subscribed(now),
            Event::Told(message) => self.core.handle_told(&message, now),
            Event::Streams(answer) => {
                // The caller hung up.
                let _ = answer.send(self.core.streams().cloned().collect());
            }
            #[cfg(debug_assertions)]
            #[expect(clippy::panic, reason = "a test asked for it")]
            Event::Trap => panic!("asked to"),
        }
    }

    fn transmit(&mut self, transmit: Transmit) {
        match transmit {
            Transmit::Admin { request, result } => {
                if let Some(answer) = self.admin.remove(&request) {
                    // The caller hung up: it was done all the same.
                    let _ = answer.send(result);
                }
            }
            Transmit::Close {
                conn,
                ending,
                reason,
            } => {
                tracing::info!(conn = conn.0, %reason, "stream closed");
                if let Some(outbox) = self.streams.remove(&conn) {
                    self.metrics.streams.dec();
                    let code = match ending {
                        Ending::Protocol => Code::InvalidArgument,
                        Ending::Unavailable => Code::Unavailable,
                    };
                    outbox.end(Some((code, reason)));
                }
            }
            Transmit::Rejected { request, reason } => {
                self.answer(request, Err(ExchangeError::Rejected(reason)));
            }
            Transmit::Response { request, body } => self.answer(request, Ok(body)),
            Transmit::Stream { conn, mut message } => {
                while let Some(outbox) = self.streams.get(&conn) {
                    match outbox.send(&mut message) {
                        Ok(()) => return,
                        Err(SendError::Crowded) => self.give_up(self.slowest().unwrap_or(conn)),
                        Err(SendError::Full) => self.give_up(conn),
                        Err(SendError::Gone) => drop(self.forget(conn)),
                    }
                }
            }
        }
    }

    /// Of the streams whose readers have stopped, before all others, the one that takes most of what all have for what
    /// waits to be read; `None` when none takes any.
    fn slowest(&self) -> Option<ConnId> {
        let streams = self.streams.iter();
        let streams = streams.map(|(conn, outbox)| (outbox.over(), *conn));
        let some = streams.filter(|((_, bytes), _)| *bytes > 0);
        some.max_by_key(|(over, _)| *over).map(|(_, conn)| conn)
    }

    fn give_up(&mut self, conn: ConnId) {
        self.metrics.slow_readers.inc();
        tracing::warn!(conn = conn.0, "stream given up: read too slowly");
        if let Some(outbox) = self.forget(conn) {
            outbox.give_up();
        }
    }

    fn end_streams(&mut self) {
        let open: Vec<ConnId> = self.streams.keys().copied().collect();
        for conn in open {
            if let Some(outbox) = self.forget(conn) {
                outbox.end(Some((Code::Unavailable, "bridge is leaving".to_owned())));
            }
        }
    }

    fn answer(&mut self, request: RequestId, result: Result<Vec<u8>, ExchangeError>) {
        if let Some(answer) = self.exchanges.remove(&request) {
            // The caller hung up; its Cancel is on the way.
            let _ = answer.send(result);
        }
    }

    fn forget(&mut self, conn: ConnId) -> Option<Outbox> {
        let outbox = self.streams.remove(&conn)?;
        self.metrics.streams.dec();
        self.core.handle_close(conn);
        Some(outbox)
    }
}

/// Until it is true, or nobody can turn it any more.
async fn turned(flag: &mut watch::Receiver<bool>) {
    let _ = flag.wait_for(|flag| *flag).await;
}

//! What `/metrics` tells.
//!
//! Cardinality is fixed by the code: verbs, error codes, roles and statuses are enumerations, and no
//! label is made of what a caller sent.

use crate::core::{Counters, Role};
use http::StatusCode;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Metric, Registry};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

type Labelled<M> = Family<Vec<(&'static str, String)>, M>;

/// All metrics; clones share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    /// The core's totals, as last published.
    core: Arc<Mutex<Counters>>,
    by_verb: Labelled<Counter>,
    by_error: Labelled<Counter>,
    by_event: Labelled<Counter>,
    exchanges: Counter,
    batches: Counter,
    commands: Counter,
    exchange_seconds: Histogram,
    pipeline_seconds: Labelled<Histogram>,
    refused: Labelled<Counter>,
    /// Messages on invalidation channels.
    pub pubsub_messages: Counter,
    /// Messages whose channel named nothing that can be evicted.
    pub pubsub_ignored: Counter,
    /// Times a Pub/Sub connection was lost.
    pub pubsub_reconnects: Counter,
    /// Objects removed by purges and by invalidations from outside.
    pub purged: Counter,
    /// Times a connection to Redis was lost.
    pub reconnects: Counter,
    /// Streams open now.
    pub streams: Gauge,
    /// Unary exchanges and admin operations not yet answered.
    pub pending: Gauge,
    /// Answers held until a paced request's turn.
    pub held: Gauge,
    /// Revocations that no replica has yet.
    pub revocations_pending: Gauge,
    /// Revocations that no replica had when they were given up.
    pub revocations_given_up: Counter,
    /// Streams given up because their reader was too slow.
    pub slow_readers: Counter,
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("tidegate_bridge");
        let r = &mut registry;
        let metrics = Self {
            by_verb: add(r, "ops", "Operations by verb"),
            by_error: add(r, "errors", "Operations that ended in an error, by code"),
            by_event: add(r, "events", "What went wrong or late, by kind"),
            exchanges: add(r, "exchanges", "Exchanges accepted, all carriers"),
            batches: add(r, "batches", "Batches handed to Redis, one pipeline each"),
            commands: add(r, "commands", "Commands in batches"),
            exchange_seconds: register(
                r,
                "exchange_seconds",
                "POST /v1/exchange, from its whole body to its answer",
                latency(),
            ),
            pipeline_seconds: register(
                r,
                "pipeline_seconds",
                "Pipelines, from hand-out to replies",
                Family::new_with_constructor(latency),
            ),
            refused: add(
                r,
                "refused",
                "Requests refused before they became operations",
            ),
            pubsub_messages: add(r, "pubsub_messages", "Messages on invalidation channels"),
            pubsub_ignored: add(r, "pubsub_ignored", "Of these, naming nothing to evict"),
            pubsub_reconnects: add(r, "pubsub_reconnects", "Pub/Sub connections lost"),
            purged: add(r, "purged", "Objects removed by purges and by Pub/Sub"),
            reconnects: add(r, "reconnects", "Redis connections lost"),
            streams: add(r, "streams", "Decision streams open"),
            pending: add(r, "pending", "Unary exchanges and admin operations open"),
            held: add(r, "held", "Answers held until a paced request's turn"),
            revocations_pending: add(
                r,
                "revocations_pending",
                "Revocations that no replica has yet",
            ),
            revocations_given_up: add(
                r,
                "revocations_given_up",
                "Revocations repeated no more though no replica had them",
            ),
            slow_readers: add(r, "slow_readers", "Streams given up, read too slowly"),
            core: Arc::default(),
            registry: Arc::default(),
        };
        Self {
            registry: Arc::new(registry),
            ..metrics
        }
    }

    /// Takes over the core's totals.
    pub fn publish(&self, counters: &Counters) {
        // A poisoned lock holds good data: nothing panics under it.
        let mut core = self.core.lock().unwrap_or_else(PoisonError::into_inner);
        core.clone_from(counters);
    }

    /// A pipeline took this long.
    pub fn pipeline(&self, role: Role, took: Duration) {
        let label = vec![("role", role.name().to_owned())];
        let series = self.pipeline_seconds.get_or_create(&label);
        series.observe(took.as_secs_f64());
    }

    /// A unary exchange took this long.
    pub fn exchange(&self, took: Duration) {
        self.exchange_seconds.observe(took.as_secs_f64());
    }

    /// A request was refused.
    pub fn refused(&self, status: StatusCode) {
        let label = vec![("status", status.as_str().to_owned())];
        self.refused.get_or_create(&label).inc();
    }

    /// The text of a scrape.
    pub fn text(&self) -> String {
        self.copy_core();
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    fn copy_core(&self) {
        let core = self.core.lock().unwrap_or_else(PoisonError::into_inner);
        let set = |counter: &Counter, n: u64| counter.inner().store(n, Ordering::Relaxed);
        let family = |family: &Labelled<Counter>, name: &'static str, all: &[(&str, u64)]| {
            for (value, n) in all {
                set(
                    &family.get_or_create(&vec![(name, (*value).to_owned())]),
                    *n,
                );
            }
        };
        set(&self.exchanges, core.exchanges);
        set(&self.batches, core.batches);
        set(&self.commands, core.commands);
        let ops = &core.ops;
        let verbs = [
            ("CACHE.GET", ops.cache_get),
            ("CACHE.INVALIDATE", ops.cache_invalidate),
            ("CACHE.PASS", ops.cache_pass),
            ("CACHE.PURGE", ops.cache_purge),
            ("CACHE.PUT", ops.cache_put),
            ("LIMIT.RETURN", ops.limit_return),
            ("LIMIT.TAKE", ops.limit_take),
            ("SESSION.CREATE", ops.session_create),
            ("SESSION.END", ops.session_end),
            ("SESSION.GET", ops.session_get),
            ("SESSION.ROTATE", ops.session_rotate),
            ("SESSION.UPDATE", ops.session_update),
            ("admin", core.admin),
        ];
        family(&self.by_verb, "verb", &verbs);
        let errors = &core.errors;
        let codes = [
            ("bad_op", errors.bad_op),
            ("bulk", errors.bulk),
            ("busy", errors.busy),
            ("down", errors.down),
            ("exists", errors.exists),
            ("redis", errors.redis),
            ("seal", errors.seal),
            ("shape", errors.shape),
            ("timeout", errors.timeout),
        ];
        family(&self.by_error, "kind", &codes);
        let events = [
            ("batch_failed", core.batches_failed),
            ("bug", core.bug),
            ("busy", core.busy),
            ("cache_collapsed", core.collapsed),
            ("cache_held_too_long", core.held_too_long),
            ("cache_turn_returned", core.turns_returned),
            ("cache_unheld", core.unheld),
            ("dropped_late", core.dropped_late),
            ("expired", core.expired),
            ("limit_calendar_again", core.calendar_again),
            ("limit_forgotten", core.forgotten),
            ("limit_held", core.held),
            ("limit_override_malformed", core.override_malformed),
            ("limit_returned", core.returned),
            ("limit_return_failed", core.return_failed),
            ("revocation_unreplicated", core.unreplicated),
            ("stream_refused", core.streams_refused),
            ("timed_out", core.timed_out),
        ];
        family(&self.by_event, "kind", &events);
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn add<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    register(registry, name, help, M::default())
}

fn register<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

/// 50 µs to 1.6 s, by factors of two.
fn latency() -> Histogram {
    Histogram::new(exponential_buckets(50e-6, 2.0, 16))
}

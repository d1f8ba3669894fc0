//! What `/metrics` tells.
//!
//! Cardinality is fixed by the code: verbs, error codes, roles and statuses are enumerations, and no
//! label is made of what a caller sent.

mod core;
pub(crate) mod process;
pub mod redis;
pub mod tls;

use self::core::Published;
use self::redis::RedisHealth;
use self::tls::TlsMetrics;
use crate::backend::connect;
use crate::core::{Core, Role};
use http::StatusCode;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Metric, Registry};
use std::sync::Arc;
use std::time::Duration;

type Labelled<M> = Family<Vec<(&'static str, String)>, M>;

/// All metrics; clones share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    core: Published,
    /// How the servers of Redis are.
    pub redis: RedisHealth,
    pipeline_seconds: Labelled<Histogram>,
    refused: Labelled<Counter>,
    spans: Labelled<Counter>,
    /// Messages on invalidation channels.
    pub pubsub_messages: Counter,
    /// Messages whose channel named nothing that can be evicted.
    pub pubsub_ignored: Counter,
    /// Times that everything was invalidated, since too many invalidations waited.
    pub pubsub_overflows: Counter,
    /// Times a Pub/Sub connection was lost.
    pub pubsub_reconnects: Counter,
    /// Objects removed by purges and by invalidations from outside.
    pub purged: Counter,
    /// Times a connection to Redis was lost.
    pub reconnects: Counter,
    /// TLS of the data listener.
    pub tls: TlsMetrics,
    /// Times the sentinels promoted another primary.
    pub switches: Counter,
    /// Whether the bridge is cut off with a part of the state's Redis: 0 or 1.
    pub cut_off: Gauge,
    connect_failures: Labelled<Counter>,
    /// Streams open now.
    pub streams: Gauge,
    /// Unary exchanges and admin operations not yet answered.
    pub pending: Gauge,
    /// Answers held until a paced request's turn.
    pub held: Gauge,
    /// Workers that may answer from their own memory.
    pub remembering: Gauge,
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
            spans: add(
                r,
                "spans",
                "Spans of traced exchanges, by what became of them",
            ),
            pubsub_messages: add(r, "pubsub_messages", "Messages on invalidation channels"),
            pubsub_ignored: add(r, "pubsub_ignored", "Of these, naming nothing to evict"),
            pubsub_overflows: add(
                r,
                "pubsub_overflows",
                "Times that everything was invalidated, since too many invalidations waited",
            ),
            pubsub_reconnects: add(r, "pubsub_reconnects", "Pub/Sub connections lost"),
            purged: add(r, "purged", "Objects removed by purges and by Pub/Sub"),
            reconnects: add(r, "reconnects", "Redis connections lost"),
            switches: add(r, "switches", "Primaries promoted by sentinels"),
            cut_off: add(
                r,
                "cut_off",
                "1: most sentinels or primaries are silent, and what is reached is left alone",
            ),
            connect_failures: add(
                r,
                "connect_failures",
                "Connections to Redis that were not opened or not logged in, by reason",
            ),
            streams: add(r, "streams", "Decision streams open"),
            pending: add(r, "pending", "Unary exchanges and admin operations open"),
            held: add(r, "held", "Answers held until a paced request's turn"),
            remembering: add(
                r,
                "workers_remembering",
                "Workers that may answer from their own memory",
            ),
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
            tls: TlsMetrics::register(r),
            core: Published::default(),
            redis: RedisHealth::default(),
            registry: Arc::default(),
        };
        // There from the start, so that the first failure is a rise.
        for reason in connect::CATEGORIES {
            let label = vec![("reason", reason.to_owned())];
            drop(metrics.connect_failures.get_or_create(&label));
        }
        for result in ["exported", "failed", "dropped"] {
            metrics.spans(result, 0);
        }
        registry.register_collector(Box::new(metrics.core.clone()));
        registry.register_collector(Box::new(metrics.redis.clone()));
        registry.register_collector(Box::new(crate::contain::panics()));
        registry.register_collector(Box::new(crate::log::lost()));
        Self {
            registry: Arc::new(registry),
            ..metrics
        }
    }

    /// Takes over what the core says now.
    pub fn publish(&self, core: &Core) {
        self.core
            .publish(core.counters(), core.latencies(), core.load());
    }

    /// A pipeline took this long.
    pub fn pipeline(&self, role: Role, took: Duration) {
        let label = vec![("role", role.name().to_owned())];
        let series = self.pipeline_seconds.get_or_create(&label);
        series.observe(took.as_secs_f64());
    }

    /// A connection to Redis was not opened, or not logged in again.
    pub fn connect_failed(&self, reason: &'static str) {
        let label = vec![("reason", reason.to_owned())];
        self.connect_failures.get_or_create(&label).inc();
    }

    /// So many spans were exported, failed to be, or dropped because too many waited.
    pub fn spans(&self, result: &'static str, count: usize) {
        let label = vec![("result", result.to_owned())];
        self.spans.get_or_create(&label).inc_by(count as u64);
    }

    /// A request was refused.
    pub fn refused(&self, status: StatusCode) {
        let label = vec![("status", status.as_str().to_owned())];
        self.refused.get_or_create(&label).inc();
    }

    /// The text of a scrape.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
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

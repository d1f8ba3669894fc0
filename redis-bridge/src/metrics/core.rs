//! What the core counts, as last published: copied when someone scrapes, not when it happens.

use crate::core::{Counters, Latencies, Latency, Load, Role};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Totals of a core; clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Published(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    counters: Counters,
    latencies: Latencies,
    load: Load,
}

impl Published {
    /// Takes over what a core says now.
    pub(super) fn publish(&self, counters: &Counters, latencies: &Latencies, load: Load) {
        // A poisoned lock holds good data: nothing panics under it.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.counters.clone_from(counters);
        state.latencies.clone_from(latencies);
        state.load = load;
    }
}

impl Collector for Published {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counters(&mut encoder, &state.counters)?;
        load(&mut encoder, &state.load)?;
        let latencies = &state.latencies;
        let exchanges = latencies.exchanges();
        let exchanges = exchanges.map(|(carrier, latency)| (carrier.name(), latency));
        let help = "Exchanges, from their message to their answer, by carrier";
        histogram(&mut encoder, "exchange_seconds", help, "carrier", exchanges)?;
        let verbs = latencies
            .verbs()
            .map(|(verb, latency)| (verb.name(), latency));
        let help = "Operations, from their message to their outcome";
        histogram(&mut encoder, "op_seconds", help, "verb", verbs)?;
        let scripts = latencies.scripts();
        let scripts = scripts.map(|(script, latency)| (script.name(), latency));
        let help = "Script calls, from the hand-out of their pipeline to its replies";
        histogram(&mut encoder, "script_seconds", help, "script", scripts)
    }
}

fn counters(encoder: &mut DescriptorEncoder<'_>, core: &Counters) -> fmt::Result {
    let plain = [
        (
            "exchanges",
            "Exchanges accepted, all carriers",
            core.exchanges,
        ),
        (
            "batches",
            "Batches handed to Redis, one pipeline each",
            core.batches,
        ),
        ("commands", "Commands in batches", core.commands),
    ];
    for (name, help, n) in plain {
        encoder
            .encode_descriptor(name, help, None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, u64>(&n, None)?;
    }
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
    family(encoder, "ops", "Operations by verb", "verb", &verbs)?;
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
    let help = "Operations that ended in an error, by code";
    family(encoder, "errors", help, "kind", &codes)?;
    let events = [
        ("batch_failed", core.batches_failed),
        ("bug", core.bug),
        ("busy", core.busy),
        ("cache_collapsed", core.collapsed),
        ("cache_held_too_long", core.held_too_long),
        ("cache_turn_returned", core.turns_returned),
        ("cache_unheld", core.unheld),
        ("drop_late", core.drops_late),
        ("drop_unacked", core.drops_unacked),
        ("dropped_late", core.dropped_late),
        ("expired", core.expired),
        ("fleet_gap", core.fleet_gaps),
        ("redis_queued", core.redis_queued),
        ("fleet_malformed", core.fleet_malformed),
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
    let help = "What went wrong or late, by kind";
    family(encoder, "events", help, "kind", &events)
}

fn load(encoder: &mut DescriptorEncoder<'_>, load: &Load) -> fmt::Result {
    let gauges = [
        (
            "pending_exchanges",
            "Exchanges and admin operations not finished",
            load.exchanges,
        ),
        ("pending_bytes", "Bytes of their messages", load.bytes),
        (
            "pending_exchanges_max",
            "Its bound: more is answered BUSY",
            load.exchanges_max,
        ),
        (
            "pending_bytes_max",
            "Its bound: more is answered BUSY",
            load.bytes_max,
        ),
    ];
    for (name, help, n) in gauges {
        encoder
            .encode_descriptor(name, help, None, MetricType::Gauge)?
            .encode_gauge(&(n as u64))?;
    }
    let roles = [Role::State, Role::Cache, Role::Durable];
    let by_role = [
        (
            "queue_commands",
            "Commands that wait for a pipeline",
            load.waiting,
        ),
        (
            "batches_in_flight",
            "Pipelines that wait for Redis",
            load.in_flight,
        ),
    ];
    for (name, help, all) in by_role {
        let mut gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (role, n) in roles.iter().zip(all) {
            gauge
                .encode_family(&[("role", role.name())])?
                .encode_gauge(&(n as u64))?;
        }
    }
    Ok(())
}

fn family(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &'static str,
    all: &[(&'static str, u64)],
) -> fmt::Result {
    let mut counter = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (value, n) in all {
        counter
            .encode_family(&[(label, *value)])?
            .encode_counter::<NoLabelSet, _, u64>(n, None)?;
    }
    Ok(())
}

fn histogram<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &'static str,
    all: impl Iterator<Item = (&'static str, &'a Latency)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    for (value, latency) in all {
        let labels = [(label, value)];
        let mut one: MetricEncoder<'_> = family.encode_family(&labels)?;
        let buckets: Vec<(f64, u64)> = latency.buckets().collect();
        one.encode_histogram::<NoLabelSet>(latency.sum_s(), latency.count(), &buckets, None)?;
    }
    Ok(())
}

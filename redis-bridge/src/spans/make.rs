//! The spans of one exchange: one for itself, and one for each of its calls of Redis.
//!
//! Names and attributes are those of OpenTelemetry's semantic conventions for databases 1.33 where there are
//! any; our own begin with `tidegate.`. None holds a key, a value or a token.

use crate::backend::{Backend, Target};
use crate::core::{Role, Traced, TracedCall, TracedOp};
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::{
    IdGenerator as _, RandomIdGenerator, SpanData, SpanEvents, SpanLinks,
};
use std::time::{Duration, SystemTime};

/// The server of each role, where it is one and known: of a Cluster and of sentinels it is not.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// Sessions and limits.
    pub state: Option<Place>,
    /// Cached objects.
    pub cache: Option<Place>,
}

/// A server: its host and port, or the path of its socket.
pub type Place = (String, Option<u16>);

impl Places {
    /// Of these Redis.
    pub fn of(backend: &Backend) -> Self {
        let place = |role| match backend.role(role).target() {
            Target::Tcp((host, port)) => Some((host.clone(), Some(*port))),
            Target::Unix(path) => Some((path.clone(), None)),
            Target::Cluster(_) | Target::Sentinel { .. } => None,
        };
        Self {
            state: place(Role::State),
            cache: place(Role::Cache),
        }
    }

    fn role(&self, role: Role) -> Option<&Place> {
        match role {
            Role::Cache => self.cache.as_ref(),
            Role::Durable | Role::State => self.state.as_ref(),
        }
    }
}

/// Appends them. `origin`: what the wall clock said when the core's time began.
pub(super) fn spans(traced: &Traced, origin: SystemTime, places: &Places, out: &mut Vec<SpanData>) {
    let trace = TraceId::from_bytes(traced.parent.trace_id());
    let span = |parent: SpanId, times: (Duration, Duration)| {
        let id = RandomIdGenerator::default().new_span_id();
        let flags = TraceFlags::SAMPLED;
        let at = |time| origin.checked_add(time).unwrap_or(origin);
        SpanData {
            span_context: SpanContext::new(trace, id, flags, false, TraceState::NONE),
            parent_span_id: parent,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: "".into(),
            start_time: at(times.0),
            end_time: at(times.1),
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: scope(),
        }
    };
    let parent = SpanId::from_bytes(traced.parent.parent_id());
    let mut whole = span(parent, (traced.begun, traced.ended));
    whole.parent_span_is_remote = true;
    whole.span_kind = SpanKind::Server;
    whole.name = "exchange".into();
    whole.attributes = exchange(traced);
    whole.status = status(traced.failure());
    let own = whole.span_context.span_id();
    out.push(whole);
    for call in &traced.calls {
        let until = call.until.unwrap_or(traced.ended).max(call.since);
        let mut child = span(own, (call.since, until));
        child.span_kind = SpanKind::Client;
        child.name = call.verb.name().into();
        child.attributes = redis(call, places.role(call.role));
        child.status = status(call.failure.as_deref());
        out.push(child);
    }
}

fn exchange(traced: &Traced) -> Vec<KeyValue> {
    let verb = |op: &TracedOp| op.verb.map_or("none", |verb| verb.name()).into();
    let result = |op: &TracedOp| match &op.failure {
        _ if !traced.answered => "gone".into(),
        Some(failure) => StringValue::from(failure.clone()),
        None => "ok".into(),
    };
    let texts = |of: &dyn Fn(&TracedOp) -> StringValue| {
        Value::Array(Array::String(traced.ops.iter().map(of).collect()))
    };
    let mut attributes = vec![
        KeyValue::new("tidegate.carrier", traced.carrier.name()),
        KeyValue::new("tidegate.deadline_ms", millis(traced.patience)),
        KeyValue::new("tidegate.verbs", texts(&verb)),
        KeyValue::new("tidegate.results", texts(&result)),
    ];
    if traced.more_commands > 0 {
        let more = number(traced.more_commands);
        attributes.push(KeyValue::new("tidegate.more_commands", more));
    }
    failed(traced.failure(), &mut attributes);
    attributes
}

fn redis(call: &TracedCall, place: Option<&Place>) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("db.system.name", "redis"),
        KeyValue::new("db.operation.name", call.verb.name()),
        KeyValue::new("db.stored_procedure.name", call.script.name()),
        KeyValue::new("tidegate.redis.role", call.role.name()),
        KeyValue::new("tidegate.commands", number(call.commands)),
        KeyValue::new("tidegate.pipeline.commands", number(call.pipeline)),
    ];
    if let Some((address, port)) = place {
        attributes.push(KeyValue::new("server.address", address.clone()));
        if let Some(port) = port {
            attributes.push(KeyValue::new("server.port", i64::from(*port)));
        }
    }
    failed(call.failure.as_deref(), &mut attributes);
    attributes
}

fn failed(failure: Option<&str>, attributes: &mut Vec<KeyValue>) {
    if let Some(word) = failure {
        attributes.push(KeyValue::new("error.type", word.to_owned()));
    }
}

fn status(failure: Option<&str>) -> Status {
    failure.map_or(Status::Unset, |word| Status::error(word.to_owned()))
}

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("redis-bridge")
        .with_version(crate::VERSION)
        .build()
}

fn number(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
pub(super) mod tests;

//! Whether Envoy's cluster of the bridges is fit for them (faults.md, E12).
//!
//! What is wrong here stops nothing at first: Envoy takes the configuration, and the filter sees only that calls fail.
//! Read are an Envoy configuration, what its `/config_dump` answers, and an Istio `EnvoyFilter`.

use super::document::{field, join, walk};
use serde_json::{Map, Value};

/// What Envoy allows of each unless told otherwise (config.cluster.v3.CircuitBreakers.Thresholds).
const DEFAULT: u64 = 1_024;
/// What counts for calls of the filter: each is a request, and waits or needs a connection while there is none.
const THRESHOLDS: [&str; 3] = ["max_connections", "max_pending_requests", "max_requests"];
const PROTOCOLS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
/// One of these tells a cluster from other things that have a name.
const OF_A_CLUSTER: [&str; 6] = [
    "circuit_breakers",
    "connect_timeout",
    "eds_cluster_config",
    "lb_policy",
    "load_assignment",
    "typed_extension_protocol_options",
];

/// A cluster, and where it stands.
struct Cluster<'a> {
    place: String,
    name: &'a str,
    fields: &'a Map<String, Value>,
}

/// What is wrong, or doubtful: the place and the reason.
pub(super) type Finding = (String, String);

/// Whether a file lists all clusters that its Envoy will have.
pub(super) fn are_complete(document: &Value) -> bool {
    let listed = document.pointer("/static_resources/clusters").is_some();
    listed && document.pointer("/dynamic_resources/cds_config").is_none()
}

/// Everything that is wrong with the clusters of that name. `complete`: without one nothing works.
pub(super) fn findings(documents: &[Value], name: &str, complete: bool) -> Vec<Finding> {
    let mut clusters = Vec::new();
    walk(documents, |fields, place| {
        let name = fields.get("name").and_then(Value::as_str);
        let name = name.filter(|_| OF_A_CLUSTER.iter().any(|key| field(fields, key).is_some()));
        let cluster = name.map(|name| Cluster {
            place: place.to_owned(),
            name,
            fields,
        });
        let ends = cluster.is_some();
        clusters.extend(cluster);
        ends
    });
    let (ours, others): (Vec<_>, Vec<_>) = clusters
        .into_iter()
        .partition(|cluster| cluster.name == name);
    if ours.is_empty() && complete {
        return vec![(String::new(), absent(name, &others))];
    }
    ours.iter()
        .flat_map(|cluster| protocol(cluster).into_iter().chain(breakers(cluster)))
        .collect()
}

fn absent(name: &str, others: &[Cluster<'_>]) -> String {
    let names: Vec<_> = others.iter().map(|other| other.name).collect();
    let has = match names.as_slice() {
        [] => "none".to_owned(),
        names => names.join(", "),
    };
    format!("has no cluster `{name}`, which `bridge.cluster` names; it has: {has}")
}

/// Streams to a bridge are gRPC, so HTTP/2 (and over TLS Envoy may find that out).
fn protocol(cluster: &Cluster<'_>) -> Option<Finding> {
    let explicit = |options: &Value| {
        let explicit = field(options.as_object()?, "explicit_http_config")?.as_object()?;
        field(explicit, "http2_protocol_options").map(|_| ())
    };
    let negotiated = |options: &Value| field(options.as_object()?, "auto_config").map(|_| ());
    let options = field(cluster.fields, "typed_extension_protocol_options")
        .and_then(|by_name| by_name.get(PROTOCOLS));
    let good = options.is_some_and(|all| explicit(all).or_else(|| negotiated(all)).is_some())
        || field(cluster.fields, "http2_protocol_options").is_some();
    (!good).then(|| {
        let reason = format!(
            "must have `explicit_http_config: {{ http2_protocol_options: {{}} }}` under `{PROTOCOLS}`: streams to \
             bridges are gRPC"
        );
        (
            join(&cluster.place, "typed_extension_protocol_options"),
            reason,
        )
    })
}

/// Envoy's own defaults are the first thing that a busy worker meets while it has no stream: each pending unary
/// call counts, and over the bound each fails at once.
fn breakers(cluster: &Cluster<'_>) -> Vec<Finding> {
    let thresholds = field(cluster.fields, "circuit_breakers")
        .and_then(|breakers| breakers.get("thresholds"))
        .and_then(Value::as_array);
    let normal = |entry: &&Value| {
        let priority = entry.get("priority");
        priority.is_none_or(|priority| priority == "DEFAULT" || priority == 0)
    };
    let entry = thresholds.and_then(|all| all.iter().find(normal));
    let entry = entry.and_then(Value::as_object);
    let place = join(&cluster.place, "circuit_breakers.thresholds");
    let wrong = |key: &&str| {
        let said = entry.and_then(|entry| field(entry, key));
        let has = match said.map(number) {
            Some(Some(most)) if most > DEFAULT => return None,
            Some(Some(most)) => most.to_string(),
            Some(None) => "no number".to_owned(),
            None => "not given".to_owned(),
        };
        let reason = format!(
            "`{key}` must be more than {DEFAULT}, Envoy's default, which calls of busy workers meet (envoy.yaml has \
             65536); {has}"
        );
        Some((place.clone(), reason))
    };
    THRESHOLDS.iter().filter_map(wrong).collect()
}

/// A number, or the text of one, as protobuf's JSON allows.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests;

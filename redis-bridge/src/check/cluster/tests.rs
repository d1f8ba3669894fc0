use super::{are_complete, findings};
use serde_json::{Value, json};

const TYPE: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

fn cluster(name: &str) -> Value {
    json!({
        "name": name,
        "connect_timeout": "0.25s",
        "typed_extension_protocol_options": {
            TYPE: { "explicit_http_config": { "http2_protocol_options": {} } },
        },
        "circuit_breakers": { "thresholds": [
            { "priority": "HIGH", "max_requests": 1 },
            { "max_connections": 65536, "max_pending_requests": 65536, "max_requests": 65536 },
        ] },
    })
}

fn bootstrap(clusters: Value) -> Value {
    json!({ "static_resources": { "listeners": [{ "name": "edge", "address": {} }], "clusters": clusters } })
}

fn of(document: Value) -> Vec<String> {
    let found = findings(&[document], "bridges", true);
    found
        .into_iter()
        .map(|(place, reason)| format!("{place}: {reason}"))
        .collect()
}

#[test]
fn e12_a_cluster_of_the_shipped_kind_is_right() {
    assert_eq!(
        of(bootstrap(json!([cluster("app"), cluster("bridges")]))),
        [""; 0]
    );
    // As `/config_dump` shows it, and as JSON names may be written.
    let dump =
        json!({ "configs": [{ "dynamic_active_clusters": [{ "cluster": cluster("bridges") }] }] });
    assert_eq!(of(dump), [""; 0]);
    let camel = cluster("bridges").to_string();
    let camel = camel
        .replace("circuit_breakers", "circuitBreakers")
        .replace("max_pending_requests", "maxPendingRequests")
        .replace(
            "typed_extension_protocol_options",
            "typedExtensionProtocolOptions",
        );
    let camel: Value = serde_json::from_str(&camel).unwrap();
    assert_eq!(of(bootstrap(json!([camel]))), [""; 0]);
}

#[test]
fn e12_the_default_circuit_breakers_are_refused() {
    let mut left = cluster("bridges");
    left.as_object_mut().unwrap().remove("circuit_breakers");
    let found = of(bootstrap(json!([cluster("app"), left])));
    let at = "static_resources.clusters[1].circuit_breakers.thresholds";
    let why = |key: &str, has: &str| {
        format!(
            "{at}: `{key}` must be more than 1024, Envoy's default, which calls of busy workers meet (envoy.yaml has \
             65536); {has}"
        )
    };
    let all = ["max_connections", "max_pending_requests", "max_requests"];
    assert_eq!(found, all.map(|key| why(key, "not given")));

    for (value, has) in [
        (json!(1024), "1024"),
        (json!("100"), "100"),
        (json!("many"), "no number"),
        (json!(-1), "no number"),
    ] {
        let mut low = cluster("bridges");
        low["circuit_breakers"]["thresholds"][1]["max_requests"] = value;
        let found = of(bootstrap(json!([cluster("app"), low])));
        assert_eq!(found, [why("max_requests", has)]);
    }
    // Those of another priority are not those of our calls.
    let mut high = cluster("bridges");
    high["circuit_breakers"]["thresholds"][1]["priority"] = json!("HIGH");
    assert_eq!(of(bootstrap(json!([high]))).len(), 3);
}

#[test]
fn a_cluster_without_http2_is_refused() {
    for options in [
        json!({}),
        json!({ TYPE: { "explicit_http_config": { "http_protocol_options": {} } } }),
        json!({ TYPE: { "use_downstream_protocol_config": { "http2_protocol_options": {} } } }),
    ] {
        let mut plain = cluster("bridges");
        plain["typed_extension_protocol_options"] = options;
        let found = of(bootstrap(json!([plain])));
        assert_eq!(found.len(), 1, "{found:?}");
        let at = "static_resources.clusters[0].typed_extension_protocol_options: must have";
        assert!(found[0].starts_with(at), "{found:?}");
    }
    let mut negotiated = cluster("bridges");
    negotiated["typed_extension_protocol_options"] =
        json!({ TYPE: { "auto_config": { "http2_protocol_options": {} } } });
    assert_eq!(of(bootstrap(json!([negotiated]))), [""; 0]);
}

#[test]
fn a_cluster_that_is_not_there_is_named_with_those_that_are() {
    let found = of(bootstrap(json!([cluster("app"), cluster("bridge")])));
    let why = ": has no cluster `bridges`, which `bridge.cluster` names; it has: app, bridge";
    assert_eq!(found, [why]);
    assert!(of(bootstrap(json!([])))[0].ends_with("it has: none"));
    // Where clusters come from elsewhere, that it is not in this file says nothing.
    let document = bootstrap(json!([cluster("app")]));
    assert_eq!(findings(&[document], "bridges", false), []);
}

#[test]
fn a_file_lists_all_clusters_or_some() {
    let mut document = bootstrap(json!([]));
    assert!(are_complete(&document));
    document["dynamic_resources"] = json!({ "cds_config": {} });
    assert!(!are_complete(&document));
    assert!(!are_complete(&json!({ "resources": [] })));
}

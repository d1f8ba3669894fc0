//! Envoy's bootstrap: the shipped `envoy/envoy.yaml` with the ports, sockets and paths of a stack.

use super::{at, parse};
use crate::files::Files;
use crate::spec::Filter;
use crate::{Error, Result, StackSpec, files, spec};
use serde_json::{Value, json};
use std::path::Path;

const HCM: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";

/// The bootstrap of Envoy `i`.
///
/// # Errors
/// When the shipped file lacks something that must be changed.
pub fn make(spec: &StackSpec, files: &Files, i: u16) -> Result<Value> {
    let shipped = spec::root().join("envoy/envoy.yaml");
    let mut config = parse(&shipped, &files::read(&shipped)?)?;
    *at(&mut config, "/node/id")? = json!(format!("envoy-{i}"));
    *at(&mut config, "/admin/address/socket_address/port_value")? = json!(spec.envoy_admin_port(i));
    let listener = at(
        &mut config,
        "/static_resources/listeners/0/address/socket_address",
    )?;
    *listener = json!({ "address": "127.0.0.1", "port_value": spec.listener_port(i) });
    let log = format!("{HCM}/access_log/0/typed_config/path");
    *at(&mut config, &log)? = json!(files.access_log(i));
    filter(&mut config, spec, files)?;
    bridges(&mut config, spec, files)?;
    let (address, port) = spec.upstream_address();
    let upstream = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
    *at(cluster(&mut config, "app")?, upstream)? =
        json!({ "address": address, "port_value": port });
    Ok(config)
}

fn filter(config: &mut Value, spec: &StackSpec, files: &Files) -> Result<()> {
    let filters = at(config, &format!("{HCM}/http_filters"))?;
    if spec.filter == Filter::None {
        if let Some(list) = filters.as_array_mut() {
            list.retain(|filter| filter.get("config_discovery").is_none());
        }
        return Ok(());
    }
    let source = at(
        filters,
        "/0/config_discovery/config_source/path_config_source",
    )?;
    *at(source, "/path")? = json!(files.ecds_file());
    *at(source, "/watched_directory/path")? = json!(files.ecds());
    Ok(())
}

const HTTP_OPTIONS: &str =
    "/typed_extension_protocol_options/envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

fn bridges(config: &mut Value, spec: &StackSpec, files: &Files) -> Result<()> {
    if let Some(dir) = &spec.tls {
        return bridges_over_tls(config, spec, dir);
    }
    let sockets = (0..spec.bridges).map(|i| {
        let path = if spec.faults {
            files.bridge_fault_socket(i)
        } else {
            files.bridge_socket(i)
        };
        json!({ "endpoint": { "address": { "pipe": { "path": path } } } })
    });
    let cluster = cluster(config, "redis-bridge")?;
    *at(cluster, "/load_assignment/endpoints/0/lb_endpoints")? = sockets.collect();
    if let Some(ms) = spec.stream_ms {
        let longest = format!("{}.{:03}s", ms / 1_000, ms % 1_000);
        at(cluster, HTTP_OPTIONS)?["common_http_protocol_options"] =
            json!({ "max_stream_duration": longest });
    }
    Ok(())
}

/// As `envoy/tls/redis-bridge.yaml` says, which is written to take the place of those keys.
fn bridges_over_tls(config: &mut Value, spec: &StackSpec, dir: &Path) -> Result<()> {
    let mut shipped = tls_file("redis-bridge.yaml", dir)?;
    let address = |i| json!({ "address": "127.0.0.1", "port_value": spec.bridge_data_port(i) });
    let endpoint = |i| json!({ "endpoint": { "address": { "socket_address": address(i) } } });
    let endpoints = at(&mut shipped, "/load_assignment/endpoints/0/lb_endpoints")?;
    *endpoints = (0..spec.bridges).map(endpoint).collect();
    let cluster = cluster(config, "redis-bridge")?;
    for (key, value) in shipped.as_object().into_iter().flatten() {
        cluster[key] = value.clone();
    }
    for name in ["certificate.yaml", "ca.yaml"] {
        let text = tls_file(name, dir)?.to_string();
        files::replace(&dir.join(name), text.as_bytes())?;
    }
    Ok(())
}

/// A shipped file of `envoy/tls`, for certificates in `dir`.
fn tls_file(name: &str, dir: &Path) -> Result<Value> {
    let shipped = spec::root().join("envoy/tls").join(name);
    let text = files::read(&shipped)?.replace("/etc/envoy/tls", &dir.display().to_string());
    parse(&shipped, &text)
}

fn cluster<'a>(config: &'a mut Value, name: &str) -> Result<&'a mut Value> {
    let clusters = at(config, "/static_resources/clusters")?;
    let found = clusters
        .as_array_mut()
        .and_then(|list| list.iter_mut().find(|c| c["name"] == name));
    found.ok_or_else(|| Error::Answer {
        what: "the shipped Envoy configuration".into(),
        got: format!("no cluster {name}"),
    })
}

#[cfg(test)]
mod tests;

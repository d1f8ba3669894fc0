//! Who is at which end of a connection. All parts are on loopback, so addresses do not tell them apart: the client is
//! known by the group its process runs as, the server by its port.

use crate::StackSpec;

/// Groups of parts begin here; nobody else has them.
const FIRST_GROUP: u32 = 42_000;

/// A port that a part listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// What it is for.
    Service,
    /// The bus of a Cluster.
    Bus,
}

/// A part's number, 1 to 99; 0 is whoever is no part: the program that drives the stack.
pub fn id(part: &str) -> u8 {
    let (kind, i) = part.rsplit_once('-').unwrap_or((part, "0"));
    let i: u8 = i.parse().unwrap_or(0);
    match kind {
        "redis-state" => 1 + i,
        "redis-cache" => 11 + i,
        "sentinel" => 21 + i,
        "bridge" => 31 + i,
        "envoy" => 41 + i,
        "upstream" => 51,
        _ => 0,
    }
}

/// The number of a part's port: its own, or that of its bus.
pub fn port_id(part: &str, port: Port) -> u8 {
    match port {
        Port::Service => id(part),
        Port::Bus => 100 + id(part),
    }
}

/// The group a part runs as in a network of its stack.
pub(crate) fn group(part: &str) -> u32 {
    FIRST_GROUP + u32::from(id(part))
}

/// All parts, with their ports.
pub(super) fn ports(spec: &StackSpec) -> Vec<(String, Port, u16)> {
    let mut all = Vec::new();
    for i in 0..spec.state_servers() {
        let name = format!("redis-state-{i}");
        all.push((name.clone(), Port::Service, spec.state_port(i)));
        all.push((name, Port::Bus, spec.bus_port(i)));
    }
    all.push(("redis-cache-0".into(), Port::Service, spec.cache_port()));
    for i in 0..3 {
        let sentinel = format!("sentinel-{i}");
        all.push((sentinel, Port::Service, spec.sentinel_port(i)));
    }
    for i in 0..spec.running_bridges() {
        let bridge = format!("bridge-{i}");
        all.push((bridge, Port::Service, spec.bridge_admin_port(i)));
    }
    for i in 0..spec.envoys {
        let envoy = format!("envoy-{i}");
        all.push((envoy.clone(), Port::Service, spec.proxy_port(i)));
        all.push((envoy, Port::Service, spec.envoy_admin_port(i)));
    }
    all.push(("upstream".into(), Port::Service, spec.upstream_port()));
    all
}

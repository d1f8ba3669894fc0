//! How the servers of Redis are, by their own word (`INFO`), as of the last time they were asked.
//!
//! A server is a label, so there are at most as many as [`crate::backend::nodes::MAX_SERVERS`] of each
//! role; one that is known no more is dropped with the next look.

use crate::backend::info;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Servers and what they say; clones share them.
#[derive(Debug, Clone, Default)]
pub struct RedisHealth(Arc<Mutex<HashMap<&'static str, Vec<ServerHealth>>>>);

/// What one server says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ServerHealth {
    /// Its address.
    pub server: String,
    /// It answered.
    pub up: bool,
    /// `INFO`, by field; what it said last when it is not up.
    pub info: HashMap<String, String>,
}

/// A line of `INFO`, under our name. `_bytes` and the like are units.
struct Line {
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    value: fn(&ServerHealth) -> Option<f64>,
}

const LINES: [Line; 23] = [
    gauge(
        "redis_up",
        "Whether the server answered the last look",
        |s| Some(f64::from(u8::from(s.up))),
    ),
    gauge("redis_primary", "Whether it takes writes", |s| {
        s.is("role", "master")
    }),
    gauge(
        "redis_loading",
        "Whether it reads its data from disk",
        |s| s.number("loading"),
    ),
    gauge("redis_memory_used_bytes", "used_memory", |s| {
        s.number("used_memory")
    }),
    gauge("redis_memory_max_bytes", "maxmemory; 0 is none", |s| {
        s.number("maxmemory")
    }),
    gauge(
        "redis_memory_fragmentation_ratio",
        "mem_fragmentation_ratio",
        |s| s.number("mem_fragmentation_ratio"),
    ),
    gauge("redis_connected_clients", "connected_clients", |s| {
        s.number("connected_clients")
    }),
    gauge("redis_maxclients", "maxclients", |s| s.number("maxclients")),
    gauge("redis_blocked_clients", "blocked_clients", |s| {
        s.number("blocked_clients")
    }),
    counter("redis_rejected_connections", "rejected_connections", |s| {
        s.number("rejected_connections")
    }),
    counter("redis_keyspace_hits", "keyspace_hits", |s| {
        s.number("keyspace_hits")
    }),
    counter("redis_keyspace_misses", "keyspace_misses", |s| {
        s.number("keyspace_misses")
    }),
    counter("redis_evicted_keys", "evicted_keys", |s| {
        s.number("evicted_keys")
    }),
    counter("redis_expired_keys", "expired_keys", |s| {
        s.number("expired_keys")
    }),
    counter(
        "redis_commands_processed",
        "total_commands_processed",
        |s| s.number("total_commands_processed"),
    ),
    gauge("redis_connected_replicas", "connected_slaves", |s| {
        s.number("connected_slaves")
    }),
    gauge(
        "redis_replication_lag_seconds",
        "Of a primary: since its replica that is furthest behind last confirmed",
        ServerHealth::lag_s,
    ),
    gauge(
        "redis_replication_behind_bytes",
        "Of a primary: what its replica that is furthest behind has not confirmed",
        ServerHealth::behind,
    ),
    gauge(
        "redis_replication_link_up",
        "Of a replica: whether it follows its primary",
        |s| s.is("master_link_status", "up"),
    ),
    gauge("redis_aof_enabled", "aof_enabled", |s| {
        s.number("aof_enabled")
    }),
    gauge(
        "redis_aof_write_ok",
        "Whether the append-only file was last written well",
        |s| s.is("aof_last_write_status", "ok"),
    ),
    gauge(
        "redis_rdb_save_ok",
        "Whether the last snapshot succeeded",
        |s| s.is("rdb_last_bgsave_status", "ok"),
    ),
    gauge("redis_cluster_ok", "Of a Cluster: cluster_state", |s| {
        s.is("cluster_state", "ok")
    }),
];

impl RedisHealth {
    /// What the servers of `role` say now.
    pub fn set(&self, role: &'static str, servers: Vec<ServerHealth>) {
        self.lock().insert(role, servers);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<&'static str, Vec<ServerHealth>>> {
        // A poisoned lock holds good data: nothing panics under it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for RedisHealth {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let all = self.lock();
        let mut roles: Vec<_> = all.iter().collect();
        roles.sort_by_key(|(role, _)| **role);
        for line in &LINES {
            let mut family = encoder.encode_descriptor(line.name, line.help, None, line.kind)?;
            for (role, servers) in &roles {
                for server in *servers {
                    let Some(value) = (line.value)(server) else {
                        continue;
                    };
                    let labels = [("role", **role), ("server", server.server.as_str())];
                    let mut one = family.encode_family(&labels)?;
                    match line.kind {
                        MetricType::Counter => {
                            one.encode_counter::<NoLabelSet, _, f64>(&value, None)?;
                        }
                        _ => one.encode_gauge(&value)?,
                    }
                }
            }
        }
        Ok(())
    }
}

impl ServerHealth {
    fn number(&self, field: &str) -> Option<f64> {
        self.info.get(field)?.parse().ok()
    }

    fn is(&self, field: &str, wanted: &str) -> Option<f64> {
        let found = self.info.get(field)?;
        Some(f64::from(u8::from(found == wanted)))
    }

    fn lag_s(&self) -> Option<f64> {
        self.of_replicas("lag").reduce(f64::max)
    }

    fn behind(&self) -> Option<f64> {
        let stands = self.number("master_repl_offset")?;
        let confirmed = self.of_replicas("offset").reduce(f64::min)?;
        Some((stands - confirmed).max(0.0))
    }

    /// A field of each `slave0:ip=..,port=..,state=..,offset=..,lag=..`.
    fn of_replicas(&self, wanted: &str) -> impl Iterator<Item = f64> {
        self.info.iter().filter_map(move |(name, value)| {
            info::replica_number(name)?;
            info::field(value, wanted)?.parse().ok()
        })
    }
}

const fn gauge(
    name: &'static str,
    help: &'static str,
    value: fn(&ServerHealth) -> Option<f64>,
) -> Line {
    Line {
        name,
        help,
        kind: MetricType::Gauge,
        value,
    }
}

const fn counter(
    name: &'static str,
    help: &'static str,
    value: fn(&ServerHealth) -> Option<f64>,
) -> Line {
    Line {
        name,
        help,
        kind: MetricType::Counter,
        value,
    }
}

#[cfg(test)]
mod tests;

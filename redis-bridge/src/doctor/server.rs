//! What one server says of itself.

use super::acl::Acl;
use crate::backend::info;
use crate::backend::nodes::Seat;
use std::collections::HashMap;

/// One server, looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where it is.
    pub seat: Seat,
    /// `INFO`, all of its lines.
    pub info: HashMap<String, String>,
    /// `CONFIG GET *`; `None`: whoever looks may not ask.
    pub config: Option<HashMap<String, String>>,
    /// Its clock less a clock that all servers are compared with, microseconds.
    pub clock_us: i64,
    /// By how much `clock_us` may be off.
    pub clock_error_us: i64,
    /// What the bridge's user may do here.
    pub acl: Acl,
}

/// One replica, as its primary sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// `ip:port`.
    pub address: String,
    /// It follows the stream.
    pub online: bool,
    /// Seconds since it last confirmed.
    pub lag_s: u64,
}

impl Server {
    /// A field of `INFO`.
    pub fn info(&self, name: &str) -> Option<&str> {
        self.info.get(name).map(String::as_str)
    }

    /// A number in `INFO`.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.info(name)?.parse().ok()
    }

    /// An option of its configuration.
    pub fn config(&self, name: &str) -> Option<&str> {
        self.config.as_ref()?.get(name).map(String::as_str)
    }

    /// A number in its configuration.
    pub fn setting(&self, name: &str) -> Option<u64> {
        self.config(name)?.parse().ok()
    }

    /// Whether it takes writes.
    pub fn is_primary(&self) -> bool {
        self.info("role") == Some("master")
    }

    /// Its replicas, as far as it is a primary.
    pub fn replicas(&self) -> Vec<Replica> {
        let mut replicas: Vec<_> = self.info.iter().filter_map(replica).collect();
        replicas.sort_by(|a, b| a.address.cmp(&b.address));
        replicas
    }
}

fn replica((name, value): (&String, &String)) -> Option<Replica> {
    info::replica_number(name)?;
    let field = |wanted| info::field(value, wanted);
    Some(Replica {
        address: format!("{}:{}", field("ip")?, field("port")?),
        online: field("state") == Some("online"),
        lag_s: field("lag")?.parse().ok()?,
    })
}

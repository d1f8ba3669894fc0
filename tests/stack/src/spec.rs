//! What a stack is made of: the variables of `make up`, and the ports and files that follow from them.

use crate::clock::Clock;
use crate::own::Own;
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// How the state role of Redis runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedisKind {
    /// One server.
    Standalone,
    /// Three primaries with a replica each.
    Cluster,
    /// One primary, two replicas, three Sentinels.
    Sentinel,
}

/// What stands between client and upstream inside Envoy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// The module of `make wasm`, or `TIDEGATE_WASM`.
    Built,
    /// This module.
    Module(PathBuf),
    /// Nothing: what the benchmarks compare with.
    None,
}

/// What a stack is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackSpec {
    /// Name; its files are in `target/stack/{name}`.
    pub name: String,
    /// Envoy processes, 1..=10.
    pub envoys: u16,
    /// Workers of each Envoy, 1..=64.
    pub workers: u16,
    /// redis-bridge processes, 1..=10.
    pub bridges: u16,
    /// How the state role of Redis runs.
    pub redis: RedisKind,
    /// The policy file; saving it applies it.
    pub policy: PathBuf,
    /// Fault proxies on every link.
    pub faults: bool,
    /// `host:port` of another upstream than the sample one.
    pub upstream: Option<String>,
    /// First port; everything is in `port..port + 100` on 127.0.0.1.
    pub port: u16,
    /// The module.
    pub filter: Filter,
    /// Parts whose wall clock is wrong.
    pub clocks: Vec<Clock>,
    /// Envoys and bridges speak mutual TLS over TCP, not through sockets and no fault proxy, with the files in
    /// this directory: `bridge.pem` and `.key`, `envoy.pem` and `.key`, `bridge-ca.pem` for Envoys, `envoy-ca.pem`
    /// for bridges. No token then.
    pub tls: Option<PathBuf>,
    /// Envoys can be restarted hot.
    pub hot: bool,
    /// Envoys end each stream to a bridge after so many milliseconds (`max_stream_duration`).
    pub stream_ms: Option<u32>,
    /// What is the stack's and not the machine's.
    pub own: Own,
    /// Guards that are off in the filter and the bridges: these are the ones in `target/unguarded` then, which
    /// `tests/scripts/unguarded.sh` builds.
    pub unguarded: Vec<&'static str>,
}

impl StackSpec {
    /// The defaults: one Envoy with two workers, two bridges, standalone Redis, the sample policy.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            envoys: 1,
            workers: 2,
            bridges: 2,
            redis: RedisKind::Standalone,
            policy: root().join("envoy/policy.yaml"),
            faults: false,
            upstream: None,
            port: 10_000,
            filter: Filter::Built,
            clocks: Vec::new(),
            tls: None,
            hot: false,
            stream_ms: None,
            own: Own::default(),
            unguarded: Vec::new(),
        }
    }

    /// Reads `STACK`, `ENVOYS`, `WORKERS`, `BRIDGES`, `REDIS`, `POLICY`, `FAULTS`, `UPSTREAM`, `PORT` and
    /// `FILTER` with `get`; absent or empty means the default.
    ///
    /// # Errors
    /// [`Error::Spec`] names the variable and what it may hold.
    pub fn from_vars(get: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let get = |name: &str| get(name).filter(|value| !value.is_empty());
        let mut spec = Self::new(get("STACK").unwrap_or_else(|| "default".into()));
        if !is_name(&spec.name) {
            return refuse("STACK", format!("must be [a-z0-9-]+, got {:?}", spec.name));
        }
        spec.envoys = number(&get, "ENVOYS", spec.envoys, 1, 10)?;
        spec.workers = number(&get, "WORKERS", spec.workers, 1, 64)?;
        spec.bridges = number(&get, "BRIDGES", spec.bridges, 1, 10)?;
        spec.port = number(&get, "PORT", spec.port, 1_024, 65_400)?;
        spec.redis = match get("REDIS").as_deref() {
            None | Some("standalone") => RedisKind::Standalone,
            Some("cluster") => RedisKind::Cluster,
            Some("sentinel") => RedisKind::Sentinel,
            Some(other) => {
                let reason = format!("must be standalone, cluster or sentinel, got {other:?}");
                return refuse("REDIS", reason);
            }
        };
        spec.faults = match get("FAULTS").as_deref() {
            None | Some("off") => false,
            Some("on") => true,
            Some(other) => return refuse("FAULTS", format!("must be on or off, got {other:?}")),
        };
        spec.filter = match get("FILTER").as_deref() {
            None => Filter::Built,
            Some("none") => Filter::None,
            Some(path) => Filter::Module(path.into()),
        };
        if let Some(policy) = get("POLICY") {
            // Others of this stack's processes have another working directory.
            spec.policy = std::path::absolute(&policy)
                .map_err(Error::io(format!("POLICY: find {policy}")))?;
        }
        spec.upstream = get("UPSTREAM");
        if let Some(upstream) = &spec.upstream
            && split_host_port(upstream).is_none()
        {
            return refuse("UPSTREAM", format!("must be host:port, got {upstream:?}"));
        }
        Ok(spec)
    }

    /// Port of Envoy `i` as clients see it.
    pub fn proxy_port(&self, i: u16) -> u16 {
        self.port + i
    }

    /// Port Envoy `i` itself listens on: another one when a fault proxy stands in front of it.
    pub fn listener_port(&self, i: u16) -> u16 {
        if self.faults {
            self.port + 10 + i
        } else {
            self.proxy_port(i)
        }
    }

    /// Port of Envoy `i`'s admin listener.
    pub fn envoy_admin_port(&self, i: u16) -> u16 {
        self.port + 20 + i
    }

    /// Port of bridge `i`'s data listener, with [`StackSpec::tls`].
    pub fn bridge_data_port(&self, i: u16) -> u16 {
        self.port + 30 + i
    }

    /// Port of bridge `i`'s admin listener.
    pub fn bridge_admin_port(&self, i: u16) -> u16 {
        self.port + 40 + i
    }

    /// Cluster bus port of state server `i`. Not the usual +10000, which could be another stack's.
    pub fn bus_port(&self, i: u16) -> u16 {
        self.port + 50 + i
    }

    /// Port of state server `i`.
    pub fn state_port(&self, i: u16) -> u16 {
        self.port + 60 + i
    }

    /// Port of Sentinel `i`.
    pub fn sentinel_port(&self, i: u16) -> u16 {
        self.port + 66 + i
    }

    /// Port of the cache server.
    pub fn cache_port(&self) -> u16 {
        self.port + 70
    }

    /// Port of the fault proxy in front of state server `i`.
    pub fn state_fault_port(&self, i: u16) -> u16 {
        self.port + 71 + i
    }

    /// Port of the fault proxy in front of the cache server.
    pub fn cache_fault_port(&self) -> u16 {
        self.port + 78
    }

    /// Port of the sample upstream.
    pub fn upstream_port(&self) -> u16 {
        self.port + 80
    }

    /// Port of the fault proxy's control API.
    pub fn faults_port(&self) -> u16 {
        self.port + 90
    }

    /// How many bridges run: without a filter nothing would ask them.
    pub fn running_bridges(&self) -> u16 {
        if self.filter == Filter::None {
            0
        } else {
            self.bridges
        }
    }

    /// How many state servers there are.
    pub fn state_servers(&self) -> u16 {
        match self.redis {
            RedisKind::Standalone => 1,
            RedisKind::Sentinel => 3,
            RedisKind::Cluster => 6,
        }
    }

    /// `host` and `port` of the upstream.
    pub fn upstream_address(&self) -> (String, u16) {
        self.upstream
            .as_deref()
            .and_then(split_host_port)
            .unwrap_or_else(|| ("127.0.0.1".into(), self.upstream_port()))
    }

    /// What tells a filter or a bridge which guards are off; nothing when all are on.
    pub fn unguarded_env(&self) -> Option<(String, String)> {
        let any = !self.unguarded.is_empty();
        any.then(|| (UNGUARDED.to_owned(), self.unguarded.join(",")))
    }

    /// Where this stack's files are.
    pub fn dir(&self) -> PathBuf {
        root().join("target/stack").join(&self.name)
    }
}

/// The variable that `src/guard.rs` of the filter and of the bridge read.
pub const UNGUARDED: &str = "TIDEGATE_UNGUARDED";

/// A program or module whose guards can be switched off.
///
/// # Errors
/// [`Error::Missing`] when it was not built.
pub fn unguarded(name: &'static str) -> Result<PathBuf> {
    let path = root().join("target/unguarded").join(name);
    let missing = || Error::Missing {
        what: name,
        mend: "tests/scripts/unguarded.sh".into(),
    };
    path.is_file().then_some(path).ok_or_else(missing)
}

/// The root of the repository this program was built from.
pub fn root() -> &'static Path {
    // tests/stack is two levels down, so both parents exist.
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().and_then(Path::parent).unwrap_or(here)
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn split_host_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok()?;
    (!host.is_empty() && port != 0).then(|| (host.into(), port))
}

fn number(
    get: &impl Fn(&str) -> Option<String>,
    variable: &'static str,
    default: u16,
    low: u16,
    high: u16,
) -> Result<u16> {
    let Some(text) = get(variable) else {
        return Ok(default);
    };
    match text.parse::<u16>() {
        Ok(value) if (low..=high).contains(&value) => Ok(value),
        _ => refuse(
            variable,
            format!("must be a number in {low}..={high}, got {text:?}"),
        ),
    }
}

fn refuse<T>(variable: &'static str, reason: String) -> Result<T> {
    Err(Error::Spec { variable, reason })
}

#[cfg(test)]
mod tests;

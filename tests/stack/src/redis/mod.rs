//! The Redis servers of a stack: what to launch for each role, and when they are ready.

mod client;
mod monitor;
mod topology;

pub use client::{Reply, Server};
pub use monitor::Monitor;
pub use topology::make_ready;

use crate::files::{self, Files};
use crate::proc::Launch;
use crate::{Result, StackSpec, own, spec};
use std::fs;

/// The user the bridges log in as.
pub const USER: &str = "tidegate-bridge";

/// How to start server `i` of the state role.
///
/// # Errors
/// When its directory or ACL file cannot be written.
pub fn state(spec: &StackSpec, files: &Files, i: u16, acl: &str) -> Result<Launch> {
    let mut extra = Vec::new();
    if spec.redis == spec::RedisKind::Cluster {
        extra.extend([
            ["--cluster-enabled", "yes"].map(String::from),
            ["--cluster-node-timeout".into(), "2000".into()],
            ["--cluster-port".into(), spec.bus_port(i).to_string()],
            // Tests read the slots of shards that still answer while another has no primary.
            ["--cluster-require-full-coverage", "no"].map(String::from),
        ]);
        if spec.faults {
            extra.push([
                "--cluster-announce-port".into(),
                spec.state_fault_port(i).to_string(),
            ]);
        }
    }
    if spec.redis == spec::RedisKind::Sentinel {
        if spec.faults {
            extra.extend([
                ["--replica-announce-ip", "127.0.0.1"].map(String::from),
                [
                    "--replica-announce-port".into(),
                    spec.state_fault_port(i).to_string(),
                ],
            ]);
        }
        if i > 0 {
            extra.push([
                "--replicaof".into(),
                format!("127.0.0.1 {}", bridge_side_port(spec, 0)),
            ]);
        }
    }
    server(
        files,
        &format!("redis-state-{i}"),
        "state.conf",
        spec.state_port(i),
        acl,
        extra,
    )
}

/// How to start the server of the cache role.
///
/// # Errors
/// When its directory or ACL file cannot be written.
pub fn cache(spec: &StackSpec, files: &Files, acl: &str) -> Result<Launch> {
    server(
        files,
        "redis-cache-0",
        "cache.conf",
        spec.cache_port(),
        acl,
        Vec::new(),
    )
}

/// How to start Sentinel `i`.
///
/// # Errors
/// When its directory or configuration cannot be written.
pub fn sentinel(spec: &StackSpec, files: &Files, i: u16) -> Result<Launch> {
    let name = format!("sentinel-{i}");
    let dir = files.dir().join(&name);
    fs::create_dir_all(&dir).map_err(crate::Error::io(format!("create {}", dir.display())))?;
    let file = dir.join("sentinel.conf");
    let text = format!(
        "port {}\nbind 127.0.0.1\ndir {}\nsentinel monitor mymaster 127.0.0.1 {} 2\n\
         sentinel down-after-milliseconds mymaster 2000\nsentinel failover-timeout mymaster 6000\n\
         sentinel parallel-syncs mymaster 1\n",
        spec.sentinel_port(i),
        dir.display(),
        bridge_side_port(spec, 0),
    );
    files::write_private(&file, text.as_bytes())?;
    Ok(Launch {
        log: files.log(&name),
        name,
        program: "redis-server".into(),
        args: vec![file.display().to_string(), "--sentinel".into()],
        ..Launch::default()
    })
}

/// The state role as the bridge is told of it.
pub fn state_url(spec: &StackSpec) -> String {
    let host = if spec.own.names {
        own::NAME
    } else {
        "127.0.0.1"
    };
    let list = |ports: Vec<u16>| {
        let all: Vec<String> = ports.iter().map(|p| format!("{host}:{p}")).collect();
        all.join(",")
    };
    let servers = || {
        (0..spec.state_servers())
            .map(|i| bridge_side_port(spec, i))
            .collect()
    };
    match spec.redis {
        spec::RedisKind::Standalone => format!("redis://{}", list(servers())),
        spec::RedisKind::Cluster => format!("redis-cluster://{}", list(servers())),
        spec::RedisKind::Sentinel => {
            let sentinels = (0..3).map(|i| spec.sentinel_port(i)).collect();
            format!("redis-sentinel://{}/mymaster", list(sentinels))
        }
    }
}

/// The cache role as the bridge is told of it.
pub fn cache_url(spec: &StackSpec) -> String {
    let port = if spec.faults {
        spec.cache_fault_port()
    } else {
        spec.cache_port()
    };
    format!("redis://127.0.0.1:{port}")
}

/// The shipped ACL with this stack's password and namespace, and with a default user for tests and for
/// people with a `redis-cli`.
///
/// # Errors
/// When the shipped file cannot be read.
pub fn acl(password: &str, namespace: &str) -> Result<String> {
    let shipped = files::read(&spec::root().join("envoy/redis/users.acl"))?;
    Ok(shipped
        .replace("user default off", "user default on nopass ~* &* +@all")
        .replace(">change-me", &format!(">{password}"))
        .replace("tg:", &format!("{namespace}:")))
}

fn bridge_side_port(spec: &StackSpec, i: u16) -> u16 {
    if spec.faults {
        spec.state_fault_port(i)
    } else {
        spec.state_port(i)
    }
}

fn server(
    files: &Files,
    name: &str,
    config: &str,
    port: u16,
    acl: &str,
    extra: Vec<[String; 2]>,
) -> Result<Launch> {
    let dir = files.dir().join(name);
    fs::create_dir_all(&dir).map_err(crate::Error::io(format!("create {}", dir.display())))?;
    let users = dir.join("users.acl");
    files::write_private(&users, acl.as_bytes())?;
    // A copy: Sentinels have the servers they reconfigure write down what they are now (CONFIG REWRITE).
    let shipped = files::read(&spec::root().join("envoy/redis").join(config))?;
    let file = dir.join("redis.conf");
    files::replace(&file, shipped.as_bytes())?;
    let mut args = vec![
        file.display().to_string(),
        "--port".into(),
        port.to_string(),
        "--dir".into(),
        dir.display().to_string(),
        "--aclfile".into(),
        users.display().to_string(),
        // Tests put a server to sleep and look at its internals.
        "--enable-debug-command".into(),
        "local".into(),
    ];
    args.extend(extra.into_iter().flatten());
    Ok(Launch {
        name: name.into(),
        program: "redis-server".into(),
        args,
        log: files.log(name),
        ..Launch::default()
    })
}

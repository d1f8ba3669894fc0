//! Checking a policy file and swapping it in.

use crate::files::{self, Files};
use crate::{Error, Result};
use redis_bridge::check::{Found, Problem};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// A policy that may go into an Envoy.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// As Envoy is given it.
    pub value: Value,
    /// First segment of every Redis key.
    pub namespace: String,
    /// What a worker that runs it tells the bridges, hex.
    pub digest: String,
    /// How many policies, limits and caches it has.
    pub counts: [usize; 3],
}

/// Reads and checks a policy file as `redis-bridge check` does, with the very code that Envoy will run.
///
/// # Errors
/// [`Error::Policy`] with the place and the reason of each mistake.
pub fn check(file: &Path) -> Result<Policy> {
    let wrong = |reason| Error::Policy {
        file: file.into(),
        reason,
    };
    let read = redis_bridge::check::read(&files::read(file)?, "");
    let mut found = read.map_err(|errors| {
        let lines: Vec<_> = errors.problems.iter().map(Problem::to_string).collect();
        wrong(lines.join("\n"))
    })?;
    let whole = found.found.pop().filter(|found| found.place.is_empty());
    let Some(Found { json, config, .. }) = whole else {
        return Err(wrong("a policy, and nothing around it".to_owned()));
    };
    let value = serde_json::from_str(&json).map_err(|e| wrong(e.to_string()))?;
    Ok(Policy {
        counts: [
            config.policies.len(),
            config.limits.len(),
            config.caches.len(),
        ],
        namespace: config.namespace,
        digest: config.digest,
        value,
    })
}

/// Copies a module to a name made of its digest, so that another module is another configuration to Envoy.
///
/// # Errors
/// When it cannot be read or written.
pub fn store_module(files: &Files, module: &Path) -> Result<PathBuf> {
    let bytes = fs::read(module).map_err(Error::io(format!("read {}", module.display())))?;
    let path = files
        .modules()
        .join(format!("{}.wasm", &digest(&bytes)[..16]));
    files::replace(&path, &bytes)?;
    Ok(path)
}

/// Hex SHA-256.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut out, byte| {
            // Writing to a String cannot fail.
            let _ok = write!(out, "{byte:02x}");
            out
        })
}

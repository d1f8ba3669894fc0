//! Checking a policy file and swapping it in.

use crate::files::{self, Files};
use crate::{Error, Result, envoy};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// A policy that may go into an Envoy.
#[derive(Debug, Clone)]
pub struct Policy {
    /// As Envoy is given it.
    pub value: Value,
    /// First segment of every Redis key.
    pub namespace: String,
}

/// Reads and checks a policy file.
///
/// # Errors
/// [`Error::Policy`] with the place and the reason of each mistake.
pub fn check(file: &Path) -> Result<Policy> {
    let value = envoy::parse(file, &files::read(file)?)?;
    let refuse = |reason: &str| {
        Err(Error::Policy {
            file: file.into(),
            reason: reason.into(),
        })
    };
    if !value.is_object() {
        return refuse("a policy is a mapping");
    }
    let Some(namespace) = value.get("namespace").and_then(Value::as_str) else {
        return refuse("namespace: missing");
    };
    Ok(Policy {
        namespace: namespace.into(),
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

/// Puts `policy` into `module` for every Envoy of the stack: one move, which they notice.
///
/// # Errors
/// When the file cannot be written.
pub fn swap(files: &Files, policy: &Policy, module: &Path) -> Result<()> {
    let answer = envoy::ecds::make(&policy.value, module)?;
    files::replace(&files.policy(), policy.value.to_string().as_bytes())?;
    files::replace(&files.ecds_file(), answer.to_string().as_bytes())
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

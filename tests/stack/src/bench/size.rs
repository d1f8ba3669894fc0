//! How large the module is, on disk and in memory.

use super::{Lab, Row};
use crate::usage;
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Sizes of the module, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Module {
    /// As built.
    pub(super) built: u64,
    /// After `wasm-opt -O3`, when there is one on PATH.
    pub(super) optimised: Option<u64>,
}

/// Memory of one Envoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Memory {
    /// In RAM, bytes.
    pub(super) rss: u64,
    /// Wasm VMs it has: the main thread's and its worker's, and one that compiled.
    pub(super) vms: u64,
}

/// Measures the module.
///
/// # Errors
/// When it cannot be read, or `wasm-opt` refuses it.
pub(super) fn module(path: &Path) -> Result<Module> {
    Ok(Module {
        built: length(path)?,
        optimised: optimise(path)?.map(|path| length(&path)).transpose()?,
    })
}

/// Measures the row's Envoy.
///
/// # Errors
/// When it does not answer.
pub(super) fn memory(lab: &Lab, row: Row) -> Result<Memory> {
    let stats = lab.stats(row)?;
    Ok(Memory {
        rss: usage::rss(lab.pid(row)?)?,
        vms: stats
            .get("wasm.envoy.wasm.runtime.v8.active")
            .copied()
            .unwrap_or(0),
    })
}

fn optimise(module: &Path) -> Result<Option<PathBuf>> {
    let out = module.with_extension("opt.wasm");
    let done = Command::new("wasm-opt")
        .args(["-O3", "--all-features"])
        .arg(module)
        .arg("-o")
        .arg(&out)
        .output();
    match done {
        Ok(output) if output.status.success() => Ok(Some(out)),
        Ok(output) => Err(Error::Answer {
            what: format!("wasm-opt {}", module.display()),
            got: String::from_utf8_lossy(&output.stderr).into_owned(),
        }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io("run wasm-opt")(e)),
    }
}

fn length(path: &Path) -> Result<u64> {
    let data = std::fs::metadata(path).map_err(Error::io(format!("read {}", path.display())))?;
    Ok(data.len())
}

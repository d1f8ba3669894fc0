//! Which Envoy to run.

use crate::{Error, Result, spec};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The version everything is tested with.
const VERSION: &str = "/1.40.";

/// `TIDEGATE_ENVOY`, the one `make setup` installed, or an `envoy` 1.40 on PATH.
///
/// # Errors
/// [`Error::Missing`] when there is none.
pub fn find() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("TIDEGATE_ENVOY") {
        return Ok(path.into());
    }
    let installed = spec::root().join("target/venv/bin/envoy");
    if installed.is_file() {
        return Ok(installed);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|dir| dir.join("envoy"))
        .find(|p| is_ours(p));
    found.ok_or_else(|| Error::Missing {
        what: "Envoy 1.40",
        mend: "make setup, or set TIDEGATE_ENVOY to its path".into(),
    })
}

fn is_ours(path: &Path) -> bool {
    let output = || Command::new(path).arg("--version").output().ok();
    path.is_file() && output().is_some_and(|o| String::from_utf8_lossy(&o.stdout).contains(VERSION))
}

//! The file Envoy takes the filter from: the shipped `envoy/ecds/tidegate.yaml` with another policy and
//! another module.

use super::{at, parse};
use crate::{Result, files, spec};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const CONFIG: &str = "/resources/0/typed_config/config";

/// The discovery answer that puts `policy` into `module`.
///
/// # Errors
/// When the shipped file lacks something that must be changed.
pub fn make(policy: &Value, module: &Path) -> Result<Value> {
    let mut answer = shipped()?;
    *at(
        &mut answer,
        &format!("{CONFIG}/vm_config/code/local/filename"),
    )? = json!(module);
    *at(&mut answer, &format!("{CONFIG}/configuration/value"))? = policy.clone();
    Ok(answer)
}

/// The same for a module whose guards can be switched off: it may read which are.
///
/// # Errors
/// As [`make`].
pub fn make_unguarded(policy: &Value, module: &Path) -> Result<Value> {
    let mut answer = make(policy, module)?;
    let keys = format!("{CONFIG}/vm_config/environment_variables/host_env_keys");
    if let Some(keys) = at(&mut answer, &keys)?.as_array_mut() {
        keys.push(json!(spec::UNGUARDED));
    }
    Ok(answer)
}

/// The policy inside a discovery answer.
///
/// # Errors
/// When there is none.
pub fn policy(mut answer: Value) -> Result<Value> {
    Ok(at(&mut answer, &format!("{CONFIG}/configuration/value"))?.take())
}

/// The module inside a discovery answer.
///
/// # Errors
/// When there is none.
pub fn module(mut answer: Value) -> Result<PathBuf> {
    let name = at(
        &mut answer,
        &format!("{CONFIG}/vm_config/code/local/filename"),
    )?;
    Ok(name.as_str().unwrap_or_default().into())
}

/// The shipped file.
///
/// # Errors
/// When it cannot be read.
pub fn shipped() -> Result<Value> {
    let path = spec::root().join("envoy/ecds/tidegate.yaml");
    parse(&path, &files::read(&path)?)
}

#[cfg(test)]
mod tests;

//! The Envoys of a stack: their configuration, made from the shipped files, and their statistics.

mod binary;
pub mod bootstrap;
pub mod ecds;
mod stats;
mod yaml;

pub use binary::find;
pub use stats::{Swaps, compare, listening, stats, swaps};
pub use yaml::{at, parse};

use crate::bridge::Secrets;
use crate::files::Files;
use crate::proc::Launch;
use crate::{Result, StackSpec, files};

/// How to start Envoy `i`; writes its bootstrap.
///
/// # Errors
/// When Envoy is missing, or the shipped configuration is not what the generator expects.
pub fn launch(spec: &StackSpec, files: &Files, secrets: &Secrets, i: u16) -> Result<Launch> {
    let name = format!("envoy-{i}");
    let bootstrap = files.bootstrap(i);
    let text = bootstrap::make(spec, files, i)?.to_string();
    files::write_private(&bootstrap, text.as_bytes())?;
    let args = [
        "--config-path",
        &bootstrap.display().to_string(),
        "--concurrency",
        &spec.workers.to_string(),
        // Several Envoys share this machine; hot restart would need an id for each in shared memory.
        "--disable-hot-restart",
        "--log-level",
        "info",
        "--drain-time-s",
        "1",
        "--parent-shutdown-time-s",
        "2",
    ];
    Ok(Launch {
        log: files.log(&name),
        name,
        program: find()?,
        args: args.map(String::from).to_vec(),
        env: secrets.envoy_env(),
        dir: None,
    })
}

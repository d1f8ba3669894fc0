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
use crate::stack::hot;
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
    let mut args = [
        "--config-path",
        &bootstrap.display().to_string(),
        "--concurrency",
        &spec.workers.to_string(),
        "--log-level",
        "info",
        "--drain-time-s",
        "1",
        "--parent-shutdown-time-s",
        "2",
    ]
    .map(String::from)
    .to_vec();
    args.extend(hot::args(spec, i));
    Ok(Launch {
        log: files.log(&name),
        name,
        program: find()?,
        args,
        env: secrets
            .envoy_env()
            .into_iter()
            .chain(spec.unguarded_env())
            .collect(),
        ..Launch::default()
    })
}

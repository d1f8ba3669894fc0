//! The configuration people write, and why one is refused.
//!
//! It arrives as JSON, or as a `google.protobuf.Struct`, into which Envoy turns the YAML of a filter's
//! `configuration`; in that every number is a double and the order of keys is lost. [`parse`] reads it in three steps: bytes to a tree (bounded in size, depth and
//! number of values; a name given twice is an error), tree to the types of [`raw`] (each with its place),
//! those to [`crate::policy::Config`]. Each step goes on after a mistake where it can, so one pass
//! reports what it finds, not what it finds first.

mod at;
mod compile;
mod digest;
mod error;
mod field;
pub mod raw;
mod read;
mod scalar;
#[cfg(feature = "schema")]
mod schema;
mod structpb;
mod tree;

#[cfg(test)]
mod tests;

pub use error::{ConfigError, Errors};
pub use field::Field;
pub use scalar::{Duration, Percent, Size, Whole, Window};
#[cfg(feature = "schema")]
pub use schema::{Draft, json_schema};

pub use compile::zones;

use crate::policy;
use at::{At, Report};
use read::Read as _;

/// Largest configuration that is read, bytes.
pub const MAX_INPUT: usize = 4 << 20;

/// Reads, checks and compiles a configuration.
///
/// # Errors
/// All mistakes that could be found in one pass, each with its place and reason.
pub fn parse(json: &[u8]) -> Result<policy::Config, Errors> {
    let report = Report::default();
    let compiled = read(json, &At::root(&report));
    report.finish(compiled)
}

fn read(json: &[u8], at: &At<'_>) -> Option<policy::Config> {
    let tree = tree::read(json, at)?;
    let raw = raw::Config::read(&tree, at)?;
    let mut config = compile::config(&raw, at)?;
    config.digest = digest::hex(&tree);
    Some(config)
}

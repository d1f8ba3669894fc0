//! tidegate's bridge: the only part that knows Redis.

pub mod admin;
pub mod backend;
pub mod check;
pub mod cli;
pub mod contain;
pub mod core;
pub mod doctor;
pub mod files;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod grpc;
mod guard;
pub mod handle;
pub mod listener;
pub mod log;
pub mod metrics;
pub mod model;
pub mod owner;
pub mod policy;
pub mod pubsub;
pub mod purge;
pub mod repeat;
pub mod script;
pub mod secrets;
pub mod serve;
pub mod shutdown;
pub mod spans;
pub mod time;
pub mod vault;

/// Version of the bridge.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A random number for jitter and names: not for secrets. 0 when the system has no randomness.
pub(crate) fn random_u64() -> u64 {
    getrandom::u64().unwrap_or(0)
}

//! Filter, bridge and a model of Redis in one deterministic simulation, in the spirit of
//! FoundationDB's and TigerBeetle's (one seed, virtual time, faults on every link, the real state
//! machines) and of quinn's `Pair` (two sans-I/O machines on one bus).
//!
//! ```text
//! clients -> Envoy host layer [tidegate::stream + tidegate::vm] x workers -> streams
//!                   |                                                          |
//!                origin                        [redis_bridge::core] x 2 -> [model Redis]
//! ```
//!
//! What is simulated: the host layer, the links, the bridge's shell, Redis as a process. What is real:
//! the filter, the bridge's core, the scripts' arithmetic. A run has three phases: faults; everything
//! healed, where requests must succeed again within a bound; quiet, where all that is held must be
//! given up and the end state is compared with what was seen on the way.
//!
//! `TIDEGATE_SIM_SEED=n cargo test -p tidegate-sim` replays one seed; `TIDEGATE_SIM_SEEDS=n` says how
//! many are tried.

pub mod account;
pub mod admin;
pub mod bridge;
pub mod check;
pub mod client;
pub mod fault;
pub mod host;
pub mod marks;
pub mod mutant;
pub mod net;
pub mod options;
pub mod origin;
pub mod policy;
pub mod queue;
pub mod redis;
pub mod request;
pub mod rng;
pub mod told;
pub mod trace;
pub mod world;

pub use marks::Marks;
pub use options::{Fault, Mutant, Options};
pub use world::{Report, World};

/// Runs a simulation to its end.
pub fn run(options: Options) -> Report {
    World::new(options).run()
}

#[cfg(test)]
mod tests;

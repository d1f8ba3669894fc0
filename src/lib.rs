//! tidegate's filter: the policy of a fleet as a sans-I/O state machine, and the thin layer that runs
//! it inside Envoy.
//!
//! Nothing in this crate opens a socket, reads a clock or draws a random number, except `host`, which
//! exists in the wasm module only. Everything else takes time and randomness as arguments and is
//! linked natively by the bridge (which shares [`wire`], [`config`] and the token format) and by tests.
//!
//! | module | what it knows |
//! |---|---|
//! | [`config`] | the YAML/JSON people write, and why a file is refused |
//! | [`policy`] | the same, compiled: what a request is checked against |
//! | [`http`] | header maps, cookies, paths, structured fields, problem+json |
//! | [`session`] | tokens, and what is told to the upstream |
//! | [`limit`] | subjects, RateLimit fields, the models of the Lua scripts |
//! | [`cache`] | RFC 9111: what may be stored, and what may be answered from store |
//! | [`wire`] | the RESP that travels between filter and bridge |
//! | [`exchange`] | streams to the bridges: correlation, deadlines, fail-over, breaker |
//! | [`stream`] | one request's life: inputs in, verdict and effects out |
//! | `host` | proxy-wasm: host calls, contexts, metrics (wasm only) |

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::string_slice
    )
)]

pub mod cache;
pub mod config;
pub mod exchange;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod guard;
pub mod http;
pub mod limit;
pub mod metrics;
mod order;
pub mod policy;
pub mod session;
pub mod stream;
pub mod vm;
pub mod wire;

#[cfg(target_arch = "wasm32")]
mod host;

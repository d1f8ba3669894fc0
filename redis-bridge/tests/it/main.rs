//! The scripts and the core against a real Redis.

mod ask;
mod both;
mod conformance;
mod differential;
mod differential_limits;
mod differential_sessions;
mod limits;
mod limits_all;
#[path = "../ports/mod.rs"]
mod ports;
mod production;
mod properties;
mod redis;

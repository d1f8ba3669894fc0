//! The scripts and the core against a real Redis.

mod both;
mod differential;
mod differential_limits;
mod limits;
mod production;
mod redis;

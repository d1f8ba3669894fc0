//! The bridge as a process, on a real Redis (or one that lies), spoken to over its sockets.

mod admin;
mod batching;
mod data_tls;
mod doctor;
mod fake_redis;
mod faults;
mod h2_abuse;
mod harness;

mod life;
mod limits;
mod monitoring;
mod overload;
#[path = "../ports/mod.rs"]
mod ports;
mod pubsub;
mod refusals;
mod slow_readers;
mod spans;
mod stream;
mod tls;
mod topology;
mod unary;

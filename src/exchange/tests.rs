//! The client against bridges that are played, in virtual time.

mod bounds;
mod failover;
mod handshake;
mod harness;
mod lifetimes;
mod overload;
mod properties;
mod recovery;
mod resets;
mod silence;

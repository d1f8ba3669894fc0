//! Limits, the filter's half: whom a limit counts, and what a client is told about it.

pub mod subject;

pub use subject::{Subject, subject};

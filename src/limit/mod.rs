//! Limits, the filter's half: whom a limit counts, and what a client is told about it.

pub mod client_ip;
pub mod cost;
pub mod denied;
pub mod fields;
pub mod key;
pub mod lease;
pub mod local;
pub mod subject;
mod take;

pub use client_ip::{Client, ClientKey};
pub use denied::{Denied, DeniedKeys};
pub use key::{Missing, RequestView, SessionKey};
pub use lease::Leases;
pub use local::{LocalLimits, LocalTake};
pub use subject::{Subject, subject};

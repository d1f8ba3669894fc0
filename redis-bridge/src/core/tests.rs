//! The core against a model Redis.

mod cache;
mod exchanges;
mod fills;
mod holds;
mod limits;
mod options;
mod overload;
mod props;
pub(super) mod rig;
mod session_durable;
mod session_masters;
mod session_verbs;
mod sessions;
mod streams;
mod traces;

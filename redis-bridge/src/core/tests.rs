//! The core against a model Redis.

mod cache;
mod exchanges;
mod limits;
mod props;
mod rig;
mod sessions;
mod streams;

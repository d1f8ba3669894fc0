//! tidegate's bridge: the only part that knows Redis.

pub mod check;
pub mod core;
pub mod model;
pub mod script;
pub mod vault;

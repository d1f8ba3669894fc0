//! Faults on real processes under load, and what must hold meanwhile.
//!
//! ```text
//! Row (a fault, what may come of it)
//!   -> Trial: a stack of 3 Envoys, 2 bridges and Redis, open-loop load, operators who end sessions and purge
//!   -> History: every request and every act, on one clock
//!   -> oracle: the invariants, checked on it
//!   -> Report -> FAULTS.md
//! ```
//!
//! `make chaos` runs all rows and writes the table; a few rows, drawn anew each time, are part of `make test`.

pub mod elsewhere;
pub mod group;
pub mod history;
pub mod load;
pub mod metastable;
pub mod need;
pub mod operator;
pub mod oracle;
pub mod policy;
pub mod processor;
pub mod report;
pub mod row;
pub mod rows;
pub mod settings;
pub mod table;
pub mod trial;

/// A seed that differs from run to run.
pub fn seed() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
}

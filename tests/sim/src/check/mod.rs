//! Checkers: the invariants of specs/invariants.md, each on what the simulated world sees.

pub mod change;
pub mod denied;
mod end;
pub mod exchange;
pub mod forget;
pub mod lease;
pub mod limit;
pub mod session;
mod settle;
mod verdict;

//! Checkers: the invariants of specs/invariants.md, each on what the simulated world sees.

mod denied;
mod end;
pub mod exchange;
pub mod limit;
pub mod session;
mod verdict;

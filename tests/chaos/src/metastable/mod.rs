//! Metastable failures: a trigger passes, and the failure stays, because something that is meant to help keeps it
//! alive (Bronson et al., HotOS'21). Each scenario is run with its guard and without: with it the goodput is back in its
//! time; without it, it is not, or the scenario proves nothing.
//!
//! Visitors arrive at a constant rate the whole time. What a visitor does about a failure is part of the scenario.

pub mod bed;
pub mod goodput;
pub mod origin;
pub mod results;
mod scenarios;
pub mod visitors;

pub use bed::{Arrangement, Bed, Terms, run};
pub use scenarios::all;

use std::time::Duration;
use tidegate_stack::Result;

/// One scenario.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its id in the list of faults.
    pub id: &'static str,
    /// What happens, and passes.
    pub trigger_is: &'static str,
    /// What is asked for.
    pub load: &'static str,
    /// What ends the loop.
    pub guard: &'static str,
    /// What a trial is made of, with the guard and without.
    pub arrange: fn(guarded: bool) -> Arrangement,
    /// Makes the trigger; it is over when this returns.
    pub trigger: fn(&mut Bed) -> Result<()>,
    /// When all must be as before, counted from the end of the trigger.
    pub recovery: Duration,
}

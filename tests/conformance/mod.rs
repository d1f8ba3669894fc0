//! What limits do, as data: one table of cases for everything that counts, the Rust model, the scripts on
//! a standalone Redis and on a Cluster, and the whole stack behind a proxy. Included by path; depends on
//! nothing.
//!
//! Times are milliseconds from the start of the case, and far enough apart for a real clock: a driver in
//! real time starts a case at a multiple of `align_ms`, adds its own slack to the bounds on times, and
//! runs only what [`Case::is_plain`] (the filter sends the other options by itself).

#[path = "cases/buckets.rs"]
mod buckets;
mod make;
#[path = "cases/several.rs"]
mod several;
#[path = "cases/windows.rs"]
mod windows;

/// All cases.
pub(crate) fn cases() -> impl Iterator<Item = &'static Case> {
    let all = [windows::CASES, buckets::CASES, several::CASES];
    all.into_iter().flatten()
}

/// One sequence of steps on fresh subjects.
#[derive(Debug)]
pub(crate) struct Case {
    /// What it shows.
    pub(crate) name: &'static str,
    /// It starts when Redis' clock is at a multiple of this; 1: any time.
    pub(crate) align_ms: u64,
    /// In order of time.
    pub(crate) steps: &'static [Step],
}

/// What happens at a time.
#[derive(Debug)]
pub(crate) struct Step {
    /// Since the start of the case.
    pub(crate) at_ms: u64,
    /// What is done.
    pub(crate) act: Act,
}

/// What is done, and what comes of it.
#[derive(Debug)]
pub(crate) enum Act {
    /// All limits or none.
    Take {
        /// What is asked of each limit.
        asks: &'static [Ask],
        /// Whether all were charged.
        admitted: bool,
        /// What each limit says.
        told: &'static [Told],
    },
    /// Gives back what a take charged.
    Return {
        /// Which step's, by its place in the case.
        of: usize,
        /// Which of its limits.
        limit: usize,
        /// How many units.
        units: u64,
        /// How many it really gets.
        given: u64,
    },
    /// Gives a key a limit of its own; empty: takes it away.
    Override {
        /// Of which limit.
        limit: &'static Limit,
        /// Whose.
        subject: &'static str,
        /// What Redis holds.
        value: &'static str,
    },
}

/// A limit as it is configured.
#[derive(Debug)]
pub(crate) struct Limit {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its algorithm.
    pub(crate) algorithm: &'static str,
    /// Units per window, or slots.
    pub(crate) limit: u64,
    /// The window, or a slot's life.
    pub(crate) window_ms: u64,
    /// `unit@zone` of a calendar window.
    pub(crate) calendar: Option<&'static str>,
    /// Units a bucket holds; of a leaky bucket the longest wait, milliseconds.
    pub(crate) burst: u64,
    /// A key may have a limit of its own.
    pub(crate) overridable: bool,
}

/// What is asked of a limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    /// Which.
    pub(crate) limit: &'static Limit,
    /// For whom.
    pub(crate) subject: &'static str,
    /// Units.
    pub(crate) cost: u64,
    /// Units that must be available, if not the cost.
    pub(crate) need: Option<u64>,
    /// Charged whatever is available.
    pub(crate) force: bool,
    /// Units wanted beyond the cost.
    pub(crate) lease: u64,
    /// The slot.
    pub(crate) slot: u8,
}

/// What a limit says: bounds, both included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    /// 1 it fits, 0 not now, -1 never, -2 not at this moment.
    pub(crate) state: i64,
    /// Units.
    pub(crate) available: [u64; 2],
    /// When that changes.
    pub(crate) reset_ms: [u64; 2],
    /// When the same would fit, or how long it had to wait.
    pub(crate) retry_ms: [u64; 2],
    /// Units granted beyond the cost.
    pub(crate) leased: u64,
    /// The key's own limit; 0: none.
    pub(crate) own: u64,
}

impl Case {
    /// Whether every ask is one that a request behind the proxy makes by itself.
    pub(crate) fn is_plain(&self) -> bool {
        self.steps.iter().all(|step| match &step.act {
            Act::Take { asks, .. } => asks
                .iter()
                .all(|ask| ask.need.is_none() && !ask.force && ask.lease == 0 && ask.cost > 0),
            Act::Return { .. } => false,
            Act::Override { .. } => true,
        })
    }
}

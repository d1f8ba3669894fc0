//! Whether a call that finds no stream may wait for one.
//!
//! A stream that is reset is there again within a back-off of some ten milliseconds, less than a call may
//! take. Refusing what comes in between would fail it for nothing and, as five in a row open the breaker, what
//! comes for the next second too (faults.md, D13; the first streams of a fresh VM likewise, L8). It is no
//! wait for a bridge that is not there: the first attempts to open a stream tell, and a dead one refuses at
//! once.

/// Attempts to open a stream that may fail before nobody waits any more: one for each link of decisions, since
/// one bridge of two may be dead.
const ATTEMPTS: u8 = 2;

/// What is known about the next stream for decisions, while there is none.
#[derive(Debug)]
pub(super) struct Prospect {
    attempts: u8,
}

impl Prospect {
    /// No stream was asked for yet.
    pub(super) fn new() -> Self {
        Self { attempts: ATTEMPTS }
    }

    /// Whether one is likely to be there soon.
    pub(super) fn is_there(&self) -> bool {
        self.attempts > 0
    }

    /// An attempt to open one failed; `opening`: another one is under way, and the last one decides.
    pub(super) fn failed(&mut self, opening: bool) {
        self.attempts = self
            .attempts
            .saturating_sub(1)
            .max(u8::from(opening && self.is_there()));
    }

    /// One was welcomed. When it is lost, nobody has failed to open another yet.
    pub(super) fn welcomed(&mut self) {
        self.attempts = ATTEMPTS;
    }
}

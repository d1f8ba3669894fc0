//! Invalidations this bridge began, and whose workers may still use what they are about.

use super::super::due::Due;
use super::SLACK;
use crate::core::exchanges::Outcome;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tidegate::wire::frame::MAX_SYNC_MS;

/// The longest time any worker uses its memory unheard.
pub(super) const LONGEST: Duration = Duration::from_millis(MAX_SYNC_MS as u64);
/// One whose message is never heard, and that nobody waits for, is forgotten after this.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// All of them, by number.
#[derive(Debug, Default)]
pub(super) struct Drops {
    all: BTreeMap<u64, Begun>,
    /// All of them, by their `until`.
    due: Due<u64>,
    last: u64,
}

#[derive(Debug)]
struct Begun {
    state: State,
    until: Duration,
    /// The task whose outcome waits for it.
    held: Option<(u64, Outcome)>,
}

#[derive(Debug)]
enum State {
    /// Its message has not come back yet.
    Said,
    /// These bridges have workers that may use their memory; `blind`: and maybe others.
    Heard {
        waits: BTreeSet<Vec<u8>>,
        blind: bool,
    },
    /// It is final.
    Over,
}

impl Drops {
    /// A new one.
    pub(super) fn begin(&mut self, now: Duration) -> u64 {
        self.last += 1;
        let begun = Begun {
            state: State::Said,
            until: now + FORGOTTEN,
            held: None,
        };
        self.due.insert(begun.until, self.last);
        self.all.insert(self.last, begun);
        self.last
    }

    /// Its message came back: all that was confirmed before is known. The outcome that waited for it, when
    /// there is nobody to wait for.
    pub(super) fn heard(
        &mut self,
        n: u64,
        waits: BTreeSet<Vec<u8>>,
        blind: bool,
        until: Duration,
    ) -> Option<(u64, Outcome)> {
        let begun = self.all.get_mut(&n)?;
        let over = waits.is_empty() && !blind;
        begun.state = match over {
            true => State::Over,
            false => State::Heard { waits, blind },
        };
        if !over {
            self.due.remove(begun.until, n);
            begun.until = until + SLACK;
            self.due.insert(begun.until, n);
        }
        self.take_over(n)
    }

    /// No worker of this bridge uses it any more.
    pub(super) fn done(&mut self, n: u64, bridge: &[u8]) -> Option<(u64, Outcome)> {
        let begun = self.all.get_mut(&n)?;
        if let State::Heard { waits, blind } = &mut begun.state {
            waits.remove(bridge);
            if waits.is_empty() && !*blind {
                begun.state = State::Over;
            }
        }
        self.take_over(n)
    }

    /// Its message was sent, and this outcome waits for it to be final: until when at most. `Err`: it is.
    pub(super) fn wait(
        &mut self,
        n: u64,
        task: u64,
        outcome: Outcome,
        now: Duration,
    ) -> Result<Duration, Outcome> {
        let Some(begun) = self.all.get_mut(&n) else {
            return Err(outcome);
        };
        match begun.state {
            State::Over => {
                self.due.remove(begun.until, n);
                self.all.remove(&n);
                return Err(outcome);
            }
            // Whether it comes back or not: after this no worker uses what is older.
            State::Said => {
                self.due.remove(begun.until, n);
                begun.until = now + LONGEST + SLACK;
                self.due.insert(begun.until, n);
            }
            State::Heard { .. } => {}
        }
        begun.held = Some((task, outcome));
        Ok(begun.until)
    }

    /// Those that are final because time has passed, with the outcomes that waited for them.
    pub(super) fn expired(&mut self, now: Duration) -> Vec<Option<(u64, Outcome)>> {
        let mut over = Vec::new();
        while let Some(n) = self.due.pop(now) {
            over.push(self.all.remove(&n).and_then(|begun| begun.held));
        }
        over
    }

    /// When the next of them is due.
    pub(super) fn next(&self) -> Option<Duration> {
        self.due.next()
    }

    /// The outcome that waits for one that is over. One that nobody waits for yet stays until somebody does.
    fn take_over(&mut self, n: u64) -> Option<(u64, Outcome)> {
        let begun = self.all.get_mut(&n)?;
        let held = match begun.state {
            State::Over => begun.held.take(),
            _ => None,
        }?;
        self.due.remove(begun.until, n);
        self.all.remove(&n);
        Some(held)
    }
}

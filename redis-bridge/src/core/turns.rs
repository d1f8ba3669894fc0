//! Which streams were told to fill something, until when, and how it is taken back.

use super::plan::Round;
use super::types::ConnId;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Turns remembered of one stream, at most. One that is not is over by itself.
const EACH: usize = 1024;

/// By stream, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Turns(BTreeMap<ConnId, VecDeque<(Duration, Round)>>);

impl Turns {
    /// A stream has a turn until then; `back` takes it back.
    pub(super) fn given(&mut self, conn: ConnId, until: Duration, back: Round, now: Duration) {
        let turns = self.0.entry(conn).or_default();
        while turns.front().is_some_and(|(until, _)| *until <= now) || turns.len() >= EACH {
            turns.pop_front();
        }
        turns.push_back((until, back));
    }

    /// A stream is gone: how to take back what it still has.
    pub(super) fn take(&mut self, conn: ConnId, now: Duration) -> Vec<Round> {
        let turns = self.0.remove(&conn).unwrap_or_default();
        let live = turns.into_iter().filter(|(until, _)| *until > now);
        live.map(|(_, back)| back).collect()
    }
}

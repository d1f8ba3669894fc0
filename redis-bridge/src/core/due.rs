//! What is due when: the next of many is found without looking at all of them.

use std::collections::BTreeSet;
use std::time::Duration;

/// Keys by the time they are due at; who removes a key names that time.
#[derive(Debug)]
pub(super) struct Due<K>(BTreeSet<(Duration, K)>);

impl<K: Ord> Default for Due<K> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<K: Ord> Due<K> {
    /// This is due at `at`.
    pub(super) fn insert(&mut self, at: Duration, key: K) {
        self.0.insert((at, key));
    }

    /// It is not, any more.
    pub(super) fn remove(&mut self, at: Duration, key: K) {
        self.0.remove(&(at, key));
    }

    /// One that is due at `now` or before.
    pub(super) fn pop(&mut self, now: Duration) -> Option<K> {
        let first = self.0.first().filter(|(at, _)| *at <= now);
        first?;
        self.0.pop_first().map(|(_, key)| key)
    }

    /// When the next one is.
    pub(super) fn next(&self) -> Option<Duration> {
        self.0.first().map(|(at, _)| *at)
    }
}

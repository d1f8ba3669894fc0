//! What the sample upstream remembers.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Most paths that are counted; later ones are counted as `(others)`.
const PATHS_MAX: usize = 10_000;

/// Versions of the products and counts of requests.
#[derive(Debug, Default)]
pub(super) struct State {
    serial: AtomicU64,
    bench: AtomicU64,
    versions: Mutex<BTreeMap<String, u64>>,
    counts: Mutex<BTreeMap<String, u64>>,
}

impl State {
    /// A number no other answer has.
    pub(super) fn serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Counts the fast path.
    pub(super) fn count_bench(&self) {
        self.bench.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request for `path`.
    pub(super) fn count(&self, path: &str) {
        let mut counts = lock(&self.counts);
        let known = counts.contains_key(path) || counts.len() < PATHS_MAX;
        *counts
            .entry(if known {
                path.into()
            } else {
                "(others)".into()
            })
            .or_insert(0) += 1;
    }

    /// All counts.
    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = lock(&self.counts).clone();
        counts.insert("/bench".into(), self.bench.load(Ordering::Relaxed));
        counts
    }

    /// Starts counting anew.
    pub(super) fn reset_counts(&self) {
        lock(&self.counts).clear();
        self.bench.store(0, Ordering::Relaxed);
    }

    /// The version of a resource; 1 until it was changed.
    pub(super) fn version(&self, path: &str) -> u64 {
        lock(&self.versions).get(path).copied().unwrap_or(1)
    }

    /// Changes a resource.
    pub(super) fn change(&self, path: &str) {
        *lock(&self.versions).entry(path.into()).or_insert(1) += 1;
    }
}

/// No code panics while it holds one of these, so a poisoned lock is still good.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

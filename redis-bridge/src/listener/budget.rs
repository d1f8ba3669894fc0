//! Bytes of requests that are not yet the core's: bodies being read, messages that are not whole. One
//! budget for all connections, so that neither their number nor their slowness costs memory without
//! bound (invariant X4). Nobody waits for it: what does not fit is refused at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes in use, and how many there may be; clones share them.
#[derive(Debug, Clone)]
pub struct Budget {
    used: Arc<AtomicUsize>,
    most: usize,
}

/// A part of a budget, given back when dropped.
#[derive(Debug)]
pub struct Held {
    budget: Budget,
    bytes: usize,
}

/// It does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted;

impl Budget {
    /// Of `most` bytes.
    pub fn new(most: usize) -> Self {
        Self {
            used: Arc::default(),
            most,
        }
    }

    /// Nothing of it yet.
    pub fn hold(&self) -> Held {
        Held {
            budget: self.clone(),
            bytes: 0,
        }
    }

    /// Bytes in use.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

impl Held {
    /// Holds `bytes` from now on, more or fewer than before.
    ///
    /// # Errors
    ///
    /// So many are not left; what was held stays held.
    pub fn resize(&mut self, bytes: usize) -> Result<(), Exhausted> {
        if bytes <= self.bytes {
            let less = self.bytes - bytes;
            self.budget.used.fetch_sub(less, Ordering::Relaxed);
        } else {
            let more = bytes - self.bytes;
            let fits = |used: usize| {
                used.checked_add(more)
                    .filter(|sum| *sum <= self.budget.most)
            };
            let taken = (self.budget.used).fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
            taken.map_err(|_| Exhausted)?;
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_counted_once_and_given_back() {
        let budget = Budget::new(10);
        let (mut a, mut b) = (budget.hold(), budget.hold());
        assert_eq!(a.resize(6), Ok(()));
        assert_eq!(b.resize(5), Err(Exhausted));
        assert_eq!(budget.used(), 6);
        assert_eq!(b.resize(4), Ok(()));
        assert_eq!(a.resize(7), Err(Exhausted));
        assert_eq!(a.resize(2), Ok(()));
        assert_eq!(b.resize(8), Ok(()));
        assert_eq!(b.resize(usize::MAX), Err(Exhausted));
        drop(b);
        assert_eq!(budget.used(), 2);
        drop(a);
        assert_eq!(budget.used(), 0);
    }
}

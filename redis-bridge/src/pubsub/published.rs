//! Invalidations that were published, and are carried out beside what else is listened to.
//!
//! Each is carried out once, however often it is published meanwhile, and all that have come by then together: the
//! objects are looked at once for all paths, and workers are told once. Nobody waits for them, so those that fail are
//! tried again.

use crate::backend::backoff::Backoff;
use crate::backend::scan::Matcher;
use crate::handle::Handle;
use crate::purge::{Purge, Purger};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Bytes of names that may wait. Above this everything is invalidated: it may be too much, never too little.
const MOST: usize = 8 << 20;
/// What one costs beside its name, bytes.
const EACH: usize = 64;

/// Takes invalidations; all clones are one.
#[derive(Debug, Clone)]
pub struct Published(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    come: Notify,
    handle: Handle,
}

#[derive(Debug, Default)]
struct Waiting {
    purges: HashSet<Purge>,
    bytes: usize,
    most: usize,
    everything: bool,
}

impl Published {
    /// Starts what carries them out.
    pub fn start(purger: Purger, handle: Handle) -> Self {
        let published = Self(Arc::new(Shared {
            waiting: Mutex::new(Waiting {
                most: MOST,
                ..Waiting::default()
            }),
            come: Notify::new(),
            handle,
        }));
        tokio::spawn(published.clone().carry_out(purger));
        published
    }

    /// This is to go. Does not wait.
    pub fn add(&self, purge: Purge) {
        if self.lock().add(purge) {
            tracing::warn!("too many invalidations wait, everything is invalidated");
            self.0.handle.metrics().pubsub_overflows.inc();
        }
        self.0.come.notify_one();
    }

    async fn carry_out(self, purger: Purger) {
        let (mut backoff, mut failing) = (Backoff::default(), false);
        loop {
            let purges = self.lock().take();
            if purges.is_empty() {
                self.0.come.notified().await;
                continue;
            }
            let (failed, error) = purger.purge_together(purges).await;
            let Some(error) = error else {
                backoff.reset();
                failing = false;
                continue;
            };
            // Once, not several times a second for as long as Redis is away.
            if !std::mem::replace(&mut failing, true) {
                tracing::warn!(%error, count = failed.len(), "invalidations failed, they are tried again");
            }
            for purge in failed {
                self.add(purge);
            }
            tokio::time::sleep(backoff.next(crate::random_u64())).await;
        }
    }

    /// No code panics while it holds the lock, so a poisoned one holds good data.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        (self.0.waiting.lock()).unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Whether it is one too many: then everything is to go.
    fn add(&mut self, purge: Purge) -> bool {
        if self.everything {
            return false;
        }
        let bytes = EACH + purge.len();
        if self.purges.insert(purge) {
            self.bytes += bytes;
        }
        if self.bytes <= self.most {
            return false;
        }
        self.purges.clear();
        self.bytes = 0;
        self.everything = true;
        true
    }

    fn take(&mut self) -> Vec<Purge> {
        self.bytes = 0;
        match std::mem::take(&mut self.everything) {
            true => vec![Purge::Scan(Matcher::Prefix(Vec::new()))],
            false => self.purges.drain().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(n: usize) -> Purge {
        Purge::Scan(Matcher::Path(format!("/{n:03}").into_bytes()))
    }

    #[test]
    fn each_is_carried_out_once() {
        let mut waiting = Waiting {
            most: MOST,
            ..Waiting::default()
        };
        for n in 0..1_000 {
            assert!(!waiting.add(path(n % 10)));
        }
        assert_eq!(waiting.bytes, 10 * (EACH + 4));
        assert_eq!((waiting.take().len(), waiting.bytes), (10, 0));
        assert!(waiting.take().is_empty());
    }

    #[test]
    fn too_many_are_all() {
        let mut waiting = Waiting {
            most: 3 * (EACH + 4),
            ..Waiting::default()
        };
        let overflows: Vec<bool> = (0..6).map(|n| waiting.add(path(n))).collect();
        assert_eq!(overflows, [false, false, false, true, false, false]);
        assert_eq!(waiting.take(), [Purge::Scan(Matcher::Prefix(Vec::new()))]);
        assert!(!waiting.add(path(1)));
        assert_eq!(waiting.take(), [path(1)]);
    }
}

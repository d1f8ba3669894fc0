//! Whether we are cut off with an old primary while another one is promoted.
//!
//! Behind sentinels `min-replicas-to-write` makes such a primary refuse writes, but no sooner than a second after
//! `min-replicas-max-lag` has passed (Redis counts lag in whole seconds and looks once a second), and only where
//! somebody has set it. Until then two primaries count, and what is ended at one of them lives on at the other. A
//! bridge sees both halves of the sign sooner: most sentinels are silent, *and* the primary hears none of the
//! replicas it had. Either alone says nothing: sentinels are restarted, replicas are repaired, and service goes on.
//!
//! The primary of a Cluster refuses by itself (`cluster-node-timeout`). Of use is the sign there too: whoever is on
//! the small side leaves the filters to a bridge on the other one.

use super::target::Target;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::watch;

/// What is seen of the partition. Witnesses are those who would know of a promotion: the sentinels, or the primaries
/// of a Cluster.
#[derive(Debug, Default)]
pub(super) struct Fence {
    /// 0 where there are none, and nobody to miss.
    witnesses: AtomicUsize,
    heard: AtomicUsize,
    abandoned: AtomicBool,
    closed: watch::Sender<bool>,
}

/// A witness is heard for as long as this lives.
pub(super) struct Hears<'a>(&'a Fence);

impl Fence {
    /// Its sentinels are the witnesses; the primaries of a Cluster are counted as they are found.
    pub(super) fn of(target: &Target) -> Self {
        Self::new(match target {
            Target::Sentinel { nodes, .. } => nodes.len(),
            Target::Cluster(_) | Target::Tcp(_) | Target::Unix(_) => 0,
        })
    }

    /// Nobody is heard yet.
    fn new(witnesses: usize) -> Self {
        Self {
            witnesses: AtomicUsize::new(witnesses),
            ..Self::default()
        }
    }

    /// So many of so many are heard.
    pub(super) fn counted(&self, heard: usize, witnesses: usize) {
        self.heard.store(heard, Ordering::SeqCst);
        self.witnesses.store(witnesses, Ordering::SeqCst);
        self.look();
    }

    /// One witness more is heard.
    pub(super) fn hears(&self) -> Hears<'_> {
        self.heard.fetch_add(1, Ordering::SeqCst);
        self.look();
        Hears(self)
    }

    /// Whether too few are heard to know of a promotion: most of them decide on it, and those that are not heard
    /// may have.
    pub(super) fn is_unsure(&self) -> bool {
        let heard = self.heard.load(Ordering::SeqCst);
        let witnesses = self.witnesses.load(Ordering::SeqCst);
        witnesses > 0 && heard.saturating_mul(2) <= witnesses
    }

    /// What we reach is left alone: a primary hears none of the replicas it had, a part of a Cluster takes no
    /// commands. Or it is no longer; true when that is news.
    pub(super) fn abandoned(&self, abandoned: bool) -> bool {
        let before = self.abandoned.swap(abandoned, Ordering::SeqCst);
        self.look();
        before != abandoned
    }

    /// Nothing the primary says counts, and nothing may be written to it. Ends with the first half that ends.
    pub(super) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// The same, as it changes.
    pub(super) fn closed(&self) -> watch::Receiver<bool> {
        self.closed.subscribe()
    }

    /// Both halves are read under the lock of what is told: of two who change them the later one tells.
    fn look(&self) {
        self.closed.send_if_modified(|closed| {
            let now = self.abandoned.load(Ordering::SeqCst) && self.is_unsure();
            std::mem::replace(closed, now) != now
        });
    }
}

impl Drop for Hears<'_> {
    fn drop(&mut self) {
        self.0.heard.fetch_sub(1, Ordering::SeqCst);
        self.0.look();
    }
}

#[cfg(test)]
mod tests {
    use super::Fence;

    #[test]
    fn it_closes_when_most_sentinels_are_silent_and_the_replicas_are_too() {
        let fence = Fence::new(3);
        let mut told = fence.closed();
        let mut told = || {
            let changed = told.has_changed().unwrap();
            (changed, *told.borrow_and_update())
        };
        let all = [fence.hears(), fence.hears(), fence.hears()];
        assert!(fence.abandoned(true), "news");
        assert!(!fence.abandoned(true), "none");
        assert!(!fence.is_closed(), "the sentinels would have told");
        let [first, second, third] = all;
        drop(first);
        assert!(!fence.is_closed(), "two of three are most");
        assert_eq!(told(), (false, false));
        drop(second);
        assert!(fence.is_closed(), "one of three is not");
        assert_eq!(told(), (true, true));
        assert!(fence.abandoned(false));
        assert!(!fence.is_closed(), "its replicas follow it");
        assert_eq!(told(), (true, false));
        assert!(fence.abandoned(true));
        assert!(fence.is_closed());
        let again = fence.hears();
        assert!(!fence.is_closed());
        drop((third, again));
    }

    #[test]
    fn half_of_them_are_not_most() {
        let fence = Fence::new(2);
        let one = fence.hears();
        assert!(fence.is_unsure());
        let other = fence.hears();
        assert!(!fence.is_unsure());
        drop((one, other));
    }

    #[test]
    fn of_a_cluster_they_are_counted() {
        let fence = Fence::new(0);
        fence.abandoned(true);
        fence.counted(2, 3);
        assert!(!fence.is_closed(), "it is down as a whole");
        fence.counted(1, 3);
        assert!(fence.is_closed());
        fence.abandoned(false);
        assert!(!fence.is_closed());
    }

    #[test]
    fn without_sentinels_there_is_nobody_to_miss() {
        let fence = Fence::new(0);
        fence.abandoned(true);
        assert!(!fence.is_closed());
    }
}

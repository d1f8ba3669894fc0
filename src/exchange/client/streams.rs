//! The client's streams: where a call goes, and what becomes of it when its stream ends.

use super::super::calls::{Pending, Place};
use super::super::link::Link;
use super::super::{Answer, BULK, CallError, CallId, Transmit};
use super::Client;
use core::time::Duration;

/// Above this many calls on the first link, the next one takes over.
const SPILL: usize = 512;

impl Client {
    /// The first usable link that is not overfull: keeping to one link lets the bridge batch.
    pub(super) fn best_link(&self) -> Option<Place> {
        self.best_link_but(None)
    }

    /// The same among links that are not on the bridge `avoid`.
    fn best_link_but(&self, avoid: Option<&[u8]>) -> Option<Place> {
        let load = |index: usize| self.on_link.get(index).copied().unwrap_or(usize::MAX);
        let elsewhere = |link: &Link| avoid.is_none() || link.bridge() != avoid;
        let links = || {
            self.decision_links()
                .filter(|(_, link)| link.usable() && elsewhere(link))
        };
        // All bridges leave: the first link goes on, so that the others can look for a new bridge.
        let last_resort = || {
            self.decision_links()
                .find(|(_, link)| link.is_ready() && elsewhere(link))
        };
        let sound = || links().filter(|(_, link)| !link.is_suspect());
        sound()
            .find(|(index, _)| load(*index) < SPILL)
            .or_else(|| sound().min_by_key(|(index, _)| load(*index)))
            .or_else(|| links().min_by_key(|(index, _)| load(*index)))
            .or_else(last_resort)
            .map(|(index, link)| Place::Link {
                link: index,
                generation: link.generation(),
            })
    }

    /// A call on a link timed out. Whether the link is to blame and another one is sound: then that
    /// one takes over, and the breaker, which would refuse both, is not told.
    pub(super) fn suspects(&mut self, pending: &Pending, now: Duration) -> bool {
        let Place::Link { link, generation } = pending.place else {
            return false;
        };
        let timeout = self.config.timeout;
        let Some(link) = self
            .links
            .get_mut(link)
            .filter(|l| l.generation() == generation)
        else {
            return false;
        };
        link.timed_out(timeout, now);
        link.is_suspect()
            && self
                .decision_links()
                .any(|(_, link)| link.usable() && !link.is_suspect())
    }

    pub(super) fn decision_links(&self) -> impl Iterator<Item = (usize, &Link)> {
        self.links
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != BULK)
    }

    /// Whether another usable link for decisions is on the same bridge.
    pub(super) fn has_twin(&self, index: usize) -> bool {
        let bridge = self.links.get(index).and_then(Link::bridge);
        index != BULK
            && bridge.is_some()
            && self
                .decision_links()
                .any(|(other, link)| other != index && link.usable() && link.bridge() == bridge)
    }

    /// Whether decisions have another stream than this link's, welcomed, so that it can be closed.
    pub(super) fn is_spare(&self, index: usize) -> bool {
        index == BULK
            || self
                .decision_links()
                .any(|(other, link)| other != index && link.is_ready())
    }

    /// Opens a stream, as far as the allowance for dialling goes. The last of it is for the only stream of
    /// decisions: when streams are lost one after the other, nothing else may be what is opened first.
    pub(super) fn dial(&mut self, index: usize, now: Duration) {
        let linked = self.decision_links().any(|(_, link)| link.is_open());
        let keep = u32::from(linked || index == BULK);
        if !self.dials.take(now, keep) {
            return;
        }
        let Some(link) = self.links.get_mut(index) else {
            return;
        };
        link.dialled(now);
        self.out.push_back(Transmit::Open { link: index });
    }

    /// Whether the stream is kept.
    pub(super) fn welcome(&mut self, index: usize, bridge: &[u8], now: Duration) -> bool {
        let shared = index != BULK
            && self
                .decision_links()
                .any(|(other, link)| other != index && link.bridge() == Some(bridge));
        let together = index != BULK
            && self
                .decision_links()
                .any(|(other, link)| other != index && link.is_of_now(now));
        let Some(link) = self.links.get_mut(index) else {
            return false;
        };
        if shared && link.try_another_bridge() {
            link.respread(now);
            self.out.push_back(Transmit::Reset { link: index });
            return false;
        }
        if !shared {
            link.reached_another_bridge();
        }
        link.welcomed(bridge, shared, now);
        if together {
            link.keep_apart(now, &mut self.rng);
        }
        if index != BULK {
            self.prospect.welcomed();
            self.send_waiting(now);
        }
        true
    }

    /// Sends the calls that waited for a stream, if there is one, as far as they may be out: the newest, since those
    /// before them are the next that nobody waits for. Those whose time is over are left to the next tick, which ends
    /// them: what is sent after its deadline is charged for nobody.
    pub(super) fn send_waiting(&mut self, now: Duration) {
        let room = self.breaker.window().saturating_sub(self.calls.out());
        if !self.anyone_waits || room == 0 || !self.is_linked() {
            return;
        }
        let waiting = self.calls.at(Place::Waiting);
        let stay = waiting.len().saturating_sub(room);
        self.anyone_waits = stay > 0;
        if self.anyone_waits {
            self.breaker.bounds(now);
        }
        for call in waiting.into_iter().skip(stay) {
            if let (Some(place), Some(pending)) = (self.best_link(), self.calls.get_mut(call))
                && pending.deadline > now
            {
                pending.place = place;
                self.send(call, now);
            }
        }
    }

    /// Closes a stream from our side.
    pub(super) fn give_up(&mut self, link: usize, now: Duration, answers: &mut Vec<Answer<'_>>) {
        self.out.push_back(Transmit::Reset { link });
        self.lose(link, now, answers);
    }

    /// A stream is gone.
    pub(super) fn lose(&mut self, index: usize, now: Duration, answers: &mut Vec<Answer<'_>>) {
        self.counters.lost = self.counters.lost.saturating_add(1);
        self.detach(index, now, answers);
    }

    /// A link has no stream any more: what is pending on it moves at once, or ends.
    pub(super) fn detach(&mut self, index: usize, now: Duration, answers: &mut Vec<Answer<'_>>) {
        let Some(link) = self.links.get_mut(index) else {
            return;
        };
        let generation = link.generation();
        let bridge = link.bridge().map(<[u8]>::to_vec);
        link.closed(now, &mut self.rng);
        if index != BULK && bridge.is_none() && !self.is_linked() {
            let opening = self.decision_links().any(|(_, link)| link.is_open());
            self.prospect.failed(opening);
        }
        self.unsynced((index, generation));
        // Not handed to the host yet: a call that moves is sent there, one that ends is not sent at all.
        self.out
            .retain(|transmit| !matches!(transmit, Transmit::Send { link, .. } if *link == index));
        if let Some(n) = self.on_link.get_mut(index) {
            *n = 0;
        }
        for call in self.calls.on_link(index, generation) {
            if self.retry(call, bridge.as_deref(), now).is_none() {
                self.fail(call, CallError::Closed, now, answers);
            }
        }
        if self.anyone_waits && !self.prospect.is_there() {
            self.anyone_waits = false;
            for call in self.calls.at(Place::Waiting) {
                self.fail(call, CallError::Unreachable, now, answers);
            }
        }
    }

    /// Sends a call once more, if it may be. It has no third chance, so not to the bridge whose stream closed:
    /// its other streams may be about to, and while their loss is told Envoy gives a new one the connection
    /// that is being lost. With no other bridge it waits for the next tick, or for a stream.
    fn retry(&mut self, call: CallId, avoid: Option<&[u8]>, now: Duration) -> Option<()> {
        let place = self.best_link_but(avoid).unwrap_or(Place::Waiting);
        let pending = self.calls.get_mut(call)?;
        if pending.retried || pending.deadline <= now {
            return None;
        }
        pending.retried = true;
        pending.place = place;
        self.counters.retried = self.counters.retried.saturating_add(1);
        self.send(call, now);
        Some(())
    }

    /// A call is no longer on its link.
    pub(super) fn left(&mut self, pending: &Pending) {
        if let Place::Link { link, generation } = pending.place {
            let current = self
                .links
                .get(link)
                .is_some_and(|l| l.generation() == generation);
            if let Some(n) = self.on_link.get_mut(link).filter(|_| current) {
                *n = n.saturating_sub(1);
            }
        }
    }

    /// Panics unless the books agree with each other.
    #[cfg(test)]
    pub(in crate::exchange) fn assert_consistent(&self) {
        let mut placed = 0;
        for (index, link) in self.links.iter().enumerate() {
            let here = self.calls.on_link(index, link.generation());
            assert_eq!(self.on_link[index], here.len(), "calls on link {index}");
            assert!(
                here.is_empty() || link.bridge().is_some(),
                "calls on link {index}, not ready"
            );
            placed += here.len();
        }
        assert_eq!(
            placed + self.calls.at(Place::Unary).len() + self.calls.at(Place::Waiting).len(),
            self.calls.len(),
            "calls on old streams"
        );
        self.calls.assert_consistent();
        assert!(self.calls.len() <= self.config.max_pending);
        assert!(self.calls.bytes() <= self.config.max_pending_bytes);
        assert!(self.calls.background().calls <= self.config.max_pending / 2);
        assert!(self.calls.background().bytes <= self.config.max_pending_bytes / 2);
    }
}

//! What no request waits for: stores, and what settles something that is over.

use super::super::calls::{Pending, Place};
use super::super::{BULK, Owner, Terms};
use super::Client;
use crate::wire::op::MAX_URL;
use crate::wire::{MAX_MESSAGE, Op};
use core::time::Duration;

/// How long a store may take; nobody waits for it.
const BACKGROUND_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest operation that settles something, bytes: one limit and what it is told, or a URL.
pub(super) const MAX_SETTLEMENT: usize = MAX_URL + (1 << 10);
/// Largest background operation, bytes: with its frame it still is one message.
const MAX_BULK: usize = MAX_MESSAGE - 64;

impl Client {
    /// Sends an operation nobody waits for, on the bulk link. Returns whether it was sent; its answer
    /// carries `tag`. What is not sent is lost: a store that cannot be made is only a later miss.
    pub fn submit_background(&mut self, tag: u32, op: &Op<'_>, now: Duration) -> bool {
        let Some(link) = self.links.get(BULK).filter(|link| link.usable()) else {
            return false;
        };
        let place = Place::Link {
            link: BULK,
            generation: link.generation(),
        };
        let mut ops = Vec::new();
        op.encode(&mut ops);
        // At most half of what may be pending: a bridge that does not take stores leaves room for
        // decisions.
        let share = self.calls.background();
        if self.is_full(ops.len(), MAX_BULK)
            || share.calls >= self.config.max_pending / 2
            || share.bytes.saturating_add(ops.len()) > self.config.max_pending_bytes / 2
        {
            return false;
        }
        self.counters.background = self.counters.background.saturating_add(1);
        let (bytes, deadline) = (ops.len(), now.saturating_add(BACKGROUND_TIMEOUT));
        let owner = Owner::Background(tag);
        let call = self.calls.insert(Pending {
            owner,
            ops,
            bytes,
            count: 1,
            deadline,
            place,
            trace: None,
            patient: true,
            retried: true,
            out: None,
            waits: false,
        });
        self.send(call, now);
        if let Some(pending) = self.calls.get_mut(call) {
            pending.ops = Vec::new();
        }
        true
    }

    /// Sends an operation nobody waits for and that must not be lost lightly: by the way decisions take,
    /// once more if its stream closes, not counted as an exchange. Returns whether it was sent; its
    /// answer carries `tag`. `patience`: how long it may take; without one as long as a store.
    pub fn submit_settlement(
        &mut self,
        tag: u32,
        op: &Op<'_>,
        patience: Option<Duration>,
        now: Duration,
    ) -> bool {
        // Decisions find room even when nothing that is settled is answered.
        let share = self.calls.background();
        if share.calls >= self.config.max_pending / 2
            || share.bytes.saturating_add(MAX_SETTLEMENT) > self.config.max_pending_bytes / 2
        {
            return false;
        }
        let patience = patience.unwrap_or(BACKGROUND_TIMEOUT);
        let ops = core::slice::from_ref(op);
        let owner = Owner::Background(tag);
        let sent = self
            .place(owner, ops, patience, Terms::default(), now)
            .is_ok();
        self.counters.background = self.counters.background.saturating_add(u64::from(sent));
        sent
    }
}

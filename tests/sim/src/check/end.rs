//! L1, L2 and what must hold when nothing is left to do.

use crate::policy::{COLLAPSE_MS, MAX_DELAY_MS, TIMEOUT_MS};
use crate::request::Kind;
use crate::rng::MS;
use crate::world::World;

/// After healing, everything must succeed again after this (L2: both bridges back 1.5 s, Redis 1 s,
/// and probes of a breaker).
pub(super) const RECOVERY: u64 = 2_500 * MS;

/// So late the filter takes a tick for one that others wait behind, ms: fifty after the one before.
const LATE_MS: u64 = 40;

/// An invalidation is final after this, whatever happens: the longest window and what clocks differ by.
const FINAL_MS: u64 = 510;

impl World {
    /// L1: nobody waits longer than the deadline, its policy's wait, one tick and its lateness; and, when that one was
    /// so late that answers may have come meanwhile, the next one.
    pub fn check_paused(&mut self) {
        let jitter = self.options.tick_jitter_ms;
        let ticks = if jitter > LATE_MS { 2 } else { 1 };
        let tick = ticks * (10 + jitter) * MS;
        let bound = TIMEOUT_MS * MS + tick + MS;
        let late = self.paused.iter().copied().find(|no| {
            let request = &self.requests[*no];
            let turn = match request.kind {
                Kind::Limited { path: "/paced", .. } => MAX_DELAY_MS * MS,
                // Being held is told within the deadline; then there is that wait, and a deadline for its end; and
                // all of it once more when its stream closes meanwhile.
                Kind::Get { .. } => 2 * (COLLAPSE_MS + TIMEOUT_MS) * MS + tick,
                // The same, until no worker uses what it changes.
                Kind::Put { .. } => 2 * (FINAL_MS + TIMEOUT_MS) * MS + tick,
                _ => 0,
            };
            let since = request.paused.map(|(since, _)| since);
            since.is_some_and(|since| self.now - since > bound + turn)
        });
        if let Some(no) = late {
            self.violated(format!(
                "L1: request {no} ({:?}) is paused for more than {bound} ns",
                self.requests[no].kind
            ));
        }
    }

    /// L2: a request that came long enough after healing is not refused for want of Redis.
    pub fn settled(&mut self, no: usize, status: u16) {
        let Some(healed) = self.healed else {
            return;
        };
        let request = &self.requests[no];
        if request.invoked > healed + RECOVERY && (status == 503 || request.failed_calls > 0) {
            self.violated(format!("L2: request {no} gets {status} after recovery"));
        }
    }

    /// Everything is done.
    pub fn check_end(&mut self) {
        if let Some(no) = self.requests.iter().position(|request| !request.done) {
            return self.violated(format!("L1: request {no} never ended"));
        }
        let calls = self.vms.values().find_map(|slot| {
            let open = slot.calls.iter().find(|(_, call)| !call.ended);
            open.map(|(id, _)| id.0)
        });
        if let Some(call) = calls {
            return self.violated(format!("X1: call {call} never ended"));
        }
        for bridge in 0..self.bridges.len() {
            let core = &self.bridges[bridge].core;
            // Workers go on asking, so a beat may be under way.
            let (waiting, in_flight) = core.queued();
            if !core.is_idle() || waiting + in_flight > 1 || core.pending().1 != 0 {
                let (pending, queued) = (core.pending(), core.queued());
                let text = format!("bridge {bridge} still holds {pending:?}, {queued:?}");
                return self.violated(text);
            }
        }
        for bridge in 0..self.bridges.len() {
            let counted = self.bridges[bridge].core.counters().clone();
            self.marks.add("fleet_gap", counted.fleet_gaps);
            self.marks
                .add("invalidation_final_by_time", counted.drops_late);
            self.marks
                .add("invalidation_unacknowledged", counted.drops_unacked);
        }
        let ids: Vec<_> = self.vms.keys().copied().collect();
        for id in ids {
            let Some(slot) = self.vms.get_mut(&id) else {
                continue;
            };
            let names = slot.vm.metrics.names().to_vec();
            let mut bugs = 0;
            let mut l1_hits = 0;
            slot.vm.metrics.drain(|index, n| {
                if names.get(index).is_some_and(|name| name == "tidegate.bug") {
                    bugs += n;
                }
                if names
                    .get(index)
                    .is_some_and(|name| name.ends_with(".hit_l1"))
                {
                    l1_hits += n;
                }
            });
            self.marks.add("l1_hit", l1_hits);
            let (pending, linked) = (slot.vm.client.pending(), slot.vm.client.is_linked());
            if bugs > 0 || pending > 0 || !linked {
                let text = format!("vm {id}: {bugs} bugs, {pending} pending, linked: {linked}");
                return self.violated(text);
            }
        }
        let mended = self.healed.unwrap_or(0) + RECOVERY;
        self.leases_at_the_end(mended);
        let leaked = |(_, taken): &(&Vec<u8>, &u64)| **taken > mended;
        if let Some((_, taken)) = self.limits.slots.iter().find(leaked) {
            let text = format!("R5: nobody gives back the slot taken at {taken}");
            return self.violated(text);
        }
        if let Some(broken) = self.limits.at_the_end(&mut self.marks) {
            return self.violated(broken);
        }
        let now_us = self.redis_us();
        self.redis.model.store.sweep(now_us);
        let entries = &self.redis.model.store.entries;
        if let Some((key, _)) = entries.iter().find(|(_, entry)| entry.expires_ms.is_none()) {
            let key = String::from_utf8_lossy(key).into_owned();
            return self.violated(format!("X11: {key} has no TTL"));
        }
        let zombie = self
            .sessions
            .all
            .iter()
            .find(|session| session.revoked.is_some() && entries.contains_key(&session.key))
            .map(|session| session.handle.clone());
        if let Some(handle) = zombie {
            self.violated(format!("S2: {handle} was revoked and is stored"));
        }
    }
}

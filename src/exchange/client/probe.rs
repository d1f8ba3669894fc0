//! What a client asks of its own accord, while its breaker is open and no request asks.
//!
//! Requests are the probes of an open breaker (invariant L5). A worker that has none keeps it open after the bridges
//! are back, and of the burst that ends its rest all but three, a quarter of a second apart, were refused (found by
//! the chaos suite, A2: an Envoy gives one worker everything when there is little to do).

use super::super::{Owner, Terms};
use super::Client;
use crate::wire::Op;
use crate::wire::op::{SessionGet, Touch};
use core::time::Duration;

/// No policy has a realm of this name: realms begin with a letter.
const NO_REALM: &[u8] = b"-probe";

impl Client {
    /// Asks Redis, by the way decisions take, for a session that nobody has, if a probe is due. Only where a stream
    /// is open: streams are dialled whether anybody asks or not, so a bridge that is dead is not asked twice as often.
    pub(super) fn probe(&mut self, now: Duration) {
        if !self.is_linked() || !self.breaker.is_left_alone(now) {
            return;
        }
        // Another session, and so another shard, each time.
        let mut random = [0; 30];
        for chunk in random.chunks_mut(8) {
            let bytes = self.rng.next_u64().to_le_bytes();
            for (to, from) in chunk.iter_mut().zip(bytes) {
                *to = from;
            }
        }
        let (Some(user), Some(secret)) = (random.first_chunk(), random.last_chunk()) else {
            return;
        };
        let nobody = Op::SessionGet(SessionGet {
            realm: NO_REALM,
            user,
            secret,
            idle_ms: 1,
            touch: Touch::Never,
            data: false,
        });
        if !self.breaker.admit(now, &mut self.rng) {
            return;
        }
        let ops = core::slice::from_ref(&nobody);
        match self.place(
            Owner::Client,
            ops,
            self.config.timeout,
            Terms::default(),
            now,
        ) {
            Ok(_) => self.counters.background = self.counters.background.saturating_add(1),
            Err(_) => self.failed(now),
        }
    }
}

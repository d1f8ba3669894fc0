//! What the core does with what bridges tell, what workers ask, and time.

use super::super::exchanges::Outcome;
use super::super::latency::Verb;
use super::super::types::ConnId;
use super::super::{Core, Last};
use super::message::{Drop, Names, Told};
use super::tell;
use std::time::Duration;
use tidegate::wire::FromBridge;

/// How long after it is final an exchange may still be answered.
const ANSWERED: Duration = Duration::from_millis(50);
/// Bridges remembered before those are forgotten that have gone.
const MANY: usize = 64;

impl Core {
    /// Bridges are listened to from now on, maybe not for the first time: what was told meanwhile is found
    /// missing with the next message, which is this bridge's own.
    pub fn handle_subscribed(&mut self, now: Duration) {
        self.seen = self.seen.max(now);
        self.fleet.beat.wanted = true;
        self.beat(now);
    }

    /// A bridge, maybe this one, told all bridges something.
    pub fn handle_told(&mut self, message: &[u8], now: Duration) {
        self.seen = self.seen.max(now);
        let Some((number, told)) = Told::parse(message) else {
            self.counters.fleet_malformed += 1;
            return;
        };
        if self.fleet.number(number, now) {
            self.counters.fleet_gaps += 1;
            let everything = self.fleet.workers.say();
            self.invalidate(everything, &Names::All);
        }
        match told {
            Told::Beat { bridge, n, window } => self.heard_beat(bridge, n, window, now),
            Told::Drop { drop, names } => self.heard_drop(drop, &names, now),
            Told::Done { bridge, drop } if drop.bridge == self.fleet.id => {
                let held = self.fleet.drops.done(drop.n, &bridge);
                self.end_held(held);
            }
            Told::Done { .. } => {}
        }
    }

    /// A worker wants to hear that it has heard all.
    pub(in crate::core) fn sync(
        &mut self,
        conn: ConnId,
        seq: u64,
        window: Duration,
        now: Duration,
    ) {
        self.fleet.workers.asks(conn, seq, window, now);
        self.beat(now);
    }

    /// A worker uses no more what it was told up to this number.
    pub(in crate::core) fn acked(&mut self, conn: ConnId, seq: u64) {
        for drop in self.fleet.workers.acked(conn, seq) {
            self.done(drop);
        }
    }

    /// A stream is gone.
    pub(in crate::core) fn unsync(&mut self, conn: ConnId) {
        self.fleet.workers.gone(conn);
    }

    /// An outcome waits until its invalidation is final.
    pub(in crate::core) fn hold_until_final(
        &mut self,
        task: u64,
        outcome: Outcome,
        drop: u64,
        now: Duration,
    ) {
        let until = match self.fleet.drops.wait(drop, task, outcome, now) {
            Ok(until) => until,
            Err(outcome) => return self.settle_task(task, outcome),
        };
        let Some((exchange, _)) = self.tasks.place(task) else {
            return;
        };
        self.exchanges.extend(exchange, until + ANSWERED);
        if let Some((conn, id)) = self.exchanges.stream(exchange) {
            let ms = u32::try_from((until - now).as_millis()).unwrap_or(u32::MAX);
            self.outbox
                .frame(conn, |out| FromBridge::Held { id, ms }.encode(out));
        }
    }

    /// Everything of this that is due.
    pub(in crate::core) fn fleet_due(&mut self, now: Duration) {
        for drop in self.fleet.workers.expired(now) {
            self.counters.drops_unacked += 1;
            self.done(drop);
        }
        for held in self.fleet.drops.expired(now) {
            self.counters.drops_late += u64::from(held.is_some());
            self.end_held(held);
        }
        self.beat(now);
    }

    fn beat(&mut self, now: Duration) {
        if let Some(round) = self.fleet.take_beat(&self.keys, now) {
            self.own(Verb::Fleet, Box::new(Last), round);
        }
    }

    fn heard_beat(&mut self, bridge: Vec<u8>, n: u64, window: Duration, now: Duration) {
        let own = bridge == self.fleet.id;
        if self.fleet.others.len() > MANY {
            self.fleet.others.retain(|_, until| now < *until);
        }
        let until = self.fleet.others.entry(bridge).or_default();
        *until = (*until).max(now + window + super::SLACK);
        if !own || n != self.fleet.beat.n || self.fleet.beat.pending.take().is_none() {
            return;
        }
        for (conn, seq) in self.fleet.workers.confirm() {
            self.outbox
                .frame(conn, |out| FromBridge::Synced { seq }.encode(out));
        }
        self.beat(now);
    }

    fn heard_drop(&mut self, drop: Drop, names: &Names, now: Duration) {
        self.counters.drops += 1;
        let (said, waits) = self.fleet.workers.say_drop(&drop, now);
        self.invalidate(said, names);
        if drop.bridge == self.fleet.id {
            let (users, until) = self.fleet.users(now);
            let blind = now < self.fleet.blind_until;
            let held = self.fleet.drops.heard(drop.n, users, blind, until);
            self.end_held(held);
        }
        if waits.is_none() {
            self.done(drop);
        }
    }

    /// No worker of this bridge uses it any more: says so to whoever waits for that.
    fn done(&mut self, drop: Drop) {
        let bridge = self.fleet.id.clone();
        if drop.bridge == bridge {
            let held = self.fleet.drops.done(drop.n, &bridge);
            return self.end_held(held);
        }
        // Without a beat of late nobody waits for this bridge.
        if !self.fleet.others.contains_key(&bridge) {
            return;
        }
        let round = tell(&self.keys, &Told::Done { bridge, drop });
        self.own(Verb::Fleet, Box::new(Last), round);
    }

    fn invalidate(&mut self, said: Vec<(ConnId, u64)>, names: &Names) {
        for (conn, seq) in said {
            let urls = match names {
                Names::All => Vec::new(),
                Names::These(names) => names.iter().collect(),
            };
            let frame = FromBridge::Invalidate { seq, urls };
            self.outbox.frame(conn, |out| frame.encode(out));
        }
    }

    fn end_held(&mut self, held: Option<(u64, Outcome)>) {
        if let Some((task, outcome)) = held {
            self.settle_task(task, outcome);
        }
    }
}

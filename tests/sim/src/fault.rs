//! What goes wrong.

use crate::net;
use crate::options::Fault;
use crate::queue::Event;
use crate::rng::MS;
use crate::world::{Phase, World};
use redis_bridge::core::ConnId;

impl World {
    /// The next fault happens, and the one after it is planned.
    pub fn fault(&mut self) {
        if self.phase != Phase::Faults || self.options.faults.is_empty() {
            return;
        }
        let every = self.options.fault_every_ms * MS;
        let next = self.now + self.rng.between(every / 2, every * 2);
        self.queue.at(next, Event::Fault);
        let fault = self.options.faults[self.rng.index(self.options.faults.len())];
        self.trace.line(self.now, format!("fault {fault:?}"));
        let bridge = self.rng.index(self.bridges.len());
        let worker = self.rng.index(self.workers.len());
        match fault {
            Fault::BridgeCrash => {
                if self.bridges[bridge].up {
                    self.marks.hit("bridge_crashed");
                    let down = self.rng.between(10 * MS, 1_500 * MS);
                    self.crash_bridge(bridge, down);
                }
            }
            Fault::BridgeFreeze => {
                self.marks.hit("bridge_frozen");
                let until = self.now + self.rng.between(10 * MS, 2_000 * MS);
                self.bridges[bridge].frozen_until = until | 1;
            }
            Fault::RedisCrash => {
                self.marks.hit("redis_crashed");
                self.redis.down_until = self.now + self.rng.between(10 * MS, 1_000 * MS);
                let load = self.rng.between(0, 500 * MS);
                self.redis.loading_until = self.redis.down_until + load;
                self.redis.paused_until = self.redis.paused_until.min(self.now);
                for bridge in 0..self.bridges.len() {
                    self.reset_redis(bridge);
                }
            }
            Fault::RedisErrors => {
                self.redis.errors_until = self.now + self.rng.between(10 * MS, 500 * MS);
            }
            Fault::RedisPause => {
                self.marks.hit("redis_paused");
                let until = self.now + self.rng.between(10 * MS, 1_000 * MS);
                self.redis.paused_until = until | 1;
            }
            Fault::RedisReset => self.reset_redis(bridge),
            Fault::StreamHalfOpen => {
                if let Some(conn) = self.any_conn() {
                    self.marks.hit("half_open");
                    let up = self.rng.chance(500);
                    let at = &mut self.conns[net::index(conn)];
                    let way = if up { &mut at.up } else { &mut at.down };
                    way.dead = true;
                }
            }
            Fault::StreamReset => {
                if let Some(conn) = self.any_conn() {
                    self.marks.hit("stream_reset");
                    self.cut(conn);
                }
            }
            Fault::StreamStall => {
                if let Some(conn) = self.any_conn() {
                    self.marks.hit("stream_stalled");
                    let until = self.now + self.rng.between(10 * MS, 800 * MS);
                    let which = self.rng.index(3);
                    let at = &mut self.conns[net::index(conn)];
                    if which != 0 {
                        at.up.hold(until);
                    }
                    if which != 1 {
                        at.down.hold(until);
                    }
                }
            }
            Fault::Swap => {
                let old = self.workers[worker];
                let variant = self.rng.between(0, 2);
                self.start_vm(worker, variant);
                // The new policy tells the old one, which gives back what it holds.
                let now = self.worker_time(old);
                if let Some(slot) = self.vms.get_mut(&old) {
                    slot.retired = true;
                    slot.vm.end(now);
                    if slot
                        .streams
                        .values()
                        .any(tidegate::stream::Stream::is_paused)
                    {
                        self.marks.hit("swap_with_pending");
                    }
                }
                self.pump(old);
            }
            Fault::VmReload => {
                let old = self.workers[worker];
                let pending = self.vms.get(&old).is_some_and(|slot| {
                    slot.streams
                        .values()
                        .any(tidegate::stream::Stream::is_paused)
                });
                if pending {
                    self.marks.hit("reload_with_pending");
                }
                let variant = self.rng.between(0, 2);
                self.start_vm(worker, variant);
                self.drop_vm(old);
            }
        }
    }

    /// Mends everything; from here on nothing goes wrong.
    pub fn heal(&mut self) {
        self.trace.line(self.now, "healed".to_owned());
        self.phase = Phase::Healed;
        self.healed = Some(self.now);
        for bridge in 0..self.bridges.len() {
            self.bridges[bridge].frozen_until = 0;
            self.bridge_up(bridge);
        }
        self.redis.down_until = 0;
        self.redis.paused_until = self.redis.paused_until.min(self.now);
        self.redis.loading_until = 0;
        self.redis.errors_until = 0;
        for conn in (0..self.conns.len() as u64).map(ConnId) {
            let at = &mut self.conns[net::index(conn)];
            at.up.held_until = at.up.held_until.min(self.now);
            at.down.held_until = at.down.held_until.min(self.now);
            let half = at.up.dead != at.down.dead;
            if half && (at.at_worker || at.at_bridge) {
                self.cut(conn);
            }
        }
    }

    fn any_conn(&mut self) -> Option<ConnId> {
        let live: Vec<ConnId> = (0..self.conns.len() as u64)
            .map(ConnId)
            .filter(|conn| {
                let conn = &self.conns[net::index(*conn)];
                conn.at_worker && conn.at_bridge && !conn.up.dead && !conn.down.dead
            })
            .collect();
        if live.is_empty() {
            return None;
        }
        Some(live[self.rng.index(live.len())])
    }
}

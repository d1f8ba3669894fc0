//! Streams between workers and bridges: in order, or dead.

use crate::queue::{Event, VmId};
use crate::rng::MS;
use crate::world::World;
use redis_bridge::core::ConnId;

/// One direction of a stream.
#[derive(Debug, Clone, Copy, Default)]
pub struct Way {
    last: u64,
    /// Messages wait until then.
    pub held_until: u64,
    /// Nothing arrives any more, and nobody is told.
    pub dead: bool,
}

/// A stream.
#[derive(Debug)]
pub struct Conn {
    /// Who opened it.
    pub vm: VmId,
    /// For which link.
    pub link: usize,
    /// To which bridge.
    pub bridge: usize,
    /// To which process of it.
    pub incarnation: u64,
    /// Worker to bridge.
    pub up: Way,
    /// Bridge to worker.
    pub down: Way,
    /// The worker's end is open.
    pub at_worker: bool,
    /// The bridge's end is open.
    pub at_bridge: bool,
}

impl Way {
    /// When something sent now arrives. Arrivals are even and ends of holds odd, so that what was held
    /// never meets what comes after it at the same instant.
    fn arrival(&mut self, now: u64, latency: u64) -> u64 {
        let at = (now + latency).max(self.last + 2).max(self.held_until + 1);
        self.last = at & !1;
        self.last
    }

    /// Holds everything until a time.
    pub fn hold(&mut self, until: u64) {
        self.held_until = self.held_until.max(until | 1);
    }
}

/// The index of a stream.
pub fn index(conn: ConnId) -> usize {
    usize::try_from(conn.0).unwrap_or(usize::MAX)
}

impl World {
    /// A latency between Envoy and a bridge.
    pub fn hop(&mut self) -> u64 {
        let tail = self.tail();
        self.rng.latency(MS / 5, 250 * MS, tail)
    }

    /// Opens a stream; which bridge it reaches is the load balancer's choice.
    pub fn connect(&mut self, vm: VmId, link: usize) -> ConnId {
        let conn = ConnId(self.conns.len() as u64);
        let bridge = self.rng.index(self.bridges.len());
        let (incarnation, up) = (self.bridges[bridge].incarnation, self.bridges[bridge].up);
        self.conns.push(Conn {
            vm,
            link,
            bridge,
            incarnation,
            up: Way::default(),
            down: Way::default(),
            at_worker: true,
            at_bridge: up,
        });
        let event = if up {
            Event::Open(conn)
        } else {
            Event::CloseAtWorker(conn)
        };
        let latency = self.hop();
        let way = &mut self.conns[index(conn)].up;
        let at = way.arrival(self.now, latency);
        self.queue.at(at, event);
        conn
    }

    /// Sends towards the bridge.
    pub fn send_up(&mut self, conn: ConnId, event: Event) {
        let latency = self.hop();
        let way = &mut self.conns[index(conn)].up;
        if !way.dead {
            let at = way.arrival(self.now, latency);
            self.queue.at(at, event);
        }
    }

    /// Sends towards the worker.
    pub fn send_down(&mut self, conn: ConnId, event: Event) {
        let latency = self.hop();
        let way = &mut self.conns[index(conn)].down;
        if !way.dead {
            let at = way.arrival(self.now, latency);
            self.queue.at(at, event);
        }
    }

    /// Both ends learn that the stream is cut; what is in flight is lost.
    pub fn cut(&mut self, conn: ConnId) {
        let (one, other) = (self.hop(), self.hop());
        let at = &mut self.conns[index(conn)];
        at.up.dead = true;
        at.down.dead = true;
        self.queue.at(self.now + one, Event::CloseAtWorker(conn));
        self.queue.at(self.now + other, Event::CloseAtBridge(conn));
        if self.rng.chance(300) {
            self.queue
                .at(self.now + one + MS, Event::CloseAtWorker(conn));
        }
    }
}

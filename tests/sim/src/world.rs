//! The world: all nodes, one clock, one queue, one seed.

use crate::admin::Admin;
use crate::bridge::Bridge;
use crate::check::forget::Forgets;
use crate::check::lease::Leases;
use crate::check::limit::{Limits, Noted};
use crate::check::session::Sessions;
use crate::host::{Post, Refreshing, Slot};
use crate::marks::Marks;
use crate::net::{self, Conn};
use crate::options::Options;
use crate::origin::{Origin, RESOURCES};
use crate::queue::{Event, Queue, VmId};
use crate::redis::Redis;
use crate::request::Request;
use crate::rng::{MS, Rng};
use crate::trace::Trace;
use redis_bridge::core::{ConnId, RequestId};
use std::collections::{BTreeMap, BTreeSet};

/// Bridges.
const BRIDGES: usize = 2;
/// How long requests come after healing.
const HEALED_FOR: u64 = 4_000 * MS;
/// How long the end waits for what nobody waits for: stores have 5 s.
const QUIET_FOR: u64 = 7_000 * MS;
/// A run is not longer than this, whatever happens.
const LONGEST: u64 = 120_000 * MS;

/// What is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Faults happen.
    Faults,
    /// Everything was mended; ratios must recover.
    Healed,
    /// No more requests.
    Quiet,
}

/// Everything.
pub struct World {
    /// What this run is made of.
    pub options: Options,
    /// Nanoseconds since the start.
    pub now: u64,
    /// The one source of randomness.
    pub rng: Rng,
    /// What will happen.
    pub queue: Queue,
    /// What happened.
    pub trace: Trace,
    /// What was met.
    pub marks: Marks,
    /// What is going on.
    pub phase: Phase,
    /// When everything was mended.
    pub healed: Option<u64>,
    /// The VM that takes new requests, by worker.
    pub workers: Vec<VmId>,
    /// Origins of the workers' clocks, nanoseconds.
    pub worker_origins: Vec<u64>,
    /// VMs.
    pub vms: BTreeMap<VmId, Slot>,
    /// The last VM made.
    pub last_vm: VmId,
    /// Bridges.
    pub bridges: Vec<Bridge>,
    /// Streams, open or not.
    pub conns: Vec<Conn>,
    /// Unary exchanges on their way.
    pub posts: BTreeMap<RequestId, Post>,
    /// Refreshes on their way.
    pub refreshes: BTreeMap<u64, Refreshing>,
    /// Admin operations on their way.
    pub admin: BTreeMap<RequestId, Admin>,
    /// The last of all three.
    pub last_request: u64,
    /// Redis.
    pub redis: Redis,
    /// The upstream.
    pub origin: Origin,
    /// Requests, over or not.
    pub requests: Vec<Request>,
    /// Requests that are paused.
    pub paused: BTreeSet<usize>,
    /// What bridges said, by stream and exchange.
    pub said: BTreeMap<(ConnId, u64), u64>,
    /// What was charged and admitted.
    pub limits: Limits,
    /// What is held of leases.
    pub leases: Leases,
    /// What was reset, and who knows.
    pub forgets: Forgets,
    /// What workers settle since it was last looked at.
    pub noted: Vec<Noted>,
    /// Exchanges its VM had asked for when the last request came.
    pub asked_before: u64,
    /// What was created and revoked.
    pub sessions: Sessions,
    /// When the latest acknowledged invalidation of a resource was sent.
    pub fresh_after: [u64; RESOURCES],
    /// Times each VM's breaker has opened.
    pub opened: BTreeMap<VmId, u64>,
    /// The mutant's: another request's body.
    pub last_body: String,
    /// The mutant's: what a session was.
    pub last_session: Option<redis_bridge::model::Entry>,
    /// What is broken.
    pub violation: Option<String>,
    clocks: Rng,
    end: u64,
}

/// How a run went.
#[derive(Debug, Clone)]
pub struct Report {
    /// What it was made of.
    pub options: Options,
    /// The invariant that was broken, and how.
    pub violation: Option<String>,
    /// Hash of everything that happened.
    pub trace: u64,
    /// Hash of how requests ended.
    pub verdicts: u64,
    /// What was met.
    pub marks: Marks,
    /// Requests.
    pub requests: usize,
    /// The last lines of what happened.
    pub last: Vec<String>,
}

impl World {
    /// A world at its start.
    pub fn new(options: Options) -> Self {
        let mut world = Self {
            now: 0,
            rng: Rng::new(options.seed.wrapping_add(1) << 20),
            queue: Queue::default(),
            trace: Trace::default(),
            marks: Marks::default(),
            phase: Phase::Faults,
            healed: None,
            workers: vec![0; options.workers],
            worker_origins: Vec::new(),
            vms: BTreeMap::new(),
            last_vm: 0,
            bridges: Vec::new(),
            conns: Vec::new(),
            posts: BTreeMap::new(),
            refreshes: BTreeMap::new(),
            admin: BTreeMap::new(),
            last_request: 0,
            redis: Redis::default(),
            origin: Origin::default(),
            requests: Vec::new(),
            paused: BTreeSet::new(),
            said: BTreeMap::new(),
            limits: Limits::default(),
            leases: Leases::default(),
            forgets: Forgets::default(),
            noted: Vec::new(),
            asked_before: 0,
            sessions: Sessions::default(),
            fresh_after: [0; RESOURCES],
            opened: BTreeMap::new(),
            last_body: String::new(),
            last_session: None,
            violation: None,
            clocks: Rng::new(options.clocks),
            end: LONGEST,
            options,
        };
        for index in 0..BRIDGES {
            let origin = world.clock_origin();
            let bridge = Bridge::new(index, 0, world.options.cluster, origin);
            world.bridges.push(bridge);
            world.queue.at(MS, Event::RedisTime(index));
            world.unsubscribe(index);
        }
        for worker in 0..world.options.workers {
            let origin = world.clock_origin();
            world.worker_origins.push(origin);
            world.start_vm(worker, 0);
        }
        for _ in 0..6 {
            world.log_in();
        }
        world.queue.at(200 * MS, Event::Client);
        world.queue.at(300 * MS, Event::Fault);
        world
    }

    /// Lets it run to its end, or to what is broken.
    pub fn run(mut self) -> Report {
        while let Some((time, event)) = self.queue.pop() {
            if time > self.end || self.violation.is_some() {
                break;
            }
            self.now = time;
            self.step(event);
            self.check_paused();
            self.advance();
        }
        if self.violation.is_none() {
            self.check_end();
        }
        if self.violation.is_none() && self.phase != Phase::Quiet {
            self.violation = Some(format!("the run did not end by itself at {}", self.now));
        }
        Report {
            violation: self.violation,
            trace: self.trace.all.0,
            verdicts: self.trace.verdicts.0,
            marks: self.marks,
            requests: self.requests.len(),
            last: self.trace.into_last(),
            options: self.options,
        }
    }

    /// Notes that an invariant is broken; the first one counts.
    pub fn violated(&mut self, what: String) {
        self.trace.line(self.now, format!("VIOLATED {what}"));
        self.violation.get_or_insert(what);
    }

    /// Long latencies in 1000, now.
    pub fn tail(&self) -> u64 {
        match self.phase {
            Phase::Faults => self.options.tail_permille,
            Phase::Healed | Phase::Quiet => 0,
        }
    }

    /// How late ticks may be, now.
    pub fn jitter(&self) -> u64 {
        match self.phase {
            Phase::Faults => self.options.tick_jitter_ms * MS,
            Phase::Healed | Phase::Quiet => 0,
        }
    }

    /// Where a node's monotonic clock starts: any number of minutes, because windows of local shares
    /// are aligned to it.
    pub fn clock_origin(&mut self) -> u64 {
        self.clocks.between(0, 1_000_000) * 60_000 * MS
    }

    fn advance(&mut self) {
        match self.phase {
            Phase::Faults if self.requests.len() >= self.options.requests => self.heal(),
            Phase::Healed => {
                if self.healed.is_some_and(|at| self.now > at + HEALED_FOR) {
                    self.phase = Phase::Quiet;
                    self.end = self.now + QUIET_FOR;
                }
            }
            Phase::Faults | Phase::Quiet => {}
        }
    }

    fn step(&mut self, event: Event) {
        if let Some(bridge) = self.bridge_of(&event)
            && self.now < self.bridges[bridge].frozen_until
        {
            let at = self.bridges[bridge].frozen_until;
            return self.queue.at(at, event);
        }
        let event = match self.held(event) {
            Ok(event) => event,
            Err(Some((at, event))) => return self.queue.at(at, event),
            Err(None) => return,
        };
        match event {
            Event::Admin(request) => self.admin_at_bridge(request),
            Event::BridgeTimer(bridge) => self.bridge_timer(bridge),
            Event::BridgeUp(bridge) => self.bridge_up(bridge),
            Event::Burst(worker, left) => self.burst(worker, left),
            Event::Client => self.client(),
            Event::CloseAtBridge(conn) => self.closed_at_bridge(conn),
            Event::CloseAtWorker(conn) => self.closed_at_worker(conn),
            Event::Fault => self.fault(),
            Event::Forget(bridge, incarnation, word) => {
                self.forget_at_bridge(bridge, incarnation, word);
            }
            Event::HangUp(no) => self.hang_up(no),
            Event::Open(conn) => self.opened_at_bridge(conn),
            Event::Origin(no) => self.origin(no),
            Event::Post(request) => self.post_at_bridge(request),
            Event::Posted(vm, call, request, body) => {
                self.posted_at_worker(vm, call, request, body.as_deref());
            }
            Event::Redis(bridge, conn, batch) => self.redis_batch(bridge, conn, batch),
            Event::Replies(bridge, incarnation, batch, replies) => {
                self.replies_at_bridge(bridge, incarnation, batch, replies);
            }
            Event::RedisTime(bridge) => self.ask_time(bridge),
            Event::RedisTimeIs(bridge, incarnation, time_us) => {
                if self.bridges[bridge].up && self.bridges[bridge].incarnation == incarnation {
                    self.bridge(bridge, |core, now| core.handle_redis_time(time_us, now));
                }
            }
            Event::Refresh(id) => self.refreshing(id),
            Event::Response(no) => self.response(no),
            Event::Subscribed(bridge, incarnation, subscription) => {
                self.subscribed(bridge, incarnation, subscription);
            }
            Event::Tick(vm) => self.tick(vm),
            Event::Told(bridge, incarnation, subscription, message) => {
                self.trace.all.add(&message);
                self.told(bridge, incarnation, subscription, &message);
            }
            Event::ToBridge(conn, message) => {
                self.trace.all.add(&message);
                self.message_at_bridge(conn, &message);
            }
            Event::ToWorker(conn, message) => {
                self.trace.all.add(&message);
                self.message_at_worker(conn, &message);
            }
        }
    }

    /// The bridge process an event is for.
    fn bridge_of(&self, event: &Event) -> Option<usize> {
        match event {
            Event::Admin(request) => self.admin.get(request).map(|admin| admin.bridge),
            Event::Post(request) => self.posts.get(request).map(|post| post.bridge),
            Event::BridgeTimer(bridge)
            | Event::Forget(bridge, ..)
            | Event::Replies(bridge, ..)
            | Event::RedisTime(bridge)
            | Event::RedisTimeIs(bridge, ..)
            | Event::Subscribed(bridge, ..)
            | Event::Told(bridge, ..) => Some(*bridge),
            Event::CloseAtBridge(conn) | Event::Open(conn) | Event::ToBridge(conn, _) => {
                Some(self.conns[net::index(*conn)].bridge)
            }
            _ => None,
        }
    }

    /// What a stream holds back comes later; what it has lost does not come.
    fn held(&self, event: Event) -> Result<Event, Option<(u64, Event)>> {
        let (way, lost) = match &event {
            Event::Open(conn) | Event::ToBridge(conn, _) => {
                (self.conns[net::index(*conn)].up, true)
            }
            Event::CloseAtBridge(conn) => (self.conns[net::index(*conn)].up, false),
            Event::ToWorker(conn, _) => (self.conns[net::index(*conn)].down, true),
            Event::CloseAtWorker(conn) => (self.conns[net::index(*conn)].down, false),
            _ => return Ok(event),
        };
        if way.dead && lost {
            return Err(None);
        }
        if self.now < way.held_until {
            return Err(Some((way.held_until, event)));
        }
        Ok(event)
    }
}

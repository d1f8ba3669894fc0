//! A worker's VM and what Envoy and `host` do with it: the same steps, on simulated streams.

mod exchange;
mod refresh;
mod request;

pub use refresh::Refreshing;

use crate::check::exchange::Call;
use crate::net;
use crate::options::Mutant;
use crate::policy;
use crate::queue::{Event, VmId};
use crate::rng::MS;
use crate::world::World;
use redis_bridge::core::ConnId;
use std::collections::BTreeMap;
use std::time::Duration;
use tidegate::exchange::{CallId, LINKS};
use tidegate::stream::Stream;
use tidegate::vm::{Vm, VmSeed};

/// The tick's period.
const TICK: u64 = 10 * MS;

/// A VM with one policy.
pub struct Slot {
    /// Which worker it is in.
    pub worker: usize,
    /// The filter's memory.
    pub vm: Vm,
    /// Requests in it.
    pub streams: BTreeMap<usize, Stream>,
    /// Its streams to bridges.
    pub links: [Option<ConnId>; LINKS],
    /// Calls it has made, as seen on the wire.
    pub calls: BTreeMap<CallId, Call>,
    /// It had no stream at its last tick.
    pub was_unlinked: bool,
    /// Calls had to wait for their turn at its last tick, as its breaker had closed a moment ago.
    pub was_bounded: bool,
    /// It takes no new requests.
    pub retired: bool,
}

/// A unary exchange on its way.
#[derive(Debug)]
pub struct Post {
    /// Who made it.
    pub vm: VmId,
    /// For which call.
    pub call: CallId,
    /// Which bridge.
    pub bridge: usize,
    /// Which process of it.
    pub incarnation: u64,
    /// The operations.
    pub body: Vec<u8>,
    /// When Envoy gives it up, milliseconds.
    pub timeout_ms: u32,
}

/// In which callback an output was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Callback {
    /// None of the request's own: it was paused.
    Answer,
    Body,
    Done,
    RequestHeaders,
    ResponseHeaders,
}

impl World {
    /// A worker's clock, in a VM.
    pub fn worker_time(&self, vm: VmId) -> Duration {
        let worker = self.vms.get(&vm).map_or(0, |slot| slot.worker);
        Duration::from_nanos(self.now + self.worker_origins[worker])
    }

    /// A new VM for a worker, which takes the requests from now on.
    pub fn start_vm(&mut self, worker: usize, variant: u64) {
        let config = policy::config(variant, self.options.on_error, self.options.workers);
        let config = match config {
            Ok(config) => config,
            Err(errors) => return self.violated(format!("policy: {errors}")),
        };
        let seed = VmSeed {
            random: self.rng.word(),
            worker: self.rng.word(),
            node: format!("node-{worker}"),
        };
        self.last_vm += 1;
        let id = self.last_vm;
        let slot = Slot {
            worker,
            vm: Vm::new(config, policy::keys(), seed),
            streams: BTreeMap::new(),
            links: [None; LINKS],
            calls: BTreeMap::new(),
            was_unlinked: true,
            was_bounded: false,
            retired: false,
        };
        self.vms.insert(id, slot);
        self.workers[worker] = id;
        self.queue
            .at(self.now + self.rng.between(0, TICK), Event::Tick(id));
    }

    /// The host destroys a VM: its streams close, its requests end.
    pub fn drop_vm(&mut self, id: VmId) {
        let Some(slot) = self.vms.remove(&id) else {
            return;
        };
        for conn in slot.links.into_iter().flatten() {
            self.conns[net::index(conn)].at_worker = false;
            self.send_up(conn, Event::CloseAtBridge(conn));
        }
        for call in slot.calls.values().filter(|call| !call.ended) {
            self.limits.unsure(&call.limits);
        }
        self.posts.retain(|_, post| post.vm != id);
        for no in slot.streams.into_keys() {
            self.end(no, "vm lost");
        }
    }

    /// A VM's tick.
    pub fn tick(&mut self, id: VmId) {
        if self.options.mutant == Some(Mutant::TicksStop) && self.now > 500 * MS {
            return;
        }
        let now = self.worker_time(id);
        let Some(slot) = self.vms.get_mut(&id) else {
            return;
        };
        let unlinked = !slot.vm.client.is_linked();
        let bounded = slot.vm.client.is_bounded();
        let answers = slot.vm.client.handle_tick(now);
        slot.vm.tick(now);
        self.deliver(id, answers);
        self.pump(id);
        let Some(slot) = self.vms.get_mut(&id) else {
            return;
        };
        slot.was_unlinked = unlinked;
        slot.was_bounded = bounded;
        if slot.retired && slot.streams.is_empty() && slot.vm.client.pending() == 0 {
            return self.drop_vm(id);
        }
        if let Some(reason) = self
            .vms
            .get_mut(&id)
            .and_then(|s| s.vm.client.take_refusal())
        {
            self.violated(format!("a bridge refused a stream: {reason}"));
        }
        let jitter = self.jitter();
        let late = self.rng.between(0, jitter);
        self.queue.at(self.now + TICK + late, Event::Tick(id));
    }
}

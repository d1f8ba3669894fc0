//! Events in the order of their time, and of their making where times are equal.

use crate::check::forget::Word;
use redis_bridge::core::{Batch, BatchId, ConnId, Replies, RequestId};
use std::collections::BTreeMap;
use tidegate::exchange::CallId;

/// A VM: never used twice.
pub type VmId = u64;

/// Something that will happen.
#[derive(Debug, Clone)]
pub enum Event {
    /// An admin operation reaches a bridge.
    Admin(RequestId),
    /// A bridge's timer is due.
    BridgeTimer(usize),
    /// A bridge comes back.
    BridgeUp(usize),
    /// The next request of a burst for one key comes to a worker, and how many after it.
    Burst(usize, usize),
    /// The next request comes.
    Client,
    /// The bridge's end of a stream closes.
    CloseAtBridge(ConnId),
    /// The worker's end of a stream closes.
    CloseAtWorker(ConnId),
    /// A fault is due.
    Fault,
    /// What a reset tells in Redis reaches a bridge's process.
    Forget(usize, u64, Word),
    /// A client leaves.
    HangUp(usize),
    /// A stream reaches its bridge.
    Open(ConnId),
    /// The upstream gets a request.
    Origin(usize),
    /// A unary exchange reaches its bridge.
    Post(RequestId),
    /// A unary exchange's answer reaches its VM.
    Posted(VmId, CallId, RequestId, Option<Vec<u8>>),
    /// A batch reaches Redis.
    Redis(usize, u64, Batch),
    /// Replies of a batch reach their bridge.
    Replies(usize, u64, BatchId, Replies),
    /// A bridge asks Redis for the time, again and again.
    RedisTime(usize),
    /// What Redis said, when it was.
    RedisTimeIs(usize, u64, u64),
    /// A refresh reaches the upstream, or its answer the VM.
    Refresh(u64),
    /// The next part of an upstream's answer reaches Envoy.
    Response(usize),
    /// A bridge's process listens to the others again.
    Subscribed(usize, u64, u64),
    /// A VM's tick.
    Tick(VmId),
    /// What a bridge told all bridges reaches one's process, by one of its subscriptions.
    Told(usize, u64, u64, Vec<u8>),
    /// A message reaches the bridge.
    ToBridge(ConnId, Vec<u8>),
    /// A message reaches the worker.
    ToWorker(ConnId, Vec<u8>),
}

/// All that will happen.
#[derive(Debug, Default)]
pub struct Queue {
    events: BTreeMap<(u64, u64), Event>,
    seq: u64,
}

impl Queue {
    /// Puts an event at a time in nanoseconds.
    pub fn at(&mut self, time: u64, event: Event) {
        self.seq += 1;
        self.events.insert((time, self.seq), event);
    }

    /// The next event and its time.
    pub fn pop(&mut self) -> Option<(u64, Event)> {
        self.events
            .pop_first()
            .map(|((time, _), event)| (time, event))
    }
}

//! A Cluster: one Redis of its own for each primary, and each command to the one that has its slot.
//!
//! Why not the library's client: of redis-rs 1.8 a connection to a Cluster is one task for all nodes. When a node
//! dies it looks for the new slots and reconnects at the same time, and the two can wait for each other for ever
//! (both want one lock, and neither is polled while the other has its turn): seen in three of four failovers on a busy
//! machine, no shard was served by such a bridge for eight seconds. Here a node that is gone is nobody else's business.

use super::server::Redis;
use super::target::Node;
use super::topology::Topology;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// A node that redirections named and nobody's word confirms is kept so long.
const PROVISIONAL: Duration = Duration::from_secs(5);

/// Its members and what is known of them.
pub(super) struct Cluster {
    pub(super) topology: watch::Sender<Option<Arc<Topology>>>,
    members: Mutex<HashMap<Node, Member>>,
    /// Somebody was redirected: the topology is another one.
    pub(super) moved: Notify,
}

/// A primary, or who is becoming one.
struct Member {
    redis: Arc<Redis>,
    /// Ended with it.
    tasks: Vec<AbortHandle>,
    /// The Cluster hears of its state and of its clock.
    heard: bool,
    since: Instant,
}

impl Drop for Member {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Cluster {
    pub(super) fn new() -> Self {
        Self {
            topology: watch::Sender::new(None),
            members: Mutex::default(),
            moved: Notify::new(),
        }
    }

    /// The member at `node`; `start` makes it when there is none.
    pub(super) fn member(
        &self,
        node: &Node,
        start: impl FnOnce() -> (Arc<Redis>, Vec<AbortHandle>),
    ) -> Arc<Redis> {
        let mut members = self.lock();
        let member = members.entry(node.clone()).or_insert_with(|| {
            let (redis, tasks) = start();
            Member {
                redis,
                tasks,
                heard: false,
                since: Instant::now(),
            }
        });
        Arc::clone(&member.redis)
    }

    /// Primaries in the order of their slots, as far as there are members for them.
    pub(super) fn primaries(&self) -> Vec<Arc<Redis>> {
        let topology = self.topology.borrow().clone();
        let members = self.lock();
        let nodes = topology.iter().flat_map(|topology| &topology.primaries);
        nodes
            .filter_map(|node| Some(Arc::clone(&members.get(node)?.redis)))
            .collect()
    }

    /// Members are the primaries, and for a while those that only redirections named.
    pub(super) fn tidy(&self, primaries: &[Node]) {
        self.lock().retain(|node, member| {
            primaries.contains(node) || (!member.heard && member.since.elapsed() < PROVISIONAL)
        });
    }

    /// Has those that became primaries heard; `hear` makes the task that does.
    fn adopt(&self, primaries: &[Node], mut hear: impl FnMut(&Arc<Redis>) -> AbortHandle) {
        self.tidy(primaries);
        for (node, member) in self.lock().iter_mut() {
            if !member.heard && primaries.contains(node) {
                member.heard = true;
                let task = hear(&member.redis);
                member.tasks.push(task);
            }
        }
    }

    /// No code panics while it holds the lock, so a poisoned one holds good data.
    fn lock(&self) -> MutexGuard<'_, HashMap<Node, Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Redis {
    /// Takes over who has what.
    pub(super) fn follow(self: &Arc<Self>, cluster: &Cluster, topology: Topology) {
        let topology = Arc::new(topology);
        for node in &topology.primaries {
            cluster.member(node, || self.start_member(node));
        }
        let before = cluster.topology.send_replace(Some(Arc::clone(&topology)));
        let changed = before.is_none_or(|before| before.primaries != topology.primaries);
        cluster.adopt(&topology.primaries, |member| {
            let task = Arc::clone(self).hear(Arc::clone(member));
            tokio::spawn(task).abort_handle()
        });
        if changed {
            tracing::info!(redis = %self.url(), primaries = ?topology.primaries, "the primaries");
        }
    }

    /// Tells of a member for as long as it is one.
    async fn hear(self: Arc<Self>, member: Arc<Self>) {
        let (mut known, mut time_us) = (member.known(), member.time_us());
        known.mark_changed();
        // One clock, not several: theirs differ.
        let is_first = || {
            let primaries = self.cluster().map(Cluster::primaries).unwrap_or_default();
            let first = primaries.iter().find(|member| member.is_up());
            first.is_some_and(|first| Arc::ptr_eq(first, &member))
        };
        loop {
            tokio::select! {
                Ok(()) = known.changed() => self.members_changed(),
                Ok(()) = time_us.changed() => {
                    let time_us = *time_us.borrow_and_update();
                    if time_us > 0 && is_first() {
                        self.tell_time(time_us);
                    }
                }
                else => return,
            }
        }
    }
}

//! A Cluster: one Redis of its own for each primary, and each command to the one that has its slot.
//!
//! Why not the library's client: of redis-rs 1.8 a connection to a Cluster is one task for all nodes. When a node
//! dies it looks for the new slots and reconnects at the same time, and the two can wait for each other for ever
//! (both want one lock, and neither is polled while the other has its turn): seen in three of four failovers on a busy
//! machine, no shard was served by such a bridge for eight seconds. Here a node that is gone is nobody else's business.

use super::pipeline;
use super::redirect::Redirect;
use super::server::{Known, Redis};
use super::target::Node;
use super::topology::Topology;
use crate::core::{BackendError, Command, Replies, Value};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// How often a command is sent somewhere else, or again, before its last answer stands.
const REDIRECTS: u32 = 6;
/// Pause before a command whose keys are on their way is sent again; doubled each time.
const PAUSE: Duration = Duration::from_millis(5);
/// How long a command waits for a connection that is being made for the first time.
const FIRST: Duration = Duration::from_millis(300);
/// A node that redirections named and nobody's word confirms is kept so long.
const PROVISIONAL: Duration = Duration::from_secs(5);
/// What of a primary without connection is said.
const NOBODY: &[u8] = b"CLUSTERDOWN no node has the slot";

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

/// How commands are run on a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// As they are.
    Plain,
    /// Behind ASKING.
    Asking,
}

/// What commands came to, and whether replicas have what they wrote.
type Outcome = (Replies, bool);

impl Cluster {
    pub(super) fn new() -> Self {
        Self {
            topology: watch::Sender::new(None),
            members: Mutex::default(),
            moved: Notify::new(),
        }
    }

    /// The member at `node`; `start` makes it when there is none.
    fn member(
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

    /// Members are the primaries of the topology; `hear` makes the task that tells of a new one.
    fn adopt(&self, primaries: &[Node], mut hear: impl FnMut(&Arc<Redis>) -> AbortHandle) {
        let mut members = self.lock();
        members.retain(|node, member| {
            primaries.contains(node) || (!member.heard && member.since.elapsed() < PROVISIONAL)
        });
        for (node, member) in members.iter_mut() {
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

    /// Runs each command where its slot is, and follows those that are sent elsewhere. `durable`: as
    /// [`Redis::run_durable`].
    pub(super) async fn run_sharded(
        &self,
        cluster: &Cluster,
        commands: &[Command],
        durable: bool,
    ) -> Outcome {
        let Some(topology) = cluster.topology.borrow().clone() else {
            return (Err(BackendError::Down), false);
        };
        let mut answers: Vec<Result<Value, BackendError>> = Vec::with_capacity(commands.len());
        let mut open = Vec::with_capacity(commands.len());
        for (at, command) in commands.iter().enumerate() {
            answers.push(Ok(Value::error(NOBODY.to_vec())));
            if let Some(node) = topology.owner(command) {
                open.push((at, node.clone(), Way::Plain));
            }
        }
        let mut replicated = open.len() == commands.len();
        for turn in 0..REDIRECTS {
            let mut parts: BTreeMap<(Node, Way), Vec<usize>> = BTreeMap::new();
            for (at, node, way) in open.drain(..) {
                parts.entry((node, way)).or_default().push(at);
            }
            let parts = parts.into_iter().map(|((node, way), ats)| async move {
                let outcome = self
                    .run_part(cluster, &node, way, commands, &ats, durable)
                    .await;
                (node, ats, outcome)
            });
            let mut pause = false;
            for (node, ats, (replies, has)) in futures_util::future::join_all(parts).await {
                replicated &= has;
                let Ok(values) = replies else {
                    let error = replies.err().unwrap_or(BackendError::Down);
                    for at in ats {
                        set(&mut answers, at, Err(error));
                    }
                    continue;
                };
                for (at, value) in ats.into_iter().zip(values) {
                    match Redirect::of(&value, &node.0) {
                        None => {}
                        Some(Redirect::Ask(to)) => open.push((at, to, Way::Asking)),
                        Some(Redirect::Moved(to)) => {
                            cluster.moved.notify_one();
                            open.push((at, to, Way::Plain));
                        }
                        Some(Redirect::Again) => {
                            pause = true;
                            open.push((at, node.clone(), Way::Plain));
                        }
                    }
                    set(&mut answers, at, Ok(value));
                }
            }
            if open.is_empty() {
                break;
            }
            if pause {
                tokio::time::sleep(PAUSE * 2_u32.pow(turn)).await;
            }
        }
        // One dead shard must not spoil the others' answers.
        let error = answers
            .iter()
            .find_map(|answer| answer.as_ref().err().copied());
        let replies = match error {
            Some(error) if answers.iter().all(Result::is_err) => Err(error),
            _ => Ok(answers.into_iter().map(or_line).collect()),
        };
        (replies, replicated && open.is_empty())
    }

    async fn run_part(
        &self,
        cluster: &Cluster,
        node: &Node,
        way: Way,
        commands: &[Command],
        ats: &[usize],
        durable: bool,
    ) -> Outcome {
        let member = cluster.member(node, || self.start_member(node));
        member.first_attempt().await;
        // Almost always all of them: a batch is of one shard.
        let part: Vec<Command>;
        let part = if ats.len() == commands.len() {
            commands
        } else {
            part = ats
                .iter()
                .filter_map(|at| commands.get(*at).cloned())
                .collect();
            &part
        };
        let Some(links) = member.links() else {
            return (Err(BackendError::Down), false);
        };
        match (way, durable) {
            (Way::Asking, _) => (member.run_asking(part).await, false),
            (Way::Plain, true) => member.run_here_durable(links, part).await,
            (Way::Plain, false) => (member.run_here(links, part).await, true),
        }
    }

    /// Waits until it was reached, or a first attempt failed, but not long.
    async fn first_attempt(&self) {
        let mut known = self.known();
        let attempted = known.wait_for(|known| *known != Known::Nothing);
        drop(tokio::time::timeout(FIRST, attempted).await);
    }

    /// Runs commands whose slot is on its way here.
    async fn run_asking(&self, commands: &[Command]) -> Replies {
        let mut connection = self.direct().ok_or(BackendError::Down)?;
        pipeline::run_asking(&mut connection, commands).await
    }
}

fn set(
    answers: &mut [Result<Value, BackendError>],
    at: usize,
    answer: Result<Value, BackendError>,
) {
    if let Some(slot) = answers.get_mut(at) {
        *slot = answer;
    }
}

fn or_line(result: Result<Value, BackendError>) -> Value {
    result.unwrap_or_else(|error| {
        Value::error(match error {
            BackendError::Down => &b"DOWN"[..],
            BackendError::Timeout => &b"TIMEOUT"[..],
        })
    })
}

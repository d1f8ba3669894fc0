//! A Cluster's commands, each to the primary that has its slot, and after it when the slot moves.

use super::cluster::Cluster;
use super::pipeline;
use super::redirect::Redirect;
use super::server::{Known, Redis};
use super::target::Node;
use crate::core::{BackendError, Command, Replies, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// How often a command is sent somewhere else, or again, before its last answer stands.
const REDIRECTS: u32 = 10;
/// Pause before a command whose keys are on their way is sent again; doubled each time, up to [`LONGEST`].
const PAUSE: Duration = Duration::from_millis(2);
const LONGEST: Duration = Duration::from_millis(40);
/// How long a command waits for a connection that is being made for the first time.
const FIRST: Duration = Duration::from_millis(300);
/// What is said of a slot that is nobody's.
const NOBODY: &[u8] = b"CLUSTERDOWN no node has the slot";

/// How commands are run on a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// As they are.
    Plain,
    /// Behind ASKING.
    Asking,
}

/// What one command came to.
type Answer = Result<Value, BackendError>;
/// Commands that are to be sent, by where and how.
type Open = BTreeMap<(Node, Way), Vec<usize>>;
/// What commands came to, and whether replicas have what they wrote.
type Outcome = (Replies, bool);

impl Redis {
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
        let mut answers: Vec<Option<Answer>> = vec![None; commands.len()];
        let mut owners: BTreeMap<&Node, Vec<usize>> = BTreeMap::new();
        let mut replicated = true;
        for (at, command) in commands.iter().enumerate() {
            match topology.owner(command) {
                Some(node) => owners.entry(node).or_default().push(at),
                None => replicated = false,
            }
        }
        let mut open = Open::new();
        for (node, ats) in owners {
            open.insert((node.clone(), Way::Plain), ats);
        }
        for turn in 0..REDIRECTS {
            let parts = std::mem::take(&mut open);
            let parts = parts.into_iter().map(|((node, way), ats)| async move {
                let outcome = self
                    .run_part(cluster, &node, way, commands, &ats, durable)
                    .await;
                (node, way, ats, outcome)
            });
            let mut pause = false;
            for (node, way, ats, (replies, has)) in futures_util::future::join_all(parts).await {
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
                        Some(Redirect::Ask(to)) => {
                            open.entry((to, Way::Asking)).or_default().push(at);
                        }
                        Some(Redirect::Moved(to)) => {
                            cluster.moved.notify_one();
                            open.entry((to, Way::Plain)).or_default().push(at);
                        }
                        Some(Redirect::Again) => {
                            pause = true;
                            open.entry((node.clone(), way)).or_default().push(at);
                        }
                    }
                    set(&mut answers, at, Ok(value));
                }
            }
            if open.is_empty() {
                break;
            }
            if pause {
                tokio::time::sleep((PAUSE * 2_u32.pow(turn)).min(LONGEST)).await;
            }
        }
        // One dead shard must not spoil the others' answers.
        let error = |answer: &Option<Answer>| answer.as_ref()?.as_ref().err().copied();
        let errors = answers.iter().filter_map(error);
        let replies = match answers.iter().find_map(error) {
            Some(first) if errors.count() == commands.len() => Err(first),
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

fn set(answers: &mut [Option<Answer>], at: usize, answer: Answer) {
    if let Some(slot) = answers.get_mut(at) {
        *slot = Some(answer);
    }
}

fn or_line(answer: Option<Answer>) -> Value {
    match answer {
        Some(Ok(value)) => value,
        Some(Err(BackendError::Down)) => Value::error(*b"DOWN"),
        Some(Err(BackendError::Timeout)) => Value::error(*b"TIMEOUT"),
        None => Value::error(NOBODY),
    }
}

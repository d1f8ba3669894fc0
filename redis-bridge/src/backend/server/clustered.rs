//! A Cluster, looked at all the time: who its primaries are, whether it serves.

use super::{Known, Links, Redis};
use crate::backend::asker::{Asker, Said};
use crate::backend::cluster::Cluster;
use crate::backend::facts::Facts;
use crate::backend::target::{Node, Target, Url};
use crate::backend::topology::Topology;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::AbortHandle;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);
/// The same while a primary is gone: its successor shall be found as soon as there is one.
const LOOK_OUT: Duration = Duration::from_millis(100);
/// The same when somebody was redirected: the nodes are not asked more often.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// So many times in a row nobody said `ok`.
const BROKEN: u32 = 2;

/// Whether it is in CLUSTERDOWN: it has no majority, or slots that nobody serves while it wants all of them
/// (`cluster-require-full-coverage`). Without that, the other slots are served, and it is not.
#[derive(Debug, Default)]
pub(super) struct State {
    broken: AtomicBool,
}

impl Redis {
    /// What its members share.
    pub(in crate::backend) fn cluster(&self) -> Option<&Cluster> {
        match &self.links {
            Links::Cluster(cluster) => Some(cluster),
            Links::Own(_) => None,
        }
    }

    /// Starts to connect to one of its nodes.
    pub(in crate::backend) fn start_member(&self, node: &Node) -> (Arc<Self>, Vec<AbortHandle>) {
        let url = Url {
            target: Target::Tcp(node.clone()),
            tls: self.url.tls,
        };
        let member = Self::new(
            url,
            self.logins.clone(),
            self.response_timeout,
            self.metrics.clone(),
        );
        let member = Arc::new(Self {
            followed: Arc::clone(&self.followed),
            ..member
        });
        let tasks = member.keep();
        (member, tasks)
    }

    pub(super) async fn keep_cluster(self: Arc<Self>) {
        let (Links::Cluster(cluster), Target::Cluster(named)) = (&self.links, &self.url.target)
        else {
            return;
        };
        let mut asker = Asker::new(named.clone());
        let mut logins = self.logins.clone();
        let (mut epoch, mut failed) = (0, 0);
        loop {
            logins.mark_unchanged();
            let said = asker.ask(&self.login()).await;
            if said.is_empty() && cluster.topology.borrow().is_none() {
                self.known.send_if_modified(|known| {
                    let first = *known == Known::Nothing;
                    *known = Known::Down;
                    first
                });
            }
            self.judge(&said, &mut failed);
            let heard = said.into_iter().filter_map(|said| said.topology);
            let best = heard.max_by_key(|topology| topology.epoch);
            if let Some(topology) = best.filter(|topology| topology.epoch >= epoch) {
                epoch = topology.epoch;
                asker.know(&topology.nodes);
                self.adopt(cluster, topology);
            }
            let whole = cluster.primaries().iter().all(|member| member.is_up());
            tokio::select! {
                () = tokio::time::sleep(if whole { LOOK } else { LOOK_OUT }) => {}
                Ok(()) = logins.changed() => {}
                () = async {
                    tokio::time::sleep(LOOK_AGAIN).await;
                    cluster.moved.notified().await;
                } => {}
            }
        }
    }

    fn adopt(self: &Arc<Self>, cluster: &Cluster, topology: Topology) {
        self.shards.send_if_modified(|known| {
            let changed = *known != topology.shards;
            known.clone_from(&topology.shards);
            changed
        });
        let same = cluster.topology.borrow().as_deref() == Some(&topology);
        if same {
            cluster.tidy(&topology.primaries);
        } else {
            self.follow(cluster, topology);
            self.members_changed();
        }
    }

    /// Whether it is in CLUSTERDOWN now. Not when nobody says, or not often enough yet.
    fn judge(&self, said: &[Said], failed: &mut u32) {
        let mut states = said.iter().filter_map(|said| said.ok).peekable();
        if states.peek().is_none() {
            return;
        }
        *failed = match states.any(|ok| ok) {
            true => 0,
            false => failed.saturating_add(1),
        };
        let broken = match *failed {
            0 => false,
            BROKEN.. => true,
            _ => return,
        };
        self.fence.abandoned(broken);
        if self.state.broken.swap(broken, Ordering::Relaxed) != broken {
            self.members_changed();
            match broken {
                true => {
                    tracing::error!(redis = %self.url, "the cluster is down: it takes no commands (redis-cli --cluster check)");
                }
                false => tracing::info!(redis = %self.url, "the cluster is whole"),
            }
        }
    }

    /// What its members are, together, is what it is: up while one of them is.
    pub(in crate::backend) fn members_changed(&self) {
        let Some(cluster) = self.cluster() else {
            return;
        };
        let members: Vec<Known> = cluster
            .primaries()
            .iter()
            .map(|member| member.known.borrow().clone())
            .collect();
        let reached = |known: &&Known| matches!(known, Known::Up(_) | Known::Broken(_));
        let reached = members.iter().filter(reached).count();
        self.fence.counted(reached, members.len());
        // What evicts must be known before anything is served.
        let begins = *self.known.borrow() == Known::Nothing;
        if begins && members.contains(&Known::Nothing) {
            return;
        }
        let mut facts: Option<Facts> = None;
        for member in &members {
            if let Known::Up(of) | Known::Broken(of) = member {
                facts.get_or_insert_default().add(of);
            }
        }
        let now = match facts {
            Some(facts) if self.state.broken.load(Ordering::Relaxed) => Known::Broken(facts),
            Some(facts) => Known::Up(facts),
            None if members.contains(&Known::Down) => Known::Down,
            None => return,
        };
        let before = self.known.send_replace(now.clone());
        match (before, now) {
            (Known::Down | Known::Nothing, Known::Up(_) | Known::Broken(_)) => {
                tracing::info!(redis = %self.url, "connected");
            }
            (Known::Up(_) | Known::Broken(_), Known::Down) => {
                self.time_us.send_replace(0);
                tracing::warn!(redis = %self.url, "cluster lost");
            }
            _ => {}
        }
    }

    /// The clock of the member that tells it.
    pub(in crate::backend) fn tell_time(&self, time_us: u64) {
        self.time_us.send_replace(time_us);
    }
}

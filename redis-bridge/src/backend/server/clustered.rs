//! A Cluster's connections: kept alive, made anew when its primaries are others.

use super::{BEAT, Known, Links, Redis};
use crate::backend::backoff::Backoff;
use crate::backend::facts::Facts;
use crate::backend::target::Target;
use crate::backend::{cluster, connect, shards};
use redis::cluster_async::ClusterConnection;
use redis::cmd;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A cluster's connection heals itself; only one that stays silent this many beats is replaced.
const CLUSTER_BEATS: u32 = 4;
/// Between two looks at who the primaries of a cluster are.
const LOOK: Duration = Duration::from_millis(250);

impl Redis {
    pub(super) async fn keep_cluster(self: Arc<Self>, at: usize) {
        let (Links::Cluster(links), Target::Cluster(nodes)) = (&self.links, &self.url.target)
        else {
            return;
        };
        let Some(link) = links.get(at) else { return };
        let first = at == 0;
        let mut backoff = Backoff::default();
        let mut logins = self.logins.clone();
        let mut primaries = self.primaries.subscribe();
        loop {
            if !first {
                self.reached().await;
            }
            logins.mark_unchanged();
            let mut user = self.login();
            match connect::cluster(nodes, &user, self.response_timeout).await {
                Ok(mut connection) => {
                    let facts = cluster::prepare(connection.clone()).await;
                    let mut generation = link.install(connection.clone());
                    if first {
                        self.ask_time(&mut connection).await;
                        self.learned(facts.clone());
                    }
                    let (mut missed, mut watch) = (0, cluster::Watch::default());
                    let mut moved = false;
                    primaries.mark_unchanged();
                    while missed < CLUSTER_BEATS {
                        let watched = first.then_some((&mut watch, &facts));
                        tokio::select! {
                            lives = self.cluster_beat(&mut connection, watched) => match lives {
                                true => {
                                    missed = 0;
                                    backoff.reset();
                                }
                                false => missed += 1,
                            },
                            // A primary that is gone may be whom the beat waits for.
                            Ok(()) = primaries.changed() => moved = true,
                        }
                        let login = self.login();
                        if user != login || moved {
                            // Its connections to the nodes log in by themselves, as who they were made, and
                            // it believes in a node that is silent: another one takes over, and this one
                            // ends with its last command.
                            let seeds = primaries.borrow().clone().unwrap_or_else(|| nodes.clone());
                            match connect::cluster(&seeds, &login, self.response_timeout).await {
                                Ok(fresh) => {
                                    tracing::info!(redis = %self.url, moved, "connected again");
                                    generation = link.install(fresh.clone());
                                    (connection, user, moved) = (fresh, login, false);
                                }
                                Err(error) => self.failed(at, &error),
                            }
                        }
                        tokio::select! {
                            () = tokio::time::sleep(BEAT) => {}
                            Ok(()) = logins.changed() => {}
                            Ok(()) = primaries.changed() => moved = true,
                        }
                    }
                    link.retire(generation);
                    self.metrics.reconnects.inc();
                    tracing::warn!(redis = %self.url, "cluster lost");
                }
                Err(error) => self.failed(at, &error),
            }
            if first {
                self.lost();
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.next(crate::random_u64())) => {}
                Ok(()) = logins.changed() => {}
            }
        }
    }

    /// Whether it answered; `watched`, and its clock, are the first connection's business.
    async fn cluster_beat(
        &self,
        connection: &mut ClusterConnection,
        watched: Option<(&mut cluster::Watch, &Facts)>,
    ) -> bool {
        let first = watched.is_some();
        if let Some((watch, facts)) = watched
            && let Some(broken) = watch.is_broken(connection).await
        {
            self.is_broken(broken, facts);
        }
        let sent = Instant::now();
        match cmd("TIME").query_async::<(u64, u64)>(connection).await {
            Ok(time) if first => self.tick(time, sent.elapsed()),
            Ok(_) => {}
            Err(_) => return false,
        }
        true
    }

    /// Who the primaries are and what they have, all the time.
    pub(super) async fn keep_shards(self: Arc<Self>) {
        let Links::Cluster(links) = &self.links else {
            return;
        };
        let mut epoch = 0;
        loop {
            tokio::time::sleep(LOOK).await;
            let Some((_, connection)) = links[0].get() else {
                continue;
            };
            let seen = shards::ask(&connection).await;
            let Some(seen) = seen.filter(|seen| seen.epoch >= epoch) else {
                continue;
            };
            epoch = seen.epoch;
            self.shards.send_if_modified(|known| {
                let changed = *known != seen.shards;
                *known = seen.shards;
                changed
            });
            let Some(primaries) = seen.primaries else {
                continue;
            };
            self.primaries.send_if_modified(|known| {
                let before = known.replace(primaries);
                before.is_some_and(|before| Some(&before) != known.as_ref())
            });
        }
    }

    /// Whether the Cluster is in CLUSTERDOWN now.
    fn is_broken(&self, broken: bool, facts: &Facts) {
        let known = match broken {
            true => Known::Broken(facts.clone()),
            false => Known::Up(facts.clone()),
        };
        let changed = self.known.send_if_modified(|before| {
            let changed = *before != known;
            *before = known;
            changed
        });
        if changed && broken {
            tracing::error!(redis = %self.url, "the cluster is down: it takes no commands (redis-cli --cluster check)");
        } else if changed {
            tracing::info!(redis = %self.url, "the cluster is whole");
        }
    }
}

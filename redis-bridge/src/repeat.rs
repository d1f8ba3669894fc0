//! Revocations that only a primary has: repeated until a replica has them, so that a failover cannot bring
//! a session back for long.

use crate::core::{AdminOp, AdminReply, Revocation};
use crate::handle::Handle;
use crate::metrics::Metrics;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Revocations that are repeated, at most.
const QUEUE: usize = 1024;
/// How long after the last attempt.
const AGAIN: Duration = Duration::from_secs(1);
/// How long it is tried. A session that a failover brings back after that lives until it ends by itself.
const GIVE_UP: Duration = Duration::from_secs(3600);
/// Asked for in one go: they share pipelines.
const TOGETHER: usize = 64;

/// Repeats revocations.
#[derive(Debug, Clone)]
pub struct Repeater {
    new: mpsc::Sender<Pending>,
    metrics: Metrics,
}

#[derive(Debug)]
struct Pending {
    what: Vec<Revocation>,
    since: Instant,
}

impl Repeater {
    /// Starts the task.
    pub fn start(handle: Handle) -> Self {
        let (new, arriving) = mpsc::channel(QUEUE);
        let metrics = handle.metrics().clone();
        tokio::spawn(run(arriving, handle));
        Self { new, metrics }
    }

    /// Takes charge of it, unless there is too much already: that is counted and logged.
    pub fn repeat(&self, what: Vec<Revocation>) {
        let since = Instant::now();
        if self.new.try_send(Pending { what, since }).is_err() {
            self.metrics.revocations_given_up.inc();
            tracing::error!(
                "a revocation is on the primary only and is not repeated: too many are"
            );
        }
    }
}

async fn run(mut arriving: mpsc::Receiver<Pending>, handle: Handle) {
    let mut pending: Vec<Pending> = Vec::new();
    loop {
        if pending.is_empty() {
            match arriving.recv().await {
                Some(new) => pending.push(new),
                None => return,
            }
        }
        tokio::time::sleep(AGAIN).await;
        while pending.len() < QUEUE
            && let Ok(new) = arriving.try_recv()
        {
            pending.push(new);
        }
        pending = attempt(pending, &handle).await;
        (handle.metrics().revocations_pending)
            .set(i64::try_from(pending.len()).unwrap_or(i64::MAX));
    }
}

/// What is left to do.
async fn attempt(pending: Vec<Pending>, handle: &Handle) -> Vec<Pending> {
    let mut left = Vec::new();
    let mut pending = pending.into_iter().peekable();
    while pending.peek().is_some() {
        let some = pending.by_ref().take(TOGETHER);
        let asked = some.map(|one| async move {
            let op = AdminOp::Repeat(one.what.clone());
            (one, handle.admin(op).await)
        });
        for (one, reply) in futures_util::future::join_all(asked).await {
            let done = matches!(
                reply,
                Some(AdminReply::Revoked {
                    replicated: true,
                    ..
                })
            );
            if !done && one.since.elapsed() < GIVE_UP {
                left.push(one);
            } else if !done {
                handle.metrics().revocations_given_up.inc();
                tracing::error!("a revocation was on the primary only for an hour; it is given up");
            }
        }
    }
    left
}

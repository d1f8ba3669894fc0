//! Removing cached objects, whoever asks: the admin API and Pub/Sub.

use crate::backend::Backend;
use crate::backend::scan::{self, Matcher};
use crate::core::{AdminOp, AdminReply, Role};
use crate::handle::Handle;
use std::fmt;
use tidegate::cache::key::Target;
use tokio::sync::{mpsc, oneshot};

/// Scans that wait, at most.
const QUEUE: usize = 1024;

/// What shall go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purge {
    /// Objects that match; a look at every object.
    Scan(Matcher),
    /// Objects of a tag.
    Tag(Vec<u8>),
    /// Objects of one URL, and what is being fetched for it.
    Url(Vec<u8>),
}

impl From<Target> for Purge {
    fn from(target: Target) -> Self {
        match target {
            Target::Path(path) => Self::Scan(Matcher::Path(path)),
            Target::Url(url) => Self::Url(url.as_bytes().to_vec()),
        }
    }
}

/// Carries purges out.
#[derive(Debug, Clone)]
pub struct Purger {
    handle: Handle,
    scans: mpsc::Sender<Scan>,
}

type Scan = (Matcher, oneshot::Sender<Result<u64, PurgeError>>);

/// Why objects may still be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeError(
    /// One line, without keys or URLs.
    pub String,
);

impl Purger {
    /// Starts the task that scans: one scan at a time, for all who wait for one. A flood of messages
    /// then costs Redis one pass at a time, not one each.
    pub fn start(handle: Handle, backend: Backend, namespace: String) -> Self {
        let (scans, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(run_scans(waiting, backend, namespace));
        Self { handle, scans }
    }

    /// Removes objects; how many.
    ///
    /// # Errors
    ///
    /// Redis is not reachable or failed on the way. A repetition is safe.
    pub async fn purge(&self, what: Purge) -> Result<u64, PurgeError> {
        let removed = match what {
            Purge::Scan(matcher) => {
                let (answer, answered) = oneshot::channel();
                let sent = self.scans.send((matcher, answer)).await;
                sent.map_err(|_| leaving())?;
                let removed = answered.await.unwrap_or_else(|_| Err(leaving()))?;
                self.ask(AdminOp::Forget).await?;
                removed
            }
            Purge::Tag(tag) => self.ask(AdminOp::PurgeTag { tag }).await?,
            Purge::Url(url) => self.ask(AdminOp::PurgeUrl { url }).await?,
        };
        self.handle.metrics().purged.inc_by(removed);
        Ok(removed)
    }

    async fn ask(&self, op: AdminOp) -> Result<u64, PurgeError> {
        match self.handle.admin(op).await {
            Some(AdminReply::Count(removed)) => Ok(removed),
            Some(AdminReply::Failed(failure)) => Err(PurgeError(failure.to_string())),
            Some(_) => Err(PurgeError("unexpected answer".to_owned())),
            None => Err(leaving()),
        }
    }
}

async fn run_scans(mut waiting: mpsc::Receiver<Scan>, backend: Backend, namespace: String) {
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, QUEUE).await > 0 {
        let (matchers, answers): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
        let result = scan::purge(backend.role(Role::Cache), &namespace, &matchers).await;
        let failed = result
            .as_ref()
            .err()
            .map(|e| PurgeError(e.category().to_owned()));
        let mut removed = result.unwrap_or_default().into_iter();
        for answer in answers {
            let result = match &failed {
                Some(error) => Err(error.clone()),
                None => Ok(removed.next().unwrap_or(0)),
            };
            // Nobody waits for it any more; it was done all the same.
            let _ = answer.send(result);
        }
    }
}

fn leaving() -> PurgeError {
    PurgeError("the bridge is leaving".to_owned())
}

impl fmt::Display for PurgeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PurgeError {}

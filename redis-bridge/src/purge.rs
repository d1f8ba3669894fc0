//! Removing cached objects, whoever asks: the admin API and Pub/Sub.

use crate::backend::Backend;
use crate::backend::scan::{self, Found, Matcher, Wanted};
use crate::core::keys::hash16;
use crate::core::{AdminOp, AdminReply, Role};
use crate::handle::Handle;
use futures_util::{StreamExt as _, future, stream};
use std::fmt;
use tidegate::cache::key::Target;
use tidegate::wire::frame::MAX_NAMED;
use tokio::sync::{mpsc, oneshot};

/// Scans that wait, at most.
const QUEUE: usize = 1024;
/// Purges by name carried out at once.
const AT_ONCE: usize = 64;

/// What shall go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Purge {
    /// Objects that match; a look at every object.
    Scan(Matcher),
    /// Objects of a tag.
    Tag(Vec<u8>),
    /// Objects of one URL, and what is being fetched for it.
    Url(Vec<u8>),
}

impl Purge {
    /// Bytes of its name.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Scan(matcher) => matcher.len(),
            Self::Tag(name) | Self::Url(name) => name.len(),
        }
    }
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

type Scan = (Vec<Wanted>, oneshot::Sender<Result<Vec<Found>, PurgeError>>);

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

    /// Removes objects, or with `soft` marks them as no longer fresh; how many.
    ///
    /// # Errors
    ///
    /// Redis is not reachable or failed on the way. A repetition is safe.
    pub async fn purge(&self, what: Purge, soft: bool) -> Result<u64, PurgeError> {
        let removed = match (what, soft) {
            (Purge::Scan(matcher), _) => {
                let found = self.scan(vec![Wanted { matcher, soft }]).await?;
                let found = found.into_iter().next().unwrap_or_default();
                let mut count = found.removed;
                for hashes in found.hashes.chunks(MAX_NAMED) {
                    count += self.ask(AdminOp::Soften(hashes.to_vec())).await?;
                }
                if !soft {
                    self.ask(AdminOp::Forget).await?;
                }
                count
            }
            (Purge::Tag(tag), false) => self.ask(AdminOp::PurgeTag { tag }).await?,
            (Purge::Tag(tag), true) => self.ask(AdminOp::SoftenTag { tag }).await?,
            (Purge::Url(url), false) => self.ask(AdminOp::PurgeUrl { url }).await?,
            (Purge::Url(url), true) => self.ask(AdminOp::Soften(vec![hash16(&url)])).await?,
        };
        self.handle.metrics().purged.inc_by(removed);
        Ok(removed)
    }

    /// Removes objects of all of these: they are looked at once, and workers are told once. Those that may still be
    /// there, and why.
    pub(crate) async fn purge_together(&self, all: Vec<Purge>) -> (Vec<Purge>, Option<PurgeError>) {
        let is_scan = |purge: &Purge| matches!(purge, Purge::Scan(_));
        let (scans, named): (Vec<_>, Vec<_>) = all.into_iter().partition(is_scan);
        let named = stream::iter(named).map(|purge| async {
            let done = self.purge(purge.clone(), false).await;
            done.err().map(|error| (vec![purge], error))
        });
        let named = named.buffer_unordered(AT_ONCE).filter_map(future::ready);
        let (scanned, named) = tokio::join!(self.scan_together(scans), named.collect::<Vec<_>>());
        let (mut failed, mut why) = (Vec::new(), None);
        for (purges, error) in named.into_iter().chain(scanned) {
            failed.extend(purges);
            why = Some(error);
        }
        (failed, why)
    }

    async fn scan_together(&self, scans: Vec<Purge>) -> Option<(Vec<Purge>, PurgeError)> {
        let wanted = |purge: &Purge| match purge {
            Purge::Scan(matcher) => Some(Wanted {
                matcher: matcher.clone(),
                soft: false,
            }),
            Purge::Tag(_) | Purge::Url(_) => None,
        };
        let wanted: Vec<_> = scans.iter().filter_map(wanted).collect();
        if wanted.is_empty() {
            return None;
        }
        let done = async {
            let found = self.scan(wanted).await?;
            let removed = found.iter().map(|found| found.removed).sum();
            self.handle.metrics().purged.inc_by(removed);
            self.ask(AdminOp::Forget).await
        };
        done.await.err().map(|error| (scans, error))
    }

    async fn scan(&self, wanted: Vec<Wanted>) -> Result<Vec<Found>, PurgeError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.scans.send((wanted, answer)).await;
        sent.map_err(|_| leaving())?;
        answered.await.unwrap_or_else(|_| Err(leaving()))
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
        let (wanted, answers): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
        let counts: Vec<usize> = wanted.iter().map(Vec::len).collect();
        let wanted = wanted.concat();
        let result = scan::purge(backend.role(Role::Cache), &namespace, &wanted).await;
        let failed = result
            .as_ref()
            .err()
            .map(|e| PurgeError(e.category().to_owned()));
        let mut found = result.unwrap_or_default().into_iter();
        for (answer, count) in answers.into_iter().zip(counts) {
            let result = match &failed {
                Some(error) => Err(error.clone()),
                None => Ok(found.by_ref().take(count).collect()),
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

//! The users' policy file, as far as the bridge needs it: realms, limits, the namespace.

use crate::check;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tidegate::policy::{Config, Limit, Realm};
use tokio::sync::watch;

/// How often the file's time of change is looked at.
const POLL: Duration = Duration::from_secs(1);

/// The policy in force; `None` when the bridge runs without a file.
#[derive(Debug, Clone)]
pub struct Policy(watch::Receiver<Option<Arc<Config>>>);

/// Why a policy file was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

impl Policy {
    /// No policy: no realms, no limits.
    pub fn none() -> Self {
        // The receiver keeps the last value when the sender is gone.
        Self(watch::channel(None).1)
    }

    /// Reads `path` now and again whenever it changes. A bad file is refused with its reason in the
    /// log, and the one before it stays in force.
    ///
    /// # Errors
    ///
    /// The first reading failed.
    pub fn watch(path: &Path) -> Result<Self, PolicyError> {
        let stamp = stamp(path);
        let (sender, receiver) = watch::channel(Some(Arc::new(read(path)?)));
        tokio::spawn(follow(path.to_owned(), stamp, sender));
        Ok(Self(receiver))
    }

    /// Reads `path` once.
    ///
    /// # Errors
    ///
    /// It cannot be read, or what it holds is refused.
    pub fn read(path: &Path) -> Result<Config, PolicyError> {
        read(path)
    }

    /// The whole configuration in force.
    pub fn config(&self) -> Option<Arc<Config>> {
        self.0.borrow().clone()
    }

    /// The realm called `name`.
    pub fn realm(&self, name: &str) -> Option<Realm> {
        let config = self.config()?;
        config
            .sessions
            .iter()
            .find(|realm| realm.name == name)
            .cloned()
    }

    /// Names of all realms.
    pub fn realm_names(&self) -> Vec<String> {
        let config = self.config();
        let realms = config.iter().flat_map(|config| &config.sessions);
        realms.map(|realm| realm.name.clone()).collect()
    }

    /// The limit called `name`.
    pub fn limit(&self, name: &str) -> Option<Limit> {
        let config = self.config()?;
        config
            .limits
            .iter()
            .find(|limit| limit.name == name)
            .cloned()
    }
}

async fn follow(
    path: PathBuf,
    mut seen: Option<SystemTime>,
    sender: watch::Sender<Option<Arc<Config>>>,
) {
    while !sender.is_closed() {
        tokio::time::sleep(POLL).await;
        let now = stamp(&path);
        if now == seen {
            continue;
        }
        seen = now;
        match read(&path) {
            Ok(config) => {
                tracing::info!(path = %path.display(), digest = %config.digest, "policy read");
                sender.send_replace(Some(Arc::new(config)));
            }
            Err(error) => tracing::error!(%error, "policy refused, the old one stays"),
        }
    }
}

fn stamp(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path)
        .and_then(|meta| meta.modified())
        .ok()
}

fn read(path: &Path) -> Result<Config, PolicyError> {
    let refused = |reason: String| PolicyError {
        path: path.to_owned(),
        reason,
    };
    let text = std::fs::read_to_string(path).map_err(|e| refused(e.to_string()))?;
    let name = path.display().to_string();
    let checked = check::read(&text, &name).map_err(|e| refused(e.to_string()))?;
    match <[_; 1]>::try_from(checked.found) {
        Ok([found]) => Ok(found.config),
        Err(found) => Err(refused(format!("holds {} policies, want one", found.len()))),
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for PolicyError {}

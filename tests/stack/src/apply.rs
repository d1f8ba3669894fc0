//! Putting another policy or module into the Envoys of a stack that runs, and learning whether they took it.

use crate::envoy::{self, Swaps};
use crate::files::{self, Files};
use crate::policy::{self, Policy};
use crate::{Error, Result, StackSpec, wait};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How long the Envoys may take.
const LIMIT: Duration = Duration::from_secs(20);

/// Swaps policies and modules. What is live is what the ECDS file holds, so several of these (the watcher of
/// `make up`, `stack apply`, a test) can work on one stack in turn.
#[derive(Debug, Clone)]
pub struct Applier {
    files: Files,
    admins: Vec<String>,
    /// The module is told which of its guards are off.
    unguarded: bool,
}

impl Applier {
    /// For the stack of `spec`.
    pub fn new(spec: &StackSpec) -> Self {
        let admin = |i| format!("127.0.0.1:{}", spec.envoy_admin_port(i));
        Self {
            files: Files::of(spec),
            admins: (0..spec.envoys).map(admin).collect(),
            unguarded: !spec.unguarded.is_empty(),
        }
    }

    /// Checks a policy file and swaps it in; returns it when every Envoy runs it.
    ///
    /// # Errors
    /// [`Error::Policy`] when the check or an Envoy refuses it, [`Error::Late`] when an Envoy does not take
    /// it; the old one goes on either way.
    pub fn policy(&self, file: &Path) -> Result<Policy> {
        let policy = policy::check(file)?;
        let module = envoy::ecds::module(self.live()?)?;
        self.swap(&policy, &module)?;
        files::replace(&self.files.policy(), policy.value.to_string().as_bytes())?;
        Ok(policy)
    }

    /// Swaps another module in; returns when every Envoy runs it.
    ///
    /// # Errors
    /// [`Error::Policy`] when an Envoy refuses it; the old one goes on.
    pub fn module(&self, module: &Path) -> Result<()> {
        let module = policy::store_module(&self.files, module)?;
        let policy = policy::check(&self.files.policy())?;
        self.swap(&policy, &module)
    }

    /// Puts a policy in without checking it here: Envoy and the filter are to refuse it themselves.
    ///
    /// # Errors
    /// As [`Applier::policy`].
    pub fn unchecked(&self, value: &serde_json::Value) -> Result<()> {
        let module = envoy::ecds::module(self.live()?)?;
        self.swap(
            &Policy {
                value: value.clone(),
                ..policy::check(&self.files.policy())?
            },
            &module,
        )
    }

    fn swap(&self, policy: &Policy, module: &Path) -> Result<()> {
        let old = files::read(&self.files.ecds_file())?;
        let new = match self.unguarded {
            true => envoy::ecds::make_unguarded(&policy.value, module)?,
            false => envoy::ecds::make(&policy.value, module)?,
        };
        let new = new.to_string();
        if new == old {
            return Ok(());
        }
        let before = self.swaps()?;
        let logged = self.logged().len();
        files::replace(&self.files.ecds_file(), new.as_bytes())?;
        let taken = wait::until("every Envoy takes the new filter", LIMIT, || {
            envoy::compare(&before, &self.swaps().map_err(|e| e.to_string())?)
        })?;
        if taken {
            return Ok(());
        }
        // One Envoy may have taken what another refused; and a restarted one would start with it.
        files::replace(&self.files.ecds_file(), old.as_bytes())?;
        let reason = format!("refused by Envoy:\n{}", complaints(&self.logged(), logged));
        Err(Error::Policy {
            file: self.files.ecds_file(),
            reason,
        })
    }

    fn live(&self) -> Result<serde_json::Value> {
        let path = self.files.ecds_file();
        envoy::parse(&path, &files::read(&path)?)
    }

    fn swaps(&self) -> Result<Vec<Swaps>> {
        self.admins
            .iter()
            .map(|admin| envoy::swaps(admin))
            .collect()
    }

    /// The first Envoy's log.
    fn logged(&self) -> String {
        let bytes = std::fs::read(self.files.log("envoy-0")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// The first complaints in `log` after its first `seen` bytes: what comes later only repeats that it failed.
fn complaints(log: &str, seen: usize) -> String {
    let severe = |line: &&str| {
        ["[error]", "[critical]"]
            .iter()
            .any(|level| line.contains(level))
    };
    let fresh = log.get(seen..).unwrap_or(log);
    let lines: Vec<&str> = fresh.lines().filter(severe).take(4).collect();
    lines.join("\n")
}

/// Notices that a file was saved, in place or by a move.
#[derive(Debug)]
pub struct Watch {
    file: PathBuf,
    seen: Option<(SystemTime, u64)>,
}

impl Watch {
    /// From now on.
    pub fn new(file: &Path) -> Self {
        let mut watch = Self {
            file: file.into(),
            seen: None,
        };
        watch.seen = watch.look();
        watch
    }

    /// True once after each change; a file that is gone for a moment is not one.
    pub fn changed(&mut self) -> bool {
        let now = self.look();
        let changed = now.is_some() && now != self.seen;
        if changed {
            self.seen = now;
        }
        changed
    }

    fn look(&self) -> Option<(SystemTime, u64)> {
        let data = std::fs::metadata(&self.file).ok()?;
        Some((data.modified().ok()?, data.len()))
    }
}

#[cfg(test)]
mod tests;

//! The processes of a stack that runs in the background, on disk.

use super::{send, start_time};
use crate::{Error, Result, files, wait};
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// A process and when it started: an id alone may be another's by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Its id.
    pub pid: u32,
    /// Clock ticks since boot.
    pub start: u64,
}

impl Known {
    /// True while that very process lives.
    pub fn lives(&self) -> bool {
        start_time(self.pid) == Some(self.start)
    }
}

/// Writes the processes of a stack.
///
/// # Errors
/// When the file cannot be written.
pub fn store(path: &Path, processes: &BTreeMap<String, Known>) -> Result<()> {
    let text = serde_json::to_vec_pretty(processes).map_err(|e| Error::Answer {
        what: "encode the processes".into(),
        got: e.to_string(),
    })?;
    files::replace(path, &text)
}

/// Reads them; a file that is not there means none.
///
/// # Errors
/// When the file is there but unreadable.
pub fn load(path: &Path) -> Result<BTreeMap<String, Known>> {
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    serde_json::from_str(&files::read(path)?).map_err(|e| Error::Answer {
        what: format!("read {}", path.display()),
        got: e.to_string(),
    })
}

/// Ends those that are still the processes they were: SIGTERM, then SIGKILL after `limit`. Returns how many
/// lived.
///
/// # Errors
/// When the system refuses, or one does not even die of SIGKILL.
pub fn end_all(processes: &BTreeMap<String, Known>, limit: Duration) -> Result<usize> {
    let living: Vec<_> = processes.values().filter(|p| p.lives()).collect();
    for process in &living {
        send(process.pid, Signal::SIGCONT)?;
        send(process.pid, Signal::SIGTERM)?;
    }
    let all_gone = || match living.iter().find(|p| p.lives()) {
        Some(p) => Err(format!("process {} lives", p.pid)),
        None => Ok(()),
    };
    if wait::until("", limit, all_gone).is_err() {
        for process in living.iter().filter(|p| p.lives()) {
            send(process.pid, Signal::SIGKILL)?;
        }
        wait::until("end of all processes", Duration::from_secs(5), all_gone)?;
    }
    Ok(living.len())
}

//! Hot restarts of Envoy: the next process takes the listeners over while the one before still answers.

use super::Stack;
use crate::{Error, Result, StackSpec, wait};
use std::time::Duration;

/// The one before ends 2 s after the next one serves (`--parent-shutdown-time-s`), on a busy machine later.
const TAKEN_OVER: Duration = Duration::from_secs(20);
const EPOCH: &str = "--restart-epoch";

/// How an Envoy of `spec` is told who it is, `epoch` 0: an id of its own in the machine's shared memory, or none.
pub(crate) fn args(spec: &StackSpec, i: u16) -> Vec<String> {
    if !spec.hot {
        return vec!["--disable-hot-restart".into()];
    }
    let id = id(spec, i).to_string();
    ["--base-id", &id, EPOCH, "0"].map(String::from).to_vec()
}

/// Ports are one stack's, so this is one Envoy's.
fn id(spec: &StackSpec, i: u16) -> u32 {
    u32::from(spec.proxy_port(i))
}

impl Stack {
    /// Starts the next epoch of an Envoy and waits until the one before has ended. For stacks with
    /// [`StackSpec::hot`].
    ///
    /// # Errors
    /// When it does not run, the next one does not come up, or the one before does not end by itself.
    pub fn hot_restart(&mut self, name: &str) -> Result<()> {
        let absent = || Error::NoPart(name.into());
        let part = self.parts.get_mut(name).ok_or_else(absent)?;
        let mut before = part.running.take().ok_or_else(absent)?;
        let at = part.launch.args.iter().position(|arg| arg == EPOCH);
        let epoch = at.and_then(|at| part.launch.args.get_mut(at + 1));
        let epoch = epoch.ok_or_else(absent)?;
        let next = epoch.parse::<u32>().map_or(0, |epoch| epoch + 1);
        *epoch = next.to_string();
        let launch = part.launch.clone();
        self.launch(launch)?;
        let what = format!("the {name} before epoch {next} ends");
        let ended = wait::until(what, TAKEN_OVER, || match before.check() {
            Ok(()) => Err("it runs".to_owned()),
            Err(_) => Ok(()),
        });
        if ended.is_err() {
            before.kill()?;
        }
        ended?;
        self.await_ready(name)
    }
}

/// Takes away what Envoys leave in shared memory when they end.
pub(super) fn forget(spec: &StackSpec) {
    for i in (0..spec.envoys).filter(|_| spec.hot) {
        // Envoy's name for it ("hot_restarting_base"); one that was never made is none to remove.
        let file = format!(
            "/dev/shm/envoy_shared_memory_{}",
            u64::from(id(spec, i)) * 10
        );
        let _none = std::fs::remove_file(file);
    }
}

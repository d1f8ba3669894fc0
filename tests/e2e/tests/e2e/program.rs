//! The `stack` program as people start it.

use std::process::{Command, Stdio};
use std::time::Duration;
use tidegate_e2e::wait;
use tidegate_stack::{bridge, proc, spec};

/// `stack` with a name and ports of its own.
pub(crate) fn program(word: &str, port: u16) -> Command {
    let path = bridge::sibling("stack", "TIDEGATE_STACK", "cargo build -p tidegate-stack").unwrap();
    let mut command = Command::new(path);
    command
        .arg(word)
        .current_dir(spec::root())
        .env("STACK", format!("program-{port}"))
        .env("PORT", port.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for variable in [
        "ENVOYS", "WORKERS", "BRIDGES", "REDIS", "POLICY", "FAULTS", "UPSTREAM", "FILTER",
    ] {
        command.env_remove(variable);
    }
    command
}

/// Waits until none of these processes lives.
pub(crate) fn gone(pids: &[u32]) {
    wait::until(
        "end of all processes",
        Duration::from_secs(10),
        || match pids.iter().find(|pid| proc::start_time(**pid).is_some()) {
            Some(pid) => Err(format!("process {pid} lives")),
            None => Ok(()),
        },
    )
    .unwrap();
}

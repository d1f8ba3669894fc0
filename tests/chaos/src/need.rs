//! What a fault needs of the machine. Where that is missing a row is skipped, with the reason, and never counted as
//! passed. `tests/scripts/setup.sh faults` installs what can be installed.

use crate::group::Group;
use std::process::{Command, Stdio};
use tidegate_stack::spec;

/// One thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Namespaces with disks: root, and a kernel that lets it.
    Disks,
    /// Namespaces with rules for connections: the same, with nft and ss.
    Network,
    /// System calls that are made to fail or to wait: strace, which may trace others.
    Strace,
    /// The limits of a running process can be changed: prlimit.
    Prlimit,
    /// The control groups that bound memory.
    Memory,
    /// Those that bound the number of processes.
    Pids,
    /// Those that bound the use of processors.
    Processor,
    /// The filter that traps when it is told to, which only `make chaos` builds.
    Trap,
}

/// The module that `tests/scripts/wasm.sh trap` builds.
pub const TRAPS: &str = "target/trap/wasm32-wasip1/release/tidegate.wasm";

impl Need {
    /// What is missing for it; `None` when it is there.
    pub fn missing(self) -> Option<String> {
        let (what, program, args): (_, _, &[&str]) = match self {
            Self::Disks => (
                "disks of its own (root)",
                "unshare",
                &["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
            ),
            Self::Network => (
                "a network of its own with rules (root, nft, ss)",
                "unshare",
                &[
                    "--net",
                    "sh",
                    "-c",
                    "ip link set lo up && nft add table inet t && ss -H -t",
                ],
            ),
            Self::Strace => ("strace", "strace", &["-o", "/dev/null", "true"]),
            Self::Prlimit => ("prlimit", "prlimit", &["--nofile"]),
            Self::Memory => return Group::missing("memory"),
            Self::Pids => return Group::missing("pids"),
            Self::Processor => return Group::missing("cpu"),
            Self::Trap => {
                let is_there = spec::root().join(TRAPS).exists();
                return (!is_there).then(|| format!("needs {TRAPS} (tests/scripts/wasm.sh trap)"));
            }
        };
        let done = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        let works = done.is_ok_and(|status| status.success());
        (!works).then(|| format!("needs {what}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows;

    #[test]
    fn whatever_needs_namespaces_says_so() {
        for row in rows::all() {
            let mut spec = tidegate_e2e::StackSpec::new("t");
            (row.stack)(&mut spec);
            let needs = |need| row.needs.contains(&need);
            assert_eq!(!spec.own.disks.is_empty(), needs(Need::Disks), "{}", row.id);
            let network = spec.own.network || spec.own.names;
            assert_eq!(network, needs(Need::Network), "{}", row.id);
        }
    }
}

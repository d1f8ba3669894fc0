//! What a stack has for itself and not from the machine: a network, disks of their own size, names.
//!
//! They are Linux namespaces of the thread that starts the stack, and of what that thread starts: nothing else on the
//! machine sees them, and the kernel takes them away with the last process in them, however that one ends. So a
//! fault that is made in them leaves no rule, no mount and no address behind.

pub mod names;
mod network;
mod parts;

pub use names::Names;
pub use network::{Connections, Network};
pub(crate) use parts::group;
pub use parts::{Port, id, port_id};

use crate::{Error, Result};
use nix::sched::{CloneFlags, unshare};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a stack has for itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Own {
    /// A network with nothing but loopback, whose rules are [`Network`]'s. Root only.
    pub network: bool,
    /// Small disks. Root only.
    pub disks: Vec<Disk>,
    /// The bridges know Redis by [`NAME`], which a name server of the stack answers. Needs a network.
    pub names: bool,
}

/// The name of every Redis, with [`Own::names`].
pub const NAME: &str = "redis.test";

/// Where the name server listens: `resolv.conf` has no room for a port.
pub(crate) const SERVER: &str = "127.0.0.1:53";

/// A file system in memory, which is full soon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Where, below the stack's directory.
    pub dir: PathBuf,
    /// Its size, KiB.
    pub kib: u32,
}

impl Disk {
    /// A disk of so many KiB at `dir` below the stack's directory.
    pub fn new(dir: impl Into<PathBuf>, kib: u32) -> Self {
        Self {
            dir: dir.into(),
            kib,
        }
    }
}

impl Own {
    /// True when nothing is asked for.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Moves the calling thread, and whatever it starts from now on, into namespaces of their own. There is no way
    /// back: who calls this does it on a thread that ends with the stack.
    ///
    /// # Errors
    /// When the system refuses: not root, or a kernel without namespaces.
    pub fn enter(&self) -> Result<()> {
        if self.is_nothing() {
            return Ok(());
        }
        let refused =
            |errno: nix::Error| Error::io("leave the machine's namespaces (root?)")(errno.into());
        unshare(CloneFlags::CLONE_NEWNS).map_err(refused)?;
        // What is mounted here is not to be seen elsewhere.
        run("mount", &["--make-rprivate", "/"])?;
        if self.network || self.names {
            unshare(CloneFlags::CLONE_NEWNET).map_err(refused)?;
            run("ip", &["link", "set", "lo", "up"])?;
        }
        Ok(())
    }

    /// Mounts the disks below `dir`.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn mount(&self, dir: &Path) -> Result<()> {
        for disk in &self.disks {
            let at = dir.join(&disk.dir);
            std::fs::create_dir_all(&at).map_err(Error::io(format!("create {}", at.display())))?;
            let size = format!("size={}k,mode=700", disk.kib);
            run(
                "mount",
                &[
                    "-t",
                    "tmpfs",
                    "-o",
                    &size,
                    "tmpfs",
                    &at.display().to_string(),
                ],
            )?;
        }
        Ok(())
    }

    /// Takes the disks away again, so that their directories can be removed. Nobody else sees them, so one that is
    /// still in use goes with who uses it.
    pub fn unmount(&self, dir: &Path) {
        for disk in &self.disks {
            let at = dir.join(&disk.dir).display().to_string();
            let _lazily = run("umount", &["--lazy", &at]);
        }
    }
}

/// Puts the stack's name server in the place of the machine's, for this thread and what it starts.
pub(crate) fn ask_own_names(dir: &Path) -> Result<()> {
    let file = dir.join("resolv.conf");
    // One attempt of a second: what a production host would be advised to set, too.
    crate::files::replace(
        &file,
        b"nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
    )?;
    let args = ["--bind", &file.display().to_string(), "/etc/resolv.conf"];
    run("mount", &args).map(|_| ())
}

/// Runs a program of the system that must succeed.
pub(crate) fn run(program: &str, args: &[&str]) -> Result<String> {
    let what = || format!("{program} {}", args.join(" "));
    let output = Command::new(program)
        .args(args)
        .output()
        .map_err(Error::io(what()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Answer {
        what: what(),
        got: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

//! Processes that are ours: started in a group of their own, found again by id and start time.
//!
//! A stack of a test or of `make run` must not outlive its program, even one that was killed with -9. Rust's
//! standard library has no `PR_SET_PDEATHSIG` without unsafe code, and that one follows the *thread* that
//! spawned, so a [`Guard`] does it: a shell that reads our process ids and, at the end of its input, kills
//! those that still live.

mod guard;
mod pidfile;

pub use guard::Guard;
pub use pidfile::{Known, end_all, load, store};

use crate::{Error, Result, wait};
use nix::errno::Errno;
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How to start a part, kept so it can be started again.
#[derive(Debug, Clone, Default)]
pub struct Launch {
    /// The part's name, for example `bridge-0`.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables set for it, besides those it inherits.
    pub env: Vec<(String, String)>,
    /// Where its output is appended.
    pub log: PathBuf,
    /// Its working directory, when it matters.
    pub dir: Option<PathBuf>,
    /// The group it runs as, when it is not this program's.
    pub group: Option<u32>,
}

/// A part that was started.
#[derive(Debug)]
pub struct Running {
    name: String,
    log: PathBuf,
    child: Child,
}

impl Launch {
    /// Starts it: own process group, no input, output to its log.
    ///
    /// # Errors
    /// When the log cannot be opened or the program not started.
    pub fn start(&self) -> Result<Running> {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(Error::io(format!("open {}", self.log.display())))?;
        let log_too = log
            .try_clone()
            .map_err(Error::io("duplicate the log's descriptor"))?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .envs(self.env.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(log_too)
            .process_group(0);
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        if let Some(group) = self.group {
            command.gid(group);
        }
        let child = command.spawn().map_err(Error::io(format!(
            "start {} ({})",
            self.name,
            self.program.display()
        )))?;
        Ok(Running {
            name: self.name.clone(),
            log: self.log.clone(),
            child,
        })
    }
}

impl Running {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its id and start time, by which it is known later.
    pub fn known(&self) -> Known {
        Known {
            pid: self.pid(),
            start: start_time(self.pid()).unwrap_or(0),
        }
    }

    /// # Errors
    /// [`Error::Exited`] with the end of its log when it runs no more.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(_)) | Err(_) => Err(Error::Exited {
                part: self.name.clone(),
                log: self.log.clone(),
                tail: tail(&self.log),
            }),
        }
    }

    /// Sends a signal; one that has ended already is no error.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        send(self.pid(), signal)
    }

    /// Kills it at once (SIGKILL) and reaps it.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(mut self) -> Result<()> {
        self.signal(Signal::SIGKILL)?;
        self.child
            .wait()
            .map_err(Error::io(format!("wait for {}", self.name)))?;
        Ok(())
    }

    /// Asks it to end (SIGTERM), kills it when it has not within `limit`. True when it ended by itself.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn end(mut self, limit: Duration) -> Result<bool> {
        self.signal(Signal::SIGCONT)?;
        self.signal(Signal::SIGTERM)?;
        let ended = wait::until("", limit, || match self.child.try_wait() {
            Ok(None) => Err(String::new()),
            _ => Ok(()),
        });
        if ended.is_err() {
            self.kill()?;
        }
        Ok(ended.is_ok())
    }
}

/// Sends `signal` to `pid`; one that has ended already is no error.
///
/// # Errors
/// When the system refuses.
pub fn send(pid: u32, signal: Signal) -> Result<()> {
    let id = i32::try_from(pid).map_err(|_| Error::NoPart(format!("process {pid}")))?;
    match signal::kill(Pid::from_raw(id), signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(Error::io(format!("{signal} to {pid}"))(errno.into())),
    }
}

/// When `pid` started, in clock ticks since boot (field 22 of proc(5)'s `stat`); `None` when it is gone or a
/// zombie.
pub fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in field 2 may hold spaces and brackets; nothing after it does.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let start = fields.nth(18)?.parse().ok()?;
    (state != "Z").then_some(start)
}

/// The last lines of a log.
pub fn tail(log: &std::path::Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().rev().take(12).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;

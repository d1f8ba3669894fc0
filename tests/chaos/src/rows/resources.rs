//! G: processes that may have no more of something.

use crate::need::Need;
use crate::processor::busy;
use crate::row::{Failures, Row};
use crate::trial::Trial;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;
use tidegate_e2e::{Error, RedisKind};
use tidegate_stack::Result;

pub(super) const ROWS: &[Row] = &[Row::new(
    "G2",
    "a bridge may open no more files, and forty connect to it, for 3 s",
    Failures::None,
    0,
    no_more_files,
)
.on(RedisKind::Standalone)
.needing(&[Need::Prlimit])];

/// It has as many as it may have. What waits to be accepted must not keep it busy.
fn no_more_files(trial: &mut Trial) -> Result<()> {
    let victim = trial.one_of(&["bridge-0", "bridge-1"]);
    let index = u16::from(victim == "bridge-1");
    let pid = trial.lab.pid(&victim)?;
    let usual = busy(&[pid], Duration::from_secs(1))?;
    let before = prlimit(
        pid,
        &["--nofile", "--noheadings", "--raw", "--output", "SOFT,HARD"],
    )?;
    let open = std::fs::read_dir(format!("/proc/{pid}/fd"));
    let open = open.map_err(Error::io("list its files"))?.count();
    prlimit(pid, &[&format!("--nofile={open}:")])?;
    let admin = format!("127.0.0.1:{}", trial.lab.spec().bridge_admin_port(index));
    let socket = trial.lab.files().bridge_socket(index);
    let mut held = (Vec::new(), Vec::new());
    for _ in 0..20 {
        held.0
            .push(TcpStream::connect(&admin).map_err(Error::io("connect to it"))?);
        held.1
            .push(UnixStream::connect(&socket).map_err(Error::io("connect to it"))?);
    }
    let now = busy(&[pid], Duration::from_secs(3))?;
    prlimit(
        pid,
        &[&format!("--nofile={}", before.trim().replace(' ', ":"))],
    )?;
    drop(held);
    trial.measured("processor time of the bridge before, per mille", usual);
    trial.measured("and meanwhile", now);
    // A loop that spins takes all of a processor.
    let spins = now > usual + 300;
    let text = format!("the bridge took {now} per mille of a processor, before {usual}");
    trial.verdict.check("X4", spins.then_some(text));
    Ok(())
}

fn prlimit(pid: u32, args: &[&str]) -> Result<String> {
    let output = Command::new("prlimit")
        .args(["--pid", &pid.to_string()])
        .args(args)
        .output()
        .map_err(Error::io("run prlimit"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(Error::Answer {
            what: format!("prlimit {}", args.join(" ")),
            got: String::from_utf8_lossy(&output.stderr).into_owned(),
        }),
    }
}

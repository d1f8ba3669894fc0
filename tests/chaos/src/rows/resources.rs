//! G: processes that may have no more of something.

use crate::need::{Need, PIDS};
use crate::row::{Failures, Row};
use crate::trial::Trial;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use tidegate_e2e::{Error, RedisKind};
use tidegate_stack::Result;
use tidegate_stack::proc::Launch;

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "G2",
        "a bridge may open no more files, and forty connect to it, for 3 s",
        Failures::None,
        0,
        no_more_files,
    )
    .on(RedisKind::Standalone)
    .needing(&[Need::Prlimit]),
    Row::new(
        "G3",
        "a bridge is started where it may have one thread, or two",
        Failures::None,
        1_000,
        few_threads,
    )
    .on(RedisKind::Standalone)
    .needing(&[Need::Pids]),
];

/// Clock ticks in a second (`USER_HZ`), for `/proc/*/stat`.
const TICKS: u64 = 100;

/// It has as many as it may have. What waits to be accepted must not keep it busy.
fn no_more_files(trial: &mut Trial) -> Result<()> {
    let victim = trial.one_of(&["bridge-0", "bridge-1"]);
    let index = u16::from(victim == "bridge-1");
    let pid = trial.lab.pid(&victim)?;
    let usual = busy(trial, pid, 1_000)?;
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
    let now = busy(trial, pid, 3_000)?;
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

/// How much of a processor a process takes, per mille, over some time.
fn busy(trial: &Trial, pid: u32, ms: u64) -> Result<u64> {
    let begun = ticks(pid)?;
    trial.last(ms);
    Ok((ticks(pid)? - begun) * 1_000 * 1_000 / TICKS / ms)
}

/// Clock ticks a process has used, in itself and in the kernel (fields 14 and 15 of `stat` of proc(5)).
fn ticks(pid: u32) -> Result<u64> {
    let stat = tidegate_stack::files::read(format!("/proc/{pid}/stat").as_ref())?;
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    // The third field is the first behind the name.
    let used = fields.split_ascii_whitespace().skip(11).take(2);
    Ok(used.filter_map(|n| n.parse::<u64>().ok()).sum())
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

/// It serves, or it says in one line why not and ends.
fn few_threads(trial: &mut Trial) -> Result<()> {
    const PART: &str = "bridge-1";
    let group = Group::new()?;
    let mut usual = Launch::default();
    trial.lab.alter(PART, |launch| usual = launch.clone())?;
    for most in [1, 2] {
        group.allow(most)?;
        trial.lab.end(PART)?;
        trial
            .lab
            .alter(PART, |launch| *launch = group.within(&usual))?;
        let log = trial.lab.files().log(PART);
        let said = lines(&log);
        let outcome = match trial.lab.revive(PART) {
            Ok(()) => {
                trial.last(1_500);
                "serves"
            }
            Err(Error::Exited { .. }) => {
                let more = lines(&log) - said;
                let text = format!("with {most} threads it ended and said {more} lines");
                trial.verdict.check("P4", (more != 1).then_some(text));
                "refuses"
            }
            Err(error) => return Err(error),
        };
        trial.verdict.checked("P4", 1);
        trial.measured(&format!("{outcome} with threads"), most);
        trial.lab.end(PART)?;
        trial.lab.alter(PART, |launch| *launch = usual.clone())?;
        trial.lab.revive(PART)?;
    }
    Ok(())
}

fn lines(log: &std::path::Path) -> usize {
    std::fs::read(log).map_or(0, |text| text.split(|b| *b == b'\n').count())
}

/// A control group of processes, which is gone when this is dropped.
struct Group(PathBuf);

impl Group {
    const PREFIX: &'static str = "tidegate-chaos-";

    fn new() -> Result<Self> {
        // What a trial left that was killed: only empty ones can be removed.
        for old in std::fs::read_dir(PIDS).into_iter().flatten().flatten() {
            if old.file_name().to_string_lossy().starts_with(Self::PREFIX) {
                let _in_use = std::fs::remove_dir(old.path());
            }
        }
        let dir = PathBuf::from(PIDS).join(format!("{}{}", Self::PREFIX, std::process::id()));
        std::fs::create_dir_all(&dir).map_err(Error::io(format!("create {}", dir.display())))?;
        Ok(Self(dir))
    }

    fn allow(&self, most: u64) -> Result<()> {
        let file = self.0.join("pids.max");
        std::fs::write(&file, most.to_string())
            .map_err(Error::io(format!("write {}", file.display())))
    }

    /// The same, started in this group.
    fn within(&self, launch: &Launch) -> Launch {
        let file = self.0.join("cgroup.procs");
        // A shell that becomes the program: it needs no second process.
        let script = format!("echo $$ >{} && exec \"$@\"", file.display());
        let mut args = vec![
            "-c".into(),
            script,
            "sh".into(),
            launch.program.display().to_string(),
        ];
        args.extend(launch.args.iter().cloned());
        Launch {
            program: "sh".into(),
            args,
            ..launch.clone()
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // One that somebody is still in goes with the next start.
        let _in_use = std::fs::remove_dir(&self.0);
    }
}

//! B, G: disks that are full, slow or broken.

use super::redis::told;
use crate::need::Need;
use crate::row::{Failures, Row};
use crate::trial::Trial;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidegate_e2e::{Error, RedisKind, StackSpec, wait};
use tidegate_stack::Result;
use tidegate_stack::own::Disk;
use tidegate_stack::proc::Launch;

const STATE: &str = "redis-state-0";
const LOGS: &str = "logs";

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "B10",
        "the disk of Redis' append-only file is full for 3 s",
        Failures::OnError,
        1_500,
        full,
    )
    .on(RedisKind::Standalone)
    .needing(&[Need::Disks])
    .with(|spec: &mut StackSpec| spec.own.disks = vec![Disk::new(STATE, 8 * 1_024)]),
    Row::new(
        "B11",
        "fsync of the append-only file takes 2 s each time, for 5 s",
        Failures::None,
        1_000,
        slow_sync,
    )
    .on(RedisKind::Standalone)
    .needing(&[Need::Strace]),
    Row::new(
        "B12",
        "fsync of the append-only file fails, for 3 s",
        Failures::OnError,
        1_500,
        broken_sync,
    )
    .on(RedisKind::Standalone)
    .needing(&[Need::Strace]),
    Row::new(
        "G5",
        "the disk of all logs is full for 4 s",
        Failures::None,
        0,
        logs_full,
    )
    .on(RedisKind::Standalone)
    .needing(&[Need::Disks])
    .with(|spec: &mut StackSpec| spec.own.disks = vec![Disk::new(LOGS, 16 * 1_024)]),
];

/// Redis has to say that it could not write: else this made no fault.
fn full(trial: &mut Trial) -> Result<()> {
    let ballast = fill(&trial.lab.files().dir().join(STATE))?;
    append_only_file(trial, "err")?;
    trial.last(3_000);
    empty(&ballast)
}

fn append_only_file(trial: &Trial, status: &str) -> Result<()> {
    let redis = trial.lab.redis();
    let what = format!("aof_last_write_status:{status}");
    wait::until(what, Duration::from_secs(5), || {
        match redis.info("aof_last_write_status") {
            Ok(Some(now)) if now == status => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
}

fn slow_sync(trial: &mut Trial) -> Result<()> {
    sync(trial, "delay_exit=2000000", 5_000)
}

/// Redis 7.0 tries to sync again only when it has something to append, and refuses all writes until then. So it is
/// well again with the next key that expires: on a server in use one does at any time, here it is planted.
fn broken_sync(trial: &mut Trial) -> Result<()> {
    let redis = trial.lab.redis();
    told(&redis, &["SET", "tg:planted", "", "PX", "4000"])?;
    sync(trial, "error=EIO", 3_000)?;
    let healed = trial.ms();
    append_only_file(trial, "ok")?;
    let took = trial.ms() - healed;
    trial.measured("Redis takes writes again after ms", took);
    Ok(())
}

/// Only the thread that does nothing else is traced: the one that serves runs as fast as ever.
fn sync(trial: &mut Trial, inject: &str, ms: u64) -> Result<()> {
    let pid = trial.lab.pid(STATE)?;
    let thread = thread_of(pid, "bio_aof")?;
    let seen = trial.lab.files().dir().join("strace.out");
    let log = trial.lab.files().log("strace");
    trial.lab.beside(Launch {
        name: "strace".into(),
        program: "strace".into(),
        args: [
            "-p",
            &thread,
            "-e",
            "trace=fsync,fdatasync",
            "-e",
            &format!("inject=fsync,fdatasync:{inject}"),
            "-o",
            &seen.display().to_string(),
        ]
        .map(String::from)
        .to_vec(),
        log,
        ..Launch::default()
    })?;
    trial.last(ms);
    trial.lab.end("strace")?;
    let text = tidegate_stack::files::read(&seen)?;
    let times = text.lines().filter(|line| line.contains("sync(")).count();
    if times == 0 {
        return Err(Error::Answer {
            what: "fsync of the append-only file".into(),
            got: "none in the time".into(),
        });
    }
    trial.measured("syncs hit", u64::try_from(times).unwrap_or(u64::MAX));
    Ok(())
}

/// The id of the thread of `pid` whose name begins so.
fn thread_of(pid: u32, name: &str) -> Result<String> {
    let tasks = format!("/proc/{pid}/task");
    let all = std::fs::read_dir(&tasks).map_err(Error::io(format!("list {tasks}")))?;
    let found = all.flatten().find(|task| {
        let comm = std::fs::read_to_string(task.path().join("comm"));
        comm.is_ok_and(|comm| comm.starts_with(name))
    });
    found
        .map(|task| task.file_name().to_string_lossy().into_owned())
        .ok_or_else(|| Error::NoPart(format!("thread {name} of {pid}")))
}

/// Operators are at work, so bridges have something to log all the time; Envoys log every request.
fn logs_full(trial: &mut Trial) -> Result<()> {
    let failed = |trial: &Trial| -> Result<u64> {
        let all = trial.lab.stats("^filesystem\\.write_failed$")?;
        Ok(all.values().sum())
    };
    let before = failed(trial)?;
    let ballast = fill(&trial.lab.files().logs())?;
    trial.last(4_000);
    empty(&ballast)?;
    let lines = failed(trial)? - before;
    trial.measured("writes of logs that failed", lines);
    let text = "the disk was full and Envoy counted no failed write";
    trial.verdict.check("L1", (lines == 0).then(|| text.into()));
    Ok(())
}

/// Takes all the room there is.
fn fill(dir: &Path) -> Result<PathBuf> {
    let path = dir.join("ballast");
    let mut file = File::create(&path).map_err(Error::io(format!("create {}", path.display())))?;
    for size in [64 * 1_024, 1] {
        let zeros = vec![0; size];
        while file.write_all(&zeros).is_ok() {}
    }
    Ok(path)
}

fn empty(ballast: &Path) -> Result<()> {
    std::fs::remove_file(ballast).map_err(Error::io(format!("remove {}", ballast.display())))
}

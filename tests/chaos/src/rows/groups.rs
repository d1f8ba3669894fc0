//! F, G: processes that may have only so much of the processor, of memory, so many threads.

use crate::group::Group;
use crate::need::Need;
use crate::row::{Failures, Row};
use crate::trial::Trial;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
use tidegate_e2e::{Error, RedisKind};
use tidegate_stack::Result;
use tidegate_stack::proc::Launch;

const BRIDGE: &str = "bridge-1";

pub(super) const ROWS: &[Row] = &[
    Row::new(
        "F7",
        "an Envoy has a fifth of a processor for 4 s",
        Failures::Any,
        1_500,
        coarse_ticks,
    )
    .needing(&[Need::Processor])
    // It is late as a whole; what must not be is that something is lost.
    .within(6_000),
    Row::new(
        "G1",
        "a bridge has 128 MB of memory, and forty send it 100 MB each",
        Failures::None,
        1_000,
        large_bodies,
    )
    .on(RedisKind::Standalone)
    .needing(&[Need::Memory]),
    Row::new(
        "G3",
        "a bridge is started where it may have one thread, or two",
        Failures::None,
        1_000,
        few_threads,
    )
    .on(RedisKind::Standalone)
    .needing(&[Need::Pids]),
    Row::new(
        "G4",
        "both bridges have a twentieth of a processor for 4 s",
        Failures::OnError,
        1_500,
        starved,
    )
    .on(RedisKind::Standalone)
    .needing(&[Need::Processor]),
];

/// Its callbacks come late, all of them: deadlines, answers, the next request.
fn coarse_ticks(trial: &mut Trial) -> Result<()> {
    let group = Group::of("cpu")?;
    group.enter(trial.lab.pid("envoy-0")?)?;
    group.set("cpu.cfs_quota_us", "20000")?;
    trial.last(4_000);
    group.set("cpu.cfs_quota_us", "-1")
}

fn starved(trial: &mut Trial) -> Result<()> {
    let group = Group::of("cpu")?;
    for bridge in ["bridge-0", BRIDGE] {
        group.enter(trial.lab.pid(bridge)?)?;
    }
    group.set("cpu.cfs_quota_us", "10000")?;
    trial.last(4_000);
    group.set("cpu.cfs_quota_us", "-1")
}

/// Whoever has its credential can send it as much as it likes; what it holds of that is bounded.
fn large_bodies(trial: &mut Trial) -> Result<()> {
    let group = Group::of("memory")?;
    group.set("memory.limit_in_bytes", "128M")?;
    let mut usual = Launch::default();
    trial.lab.alter(BRIDGE, |launch| usual = launch.clone())?;
    trial.lab.end(BRIDGE)?;
    trial
        .lab
        .alter(BRIDGE, |launch| *launch = group.within(&usual))?;
    trial.lab.revive(BRIDGE)?;
    trial.last(1_000);
    trial.begins();
    let pid = trial.lab.pid(BRIDGE)?;
    let socket = trial.lab.files().bridge_socket(1);
    let statuses: Vec<u64> = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..40)
            .map(|n| {
                let socket = &socket;
                scope.spawn(move || large_body(socket, n % 2 == 0))
            })
            .collect();
        let ended = senders.into_iter().map(|sender| sender.join());
        ended.filter_map(|status| status.ok().flatten()).collect()
    });
    trial.healed();
    for status in &statuses {
        let taken = !matches!(status, 413 | 503);
        let text = format!("100 MB were answered {status}");
        trial.verdict.check("X4", taken.then_some(text));
    }
    let answered = u64::try_from(statuses.len()).unwrap_or(0);
    trial.measured("of 40 answered 413 or 503", answered);
    let killed = !Path::new(&format!("/proc/{pid}/fd")).is_dir() || trial.lab.pid(BRIDGE)? != pid;
    let text = "the bridge was killed".to_owned();
    trial.verdict.check("X4", killed.then_some(text));
    trial.measured(
        "most memory, MB",
        group.get("memory.max_usage_in_bytes")? >> 20,
    );
    trial.lab.end(BRIDGE)?;
    trial.lab.alter(BRIDGE, |launch| *launch = usual)?;
    trial.lab.revive(BRIDGE)
}

/// The status, when there was one before the connection ended.
fn large_body(socket: &Path, chunked: bool) -> Option<u64> {
    const PIECE: usize = 64 << 10;
    const SIZE: usize = 100 << 20;
    let mut stream = UnixStream::connect(socket).ok()?;
    let limit = Some(Duration::from_secs(5));
    stream.set_write_timeout(limit).ok()?;
    stream.set_read_timeout(limit).ok()?;
    let framing = match chunked {
        true => "transfer-encoding: chunked".to_owned(),
        false => format!("content-length: {SIZE}"),
    };
    let head = format!(
        "POST /v1/exchange HTTP/1.1\r\nhost: bridge\r\ncontent-type: application/vnd.tidegate.resp\r\n{framing}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).ok()?;
    let mut piece = vec![b'x'; PIECE];
    if chunked {
        piece.splice(0..0, format!("{PIECE:x}\r\n").into_bytes());
        piece.extend(b"\r\n");
    }
    for _ in 0..SIZE / PIECE {
        // It was answered, or given up.
        if stream.write_all(&piece).is_err() {
            break;
        }
    }
    let mut answer = [0; 256];
    let length = stream.read(&mut answer).ok()?;
    let line = String::from_utf8_lossy(answer.get(..length)?).into_owned();
    line.split(' ').nth(1)?.parse().ok()
}

/// It serves, or it says in one line why not and ends.
fn few_threads(trial: &mut Trial) -> Result<()> {
    let group = Group::of("pids")?;
    let mut usual = Launch::default();
    trial.lab.alter(BRIDGE, |launch| usual = launch.clone())?;
    for most in [1, 2] {
        group.set("pids.max", &most.to_string())?;
        trial.lab.end(BRIDGE)?;
        trial
            .lab
            .alter(BRIDGE, |launch| *launch = group.within(&usual))?;
        let log = trial.lab.files().log(BRIDGE);
        let said = lines(&log);
        let outcome = match trial.lab.revive(BRIDGE) {
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
        trial.lab.end(BRIDGE)?;
        trial.lab.alter(BRIDGE, |launch| *launch = usual.clone())?;
        trial.lab.revive(BRIDGE)?;
    }
    Ok(())
}

fn lines(log: &Path) -> usize {
    std::fs::read(log).map_or(0, |text| text.split(|b| *b == b'\n').count())
}

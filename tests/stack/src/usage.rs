//! What processes used of processor and memory, from proc(5).

use crate::{Error, Result};
use std::fs;

/// Microseconds of one tick of `stat`: Linux shows times to programs in 1/100 s (`USER_HZ`), whatever the
/// kernel's own clock is.
const TICK_US: u64 = 10_000;

/// Processor time of a process so far, user and system, all threads, µs (fields 14 and 15 of `stat`).
///
/// # Errors
/// When it has ended.
pub(crate) fn cpu(pid: u32) -> Result<u64> {
    let [user, system, ..] = times(&pid.to_string())?;
    Ok((user + system) * TICK_US)
}

/// Processor time of several processes so far, together, µs.
///
/// # Errors
/// When one has ended.
pub fn cpu_of(pids: &[u32]) -> Result<u64> {
    pids.iter().map(|&pid| cpu(pid)).sum()
}

/// The same of the children this program waited for (fields 16 and 17).
///
/// # Errors
/// When proc(5) is not there.
pub(crate) fn cpu_of_children() -> Result<u64> {
    let [.., user, system] = times("self")?;
    Ok((user + system) * TICK_US)
}

/// Processor time the whole machine spent so far, µs: all but idle and waiting for disks. What a hypervisor
/// gave to others counts too, since it was not there for us.
///
/// # Errors
/// When proc(5) is not there.
pub(crate) fn cpu_of_machine() -> Result<u64> {
    let text = read("/proc/stat")?;
    let line = text.lines().next().unwrap_or_default();
    let ticks = numbers(line);
    // user nice system idle iowait irq softirq steal; guest is in user already.
    let busy = [0, 1, 2, 5, 6, 7].map(|i| ticks.get(i).copied().unwrap_or(0));
    Ok(busy.iter().sum::<u64>() * TICK_US)
}

/// Memory of a process that is in RAM, bytes (`VmRSS`).
///
/// # Errors
/// When it has ended.
pub fn rss(pid: u32) -> Result<u64> {
    let text = read(&format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
    kib.map(|kib| kib * 1024)
        .ok_or_else(|| strange(&format!("/proc/{pid}/status"), &text))
}

/// utime, stime, cutime, cstime in ticks.
fn times(pid: &str) -> Result<[u64; 4]> {
    let path = format!("/proc/{pid}/stat");
    let text = read(&path)?;
    parse_times(&text).ok_or_else(|| strange(&path, &text))
}

fn parse_times(stat: &str) -> Option<[u64; 4]> {
    // The name in field 2 may hold spaces and brackets; nothing after it does.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let mut next = || fields.next()?.parse().ok();
    Some([next()?, next()?, next()?, next()?])
}

fn numbers(line: &str) -> Vec<u64> {
    line.split_ascii_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).map_err(Error::io(format!("read {path}")))
}

fn strange(path: &str, got: &str) -> Error {
    Error::Answer {
        what: format!("read {path}"),
        got: got.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stand_after_a_name_of_any_shape() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 11 22 33 44 20 0 1 0 99 0 0";
        assert_eq!(parse_times(stat), Some([11, 22, 33, 44]));
        assert_eq!(parse_times("7 (short) S 1"), None);
    }

    #[test]
    fn this_program_uses_memory_and_the_machine_more_time_than_it() {
        let me = std::process::id();
        assert!(rss(me).unwrap() > 100_000);
        assert!(cpu_of_machine().unwrap() >= cpu(me).unwrap());
        assert!(cpu(u32::MAX).is_err());
    }
}

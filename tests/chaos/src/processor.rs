//! What a process takes of a processor.

use std::time::Duration;
use tidegate_stack::{Result, files};

/// Clock ticks a second: Linux' `USER_HZ`, on every platform this runs on.
const TICKS: u64 = 100;

/// How much of a processor these processes take together, per mille, over some time.
///
/// # Errors
/// When one of them has ended.
pub fn busy(pids: &[u32], time: Duration) -> Result<u64> {
    let ticks = || pids.iter().map(|pid| ticks(*pid)).sum::<Result<u64>>();
    let begun = ticks()?;
    std::thread::sleep(time);
    let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
    Ok((ticks()? - begun) * 1_000 * 1_000 / TICKS / ms)
}

/// Clock ticks a process has used, in itself and in the kernel (fields 14 and 15 of `stat` of proc(5)).
fn ticks(pid: u32) -> Result<u64> {
    let stat = files::read(format!("/proc/{pid}/stat").as_ref())?;
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    // The third field is the first behind the name.
    let used = fields.split_ascii_whitespace().skip(11).take(2);
    Ok(used.filter_map(|n| n.parse::<u64>().ok()).sum())
}

//! What a process takes of a processor.

use std::time::Duration;
use tidegate_stack::{Result, usage};

/// How much of a processor these processes take together, per mille, over some time.
///
/// # Errors
/// When one of them has ended.
pub fn busy(pids: &[u32], time: Duration) -> Result<u64> {
    let begun = usage::cpu_of(pids)?;
    std::thread::sleep(time);
    let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
    Ok((usage::cpu_of(pids)? - begun) * 1_000 / us)
}

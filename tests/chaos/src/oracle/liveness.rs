//! No request waits for ever (L1), none longer than it may (X3), and everything is as before soon after (L2).

use super::Verdict;
use crate::history::{Asked, End, History, Record};
use std::time::Duration;

/// How long requests may take.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// One that is decided: the exchange's deadline, a retry's, and what a busy machine adds.
    pub decided: Duration,
    /// One for a cached URL: it may wait for who fills it.
    pub cached: Duration,
}

impl Bounds {
    /// What holds when nothing says otherwise.
    pub const USUAL: Self = Self {
        decided: Duration::from_secs(1),
        cached: Duration::from_secs(6),
    };
}

pub(super) fn judge(history: &History, bounds: Bounds, verdict: &mut Verdict) {
    let ended = u64::try_from(history.records.len()).unwrap_or(u64::MAX);
    let missing = history.sent.saturating_sub(ended);
    verdict.check(
        "L1",
        (missing > 0).then(|| format!("{missing} requests never ended")),
    );
    for record in &history.records {
        let hung = record.end == End::Hung;
        verdict.check("L1", hung.then(|| format!("{:?} hung", record.asked)));
        let bound = match record.asked {
            Asked::Cached(_) => bounds.cached,
            _ => bounds.decided,
        };
        let took = Duration::from_nanos(record.took_ns());
        let late = took > bound && !hung;
        verdict.check(
            "X3",
            late.then(|| {
                format!(
                    "{:?} took {took:?}, status {}",
                    record.asked,
                    record.status()
                )
            }),
        );
    }
}

/// True when a request did not get what it asked for, and what it asked for is no business of a fault.
pub fn failed(record: &Record) -> bool {
    match (record.asked, record.status()) {
        (_, 200) => false,
        (Asked::Wide(_) | Asked::Tight(_), 429) => false,
        // Whether that was right is S4's business.
        (Asked::Session(_), 401) => false,
        _ => true,
    }
}

/// From the first failure in `from_ns..to_ns` to the last one; zero when there is none.
pub fn outage(history: &History, from_ns: u64, to_ns: u64) -> Duration {
    let due = failures(history, from_ns, to_ns).map(|record| record.due_ns);
    match (due.clone().min(), due.max()) {
        (Some(first), Some(last)) => Duration::from_nanos(last - first),
        _ => Duration::ZERO,
    }
}

/// Requests that were due in `from_ns..to_ns` and failed.
pub fn failures(
    history: &History,
    from_ns: u64,
    to_ns: u64,
) -> impl Iterator<Item = &Record> + Clone {
    let due = move |record: &&Record| (from_ns..to_ns).contains(&record.due_ns);
    history
        .records
        .iter()
        .filter(due)
        .filter(|record| failed(record))
}

/// How long 99 of 100 requests took that were due in `from_ns..to_ns`, from when they were due.
pub fn latency(history: &History, from_ns: u64, to_ns: u64) -> Duration {
    let mut all: Vec<u64> = history
        .records
        .iter()
        .filter(|record| (from_ns..to_ns).contains(&record.due_ns))
        .map(|record| record.end_ns.saturating_sub(record.due_ns))
        .collect();
    all.sort_unstable();
    let at = all.len() * 99 / 100;
    Duration::from_nanos(all.get(at).copied().unwrap_or(0))
}

/// From `healed_ns` to the begin of the first second in which 99.9 % of the requests succeed; `None` when there was
/// no such second before `to_ns`.
pub fn recovery(history: &History, healed_ns: u64, to_ns: u64) -> Option<Duration> {
    const SECOND: u64 = 1_000_000_000;
    let mut all: Vec<(u64, bool)> = history
        .records
        .iter()
        .filter(|record| (healed_ns..to_ns).contains(&record.due_ns))
        .map(|record| (record.due_ns, failed(record)))
        .collect();
    all.sort_unstable();
    let end = all.last()?.0;
    // A good second begins at the heal or right after a failure.
    let after = all
        .iter()
        .filter(|(_, failed)| *failed)
        .map(|(due_ns, _)| due_ns + 1);
    for start in std::iter::once(healed_ns).chain(after) {
        if start + SECOND > end {
            return None;
        }
        let first = all.partition_point(|(due_ns, _)| *due_ns < start);
        let last = all.partition_point(|(due_ns, _)| *due_ns < start + SECOND);
        let window = all.get(first..last).unwrap_or_default();
        let bad = window.iter().filter(|(_, failed)| *failed).count();
        if bad * 1_000 <= window.len() {
            return Some(Duration::from_nanos(start - healed_ns));
        }
    }
    None
}

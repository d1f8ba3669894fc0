//! What is logged of requests. Whatever each request can cause is told once a second, with how many more there were: a
//! line for each makes failing dearer than serving, and an outage or anybody who likes fills disks (faults.md, M11). The
//! metrics count all.

use core::fmt;
use core::time::Duration;

/// A kind is told again after this.
const EVERY: Duration = Duration::from_secs(1);
const KINDS: usize = 6;

/// What a request can give cause to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Complaint {
    /// A reply of Redis about a session cannot be read.
    BadReply,
    /// An upstream wants something of a session that it may not have.
    BadWish,
    /// Another site may have caused the request.
    CrossSite,
    /// An invalidation did not reach Redis.
    InvalidationLost,
    /// An invalidation could not be sent.
    InvalidationUnsent,
    /// Route metadata names no policy.
    UnknownPolicy,
}

/// What was told lately.
#[derive(Debug, Default)]
pub(crate) struct Complaints([Kind; KINDS]);

#[derive(Debug, Clone, Copy, Default)]
struct Kind {
    /// Nothing before then.
    from: Duration,
    untold: u32,
}

/// How many were not told before this one; nothing when none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct More(u32);

impl Complaints {
    /// Whether it is told now; as `More`, how many were not since the last time.
    pub(crate) fn tell(&mut self, what: Complaint, now: Duration) -> Option<More> {
        let kind = self.0.get_mut(what as usize)?;
        if now < kind.from {
            kind.untold = kind.untold.saturating_add(1);
            return None;
        }
        kind.from = now.saturating_add(EVERY);
        Some(More(core::mem::take(&mut kind.untold)))
    }
}

impl fmt::Display for More {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            n => write!(f, " (and {n} more since the last time)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Complaint; KINDS] = [
        Complaint::BadReply,
        Complaint::BadWish,
        Complaint::CrossSite,
        Complaint::InvalidationLost,
        Complaint::InvalidationUnsent,
        Complaint::UnknownPolicy,
    ];

    #[test]
    fn m11_each_kind_is_told_once_a_second_with_how_many_there_were() {
        let mut complaints = Complaints::default();
        for ms in 0..10_000 {
            let now = Duration::from_millis(ms);
            for what in ALL {
                let told = complaints.tell(what, now);
                let due = ms % 1_000 == 0;
                let before = if ms == 0 { 0 } else { 999 };
                assert_eq!(told, due.then_some(More(before)), "{what:?}, {ms} ms");
            }
        }
    }

    #[test]
    fn what_is_rare_is_told_as_it_is() {
        let mut complaints = Complaints::default();
        for s in 0..3 {
            let more = complaints.tell(Complaint::BadReply, Duration::from_secs(s));
            assert_eq!(more.map(|more| more.to_string()), Some(String::new()));
        }
        assert_eq!(More(7).to_string(), " (and 7 more since the last time)");
    }
}

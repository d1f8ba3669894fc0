//! Until when a worker may answer from its own memory.
//!
//! One of the streams is asked, four times per window, to confirm that everything invalidated in the fleet
//! so far was said on it. What was confirmed holds for a window from when it was asked, by the worker's own
//! clock: so whoever invalidates something knows that after a window no worker uses what is older, whatever
//! became of the worker, the stream and the bridge (as a lease, Gray and Cheriton, 1989). Acknowledgements
//! only make it faster.

use crate::wire::ToBridge;
use core::time::Duration;
use std::collections::VecDeque;

/// SYNCs that wait for their answer, at most.
const MAX_PENDING: usize = 16;

/// The stream that is asked, and what it said.
#[derive(Debug)]
pub(super) struct Sync {
    window: Duration,
    every: Duration,
    /// Which link's stream, in which generation.
    stream: Option<(usize, u64)>,
    seq: u64,
    /// Asked and not answered, with when.
    pending: VecDeque<(u64, Duration)>,
    asked: Duration,
    /// Until when memory may be used; `None`: nothing was confirmed on this stream.
    until: Option<Duration>,
}

impl Sync {
    pub(super) fn new(window: Duration) -> Self {
        Self {
            window,
            every: window.checked_div(4).unwrap_or(window),
            stream: None,
            seq: 0,
            pending: VecDeque::new(),
            asked: Duration::ZERO,
            until: None,
        }
    }

    /// Whether it asks this stream.
    pub(super) fn is_on(&self, stream: (usize, u64)) -> bool {
        self.stream == Some(stream)
    }

    /// Whether it asks no stream.
    pub(super) fn is_idle(&self) -> bool {
        self.stream.is_none()
    }

    /// Asks another stream from now on; nothing that was confirmed holds any more.
    pub(super) fn turn_to(&mut self, stream: Option<(usize, u64)>) {
        *self = Self {
            stream,
            ..Self::new(self.window)
        };
    }

    /// Where to ask now, and what.
    pub(super) fn ask(&mut self, now: Duration) -> Option<(usize, ToBridge<'static>)> {
        let (link, _) = self.stream?;
        if self.seq > 0 && now.saturating_sub(self.asked) < self.every {
            return None;
        }
        self.seq = self.seq.wrapping_add(1);
        self.asked = now;
        if self.pending.len() >= MAX_PENDING {
            self.pending.pop_front();
        }
        self.pending.push_back((self.seq, now));
        let window_ms = u32::try_from(self.window.as_millis()).unwrap_or(0);
        let seq = self.seq;
        Some((link, ToBridge::Sync { seq, window_ms }))
    }

    /// What was asked under this number is confirmed. Whether it is the stream's first.
    pub(super) fn confirmed(&mut self, seq: u64) -> bool {
        let mut asked = None;
        while let Some((pending, at)) = self.pending.front().copied()
            && pending <= seq
        {
            self.pending.pop_front();
            asked = Some(at).filter(|_| pending == seq);
        }
        let Some(asked) = asked else {
            return false;
        };
        let first = self.until.is_none();
        self.until = self.until.max(Some(asked.saturating_add(self.window)));
        first
    }

    /// Whether anything was confirmed on this stream: from then on it says all that is invalidated.
    pub(super) fn is_told(&self) -> bool {
        self.until.is_some()
    }

    /// Whether what is in memory may be used now.
    pub(super) fn holds(&self, now: Duration) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn c1_what_is_confirmed_holds_from_when_it_was_asked() {
        let mut sync = Sync::new(ms(200));
        assert!(sync.ask(ms(0)).is_none(), "no stream");
        sync.turn_to(Some((1, 7)));
        let (link, frame) = sync.ask(ms(1_000)).unwrap();
        assert_eq!(link, 1);
        assert_eq!(
            frame,
            ToBridge::Sync {
                seq: 1,
                window_ms: 200
            }
        );
        assert!(sync.ask(ms(1_049)).is_none());
        assert!(sync.ask(ms(1_050)).is_some());
        assert!(!sync.holds(ms(1_050)) && !sync.is_told());
        assert!(sync.confirmed(1));
        assert!(sync.holds(ms(1_199)) && !sync.holds(ms(1_200)));
        assert!(!sync.confirmed(2), "only the first is the first");
        assert!(sync.holds(ms(1_249)) && !sync.holds(ms(1_250)));
        assert!(sync.is_told(), "what is said goes on being said");
    }

    #[test]
    fn c2_what_nobody_asked_confirms_nothing() {
        let mut sync = Sync::new(ms(200));
        assert!(!sync.confirmed(0));
        sync.turn_to(Some((0, 1)));
        sync.ask(ms(10));
        sync.ask(ms(100));
        assert!(sync.confirmed(2));
        // Overtaken, repeated, never asked.
        assert!(!sync.confirmed(1) && !sync.confirmed(2) && !sync.confirmed(9));
        assert!(sync.holds(ms(299)) && !sync.holds(ms(300)));
    }

    #[test]
    fn c2_another_stream_starts_with_nothing() {
        let mut sync = Sync::new(ms(200));
        sync.turn_to(Some((0, 1)));
        sync.ask(ms(10));
        sync.confirmed(1);
        sync.turn_to(Some((0, 2)));
        assert!(!sync.holds(ms(11)) && !sync.is_told());
        assert!(!sync.confirmed(1), "of the stream before");
        assert!(sync.is_on((0, 2)) && !sync.is_on((0, 1)) && !sync.is_idle());
        sync.turn_to(None);
        assert!(sync.is_idle());
    }

    #[test]
    fn x4_what_is_never_answered_is_bounded() {
        let mut sync = Sync::new(ms(200));
        sync.turn_to(Some((0, 1)));
        for n in 0..1_000 {
            sync.ask(ms(n * 50));
            assert!(sync.pending.len() <= MAX_PENDING);
        }
    }
}

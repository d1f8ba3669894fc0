//! One stream to a bridge: its life, its heartbeat, its back-off.

use super::SplitMix64;
use crate::guard::{self, Guard};
use core::time::Duration;

/// A ping is sent this often, so silence means something.
pub(super) const PING_EVERY: Duration = Duration::from_millis(150);
/// A bridge silent for this long is given up: a frozen process keeps its connection open, and TCP
/// alone would not tell for minutes (faults.md, A3 and D3: detected within 500 ms).
pub(super) const SILENCE: Duration = Duration::from_millis(450);
/// A stream that is not welcomed within this time is given up.
const HANDSHAKE: Duration = Duration::from_secs(1);
/// The same without its guard: the usual timeout of a call.
const NO_HANDSHAKE: Duration = Duration::from_millis(100);
const BACKOFF_MIN_MS: u64 = 50;
const BACKOFF_MAX_MS: u64 = 600;
/// A stream that lasted this long served, also when it only stood by.
const SERVED: Duration = Duration::from_secs(1);
/// Two links on one bridge are dialled again this often, to find another bridge.
const REDIAL: Duration = Duration::from_secs(10);
/// Streams that began within this time of each other are put apart: what is between us and the bridges may end each at
/// an age (Envoy's `max_stream_duration`), and a call that moved from one to the other may not move again (X8, E7).
/// More than a decision's usual timeout.
const APART: Duration = Duration::from_millis(200);
/// Stalls of our own thread in a row, without a message between them, that excuse a link's silence.
/// After each the thread reads what is queued, so more of them mean that nothing was.
const STALLS: u8 = 3;
/// Attempts to find another bridge at once, when a stream reached one that is linked already.
const SPREAD_TRIES: u32 = 3;

/// A link: at most one live stream. Each stream is a new generation.
#[derive(Debug)]
pub(super) struct Link {
    state: State,
    generation: u64,
    backoff_ms: u64,
    spread_tries: u32,
    stalls: u8,
}

#[derive(Debug)]
enum State {
    /// No stream; may be dialled from then on.
    Idle { from: Duration },
    /// Opened, not welcomed yet.
    Opening { since: Duration },
    /// Welcomed.
    Ready(Ready),
}

#[derive(Debug)]
struct Ready {
    bridge: Vec<u8>,
    heard: Duration,
    pinged: Duration,
    seq: u64,
    since: Duration,
    leaving: bool,
    redial_at: Option<Duration>,
    apart_at: Option<Duration>,
    /// We ended it ourselves, for a better one.
    replaced: bool,
    suspect: bool,
    /// A call was answered on it.
    answered: bool,
}

/// What a link wants at a tick.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Dial,
    GiveUp,
    Nothing,
    Ping(u64),
    /// Close it: nothing is pending on it, and another stream is wanted.
    Retire,
}

impl Link {
    pub(super) fn new() -> Self {
        Self {
            state: State::Idle {
                from: Duration::ZERO,
            },
            generation: 0,
            backoff_ms: BACKOFF_MIN_MS,
            spread_tries: 0,
            stalls: 0,
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether a stream was welcomed, of a bridge that may be leaving: until it ends, it answers.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready(_))
    }

    /// Whether new calls may be put on it.
    pub(super) fn usable(&self) -> bool {
        matches!(&self.state, State::Ready(ready) if !ready.leaving)
    }

    pub(super) fn bridge(&self) -> Option<&[u8]> {
        match &self.state {
            State::Ready(ready) => Some(&ready.bridge),
            _ => None,
        }
    }

    /// Whether a stream exists, welcomed or not.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.state, State::Idle { .. })
    }

    /// Whether a stream exists that was not welcomed yet.
    pub(super) fn is_opening(&self) -> bool {
        matches!(self.state, State::Opening { .. })
    }

    /// Whether calls on it timed out while it was silent.
    pub(super) fn is_suspect(&self) -> bool {
        matches!(&self.state, State::Ready(ready) if ready.suspect)
    }

    pub(super) fn dialled(&mut self, now: Duration) {
        self.generation = self.generation.wrapping_add(1);
        self.stalls = 0;
        self.state = State::Opening { since: now };
    }

    /// The bridge answered the HELLO. Back-off does not start anew here: see [`Link::answered`].
    pub(super) fn welcomed(&mut self, bridge: &[u8], shared: bool, now: Duration) {
        self.state = State::Ready(Ready {
            bridge: bridge.to_vec(),
            heard: now,
            pinged: now,
            seq: 0,
            since: now,
            leaving: false,
            redial_at: shared.then(|| now.saturating_add(REDIAL)),
            apart_at: None,
            replaced: false,
            suspect: false,
            answered: false,
        });
    }

    /// Whether its stream was welcomed so lately that one that is welcomed now would end with it.
    pub(super) fn is_of_now(&self, now: Duration) -> bool {
        matches!(&self.state, State::Ready(ready) if now.saturating_sub(ready.since) < APART)
    }

    /// The stream is replaced before long, so that it does not end together with another one.
    pub(super) fn keep_apart(&mut self, now: Duration, rng: &mut SplitMix64) {
        if let State::Ready(ready) = &mut self.state {
            let jitter = Duration::from_millis(rng.below(200));
            ready.apart_at = Some(now.saturating_add(APART).saturating_add(jitter));
        }
    }

    /// Whether a stream that reached a bridge another link is on shall be given up for another try.
    pub(super) fn try_another_bridge(&mut self) -> bool {
        if self.spread_tries >= SPREAD_TRIES {
            self.spread_tries = 0;
            return false;
        }
        self.spread_tries = self.spread_tries.saturating_add(1);
        true
    }

    pub(super) fn reached_another_bridge(&mut self) {
        self.spread_tries = 0;
    }

    pub(super) fn heard(&mut self, now: Duration) {
        self.stalls = 0;
        if let State::Ready(ready) = &mut self.state {
            ready.heard = now;
            ready.suspect = false;
        }
    }

    /// A call was answered on it: the bridge does what it is for, so the back-off starts anew when
    /// the stream is lost (invariant L6). A welcome does not say that much (faults.md, D11).
    pub(super) fn answered(&mut self) {
        if let State::Ready(ready) = &mut self.state {
            ready.answered = true;
        }
    }

    /// Our own thread stood still: what the bridge said meanwhile is queued behind this tick, so its
    /// silence says nothing yet.
    pub(super) fn stalled(&mut self, now: Duration) {
        if self.stalls >= STALLS {
            return;
        }
        self.stalls = self.stalls.saturating_add(1);
        match &mut self.state {
            State::Idle { .. } => {}
            State::Opening { since } => *since = now,
            State::Ready(ready) => ready.heard = now,
        }
    }

    /// A call on it timed out. When nothing at all was heard for as long as a call may take, new calls
    /// go elsewhere until something is.
    pub(super) fn timed_out(&mut self, timeout: Duration, now: Duration) {
        if let State::Ready(ready) = &mut self.state
            && now.saturating_sub(ready.heard) >= timeout
        {
            ready.suspect = true;
        }
    }

    /// The bridge said it is leaving.
    pub(super) fn leaving(&mut self) {
        if let State::Ready(ready) = &mut self.state {
            ready.leaving = true;
        }
    }

    /// The stream is gone; the next one is dialled after a back-off with full jitter.
    pub(super) fn closed(&mut self, now: Duration, rng: &mut SplitMix64) {
        let wait = match &self.state {
            // One that served is replaced at once; a storm is prevented by the jitter.
            State::Ready(ready)
                if ready.answered || ready.replaced || now.saturating_sub(ready.since) > SERVED =>
            {
                self.backoff_ms = BACKOFF_MIN_MS;
                rng.below(BACKOFF_MIN_MS)
            }
            _ => {
                let wait = rng.below(self.backoff_ms).saturating_add(1);
                self.backoff_ms = self.backoff_ms.saturating_mul(2).min(BACKOFF_MAX_MS);
                wait
            }
        };
        self.state = State::Idle {
            from: now.saturating_add(Duration::from_millis(wait)),
        };
    }

    /// The stream was given up to look for another bridge: no failure, no back-off.
    pub(super) fn respread(&mut self, now: Duration) {
        self.state = State::Idle { from: now };
    }

    /// What it wants now. `idle`: nothing is pending on it; `twin`: another usable link is on the same
    /// bridge; `spare`: it can be done without while another stream is opened.
    pub(super) fn wish(&mut self, now: Duration, idle: bool, twin: bool, spare: bool) -> Wish {
        if let State::Ready(ready) = &mut self.state
            && ready.redial_at.is_some_and(|at| now >= at)
        {
            // Under load it would never be idle by itself: calls go to the twin until it is.
            ready.redial_at = None;
            ready.leaving |= twin;
        }
        if let State::Ready(ready) = &mut self.state
            && spare
            && ready.apart_at.is_some_and(|at| now >= at)
        {
            ready.apart_at = None;
            ready.replaced = true;
            ready.leaving = true;
        }
        match &mut self.state {
            State::Idle { from } if now >= *from => Wish::Dial,
            State::Idle { .. } => Wish::Nothing,
            State::Opening { since } if now.saturating_sub(*since) > handshake() => Wish::GiveUp,
            State::Opening { .. } => Wish::Nothing,
            State::Ready(ready) if ready.leaving && idle && spare => Wish::Retire,
            State::Ready(ready) if now.saturating_sub(ready.heard) > SILENCE => Wish::GiveUp,
            State::Ready(ready) if now.saturating_sub(ready.pinged) >= PING_EVERY => {
                ready.pinged = now;
                ready.seq = ready.seq.wrapping_add(1);
                Wish::Ping(ready.seq)
            }
            State::Ready(_) => Wish::Nothing,
        }
    }
}

fn handshake() -> Duration {
    match guard::on(Guard::Handshake) {
        true => HANDSHAKE,
        false => NO_HANDSHAKE,
    }
}

//! Swarm options: each seed enables another subset of faults with other intensities (Groce et al.,
//! "Swarm testing", 2012), because faults that are always on hide each other.

use crate::rng::Rng;

/// A fault that can be injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Kill a bridge process; it comes back as another one.
    BridgeCrash,
    /// Stop a bridge process for a while.
    BridgeFreeze,
    /// Kill Redis; it comes back with its data, loading for a while.
    RedisCrash,
    /// Answer commands with errors for a while.
    RedisErrors,
    /// Stop Redis for a while; what was sent meanwhile runs afterwards.
    RedisPause,
    /// Cut a bridge's connection to Redis: replies in flight are lost, their commands may have run.
    RedisReset,
    /// A stream delivers in one direction only, until somebody gives it up.
    StreamHalfOpen,
    /// Cut a stream; what is in flight on it is lost.
    StreamReset,
    /// Hold a stream's messages for a while.
    StreamStall,
    /// Swap the policy of a worker, also to one with other parameters.
    Swap,
    /// A worker's VM is lost with all its requests, and made anew.
    VmReload,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::BridgeCrash,
        Self::BridgeFreeze,
        Self::RedisCrash,
        Self::RedisErrors,
        Self::RedisPause,
        Self::RedisReset,
        Self::StreamHalfOpen,
        Self::StreamReset,
        Self::StreamStall,
        Self::Swap,
        Self::VmReload,
    ];
}

/// A deliberate mistake of the simulated surroundings, which a checker must catch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// Admin revocations are acknowledged without being done (S2).
    AckRevokeUndone,
    /// Invalidations are acknowledged without being done (C1).
    AckInvalidateUndone,
    /// Redis' time comes from the bridge that asks (R13).
    BridgeClock,
    /// Redis forgets a bucket now and then (R2).
    ForgetBucket,
    /// Redis forgets a window now and then (R1).
    ForgetWindow,
    /// The host resumes a request twice (X10).
    ResumeTwice,
    /// The link sends exchanges again although their stream lives (X8).
    SendAgain,
    /// Sessions never expire (S1).
    SessionsNeverEnd,
    /// Stores are accepted without a live lease (C3).
    StoreWithoutLease,
    /// The link delivers replies to other exchanges (X1).
    SwapReplies,
    /// An answer is delivered with the host's other request's body (C4).
    SwapBodies,
    /// A worker's ticks stop (L1).
    TicksStop,
    /// A body cut short is handed on as complete (C6).
    TruncatedIsComplete,
    /// A failed session look-up is told as "absent" (S4).
    UnknownIsAbsent,
    /// Charges are answered and not kept (R8).
    Uncharged,
    /// Redis drops TTLs (X11).
    WithoutTtl,
    /// Redis says that a denial holds for longer than it does (R12).
    DeniedTooLong,
    /// Redis forgets a log now and then (R3).
    ForgetLog,
    /// Redis forgets slots now and then (R5).
    ForgetSlots,
    /// Redis forgets whose turn it is now and then (R6).
    ForgetTurns,
    /// The host hides what the upstream says a request has cost (R10).
    HiddenCost,
    /// What a lease grants is told twice over (R11).
    LeaseTwice,
    /// The bridge is told to hold no answer (R6).
    NoTurns,
    /// More is given back than was asked for (R10).
    ReturnMore,
    /// Redis says that a slot is given back and keeps it (R5).
    SlotKept,
    /// The host does not tell that a request is over, now and then (R5).
    SlotsLeak,
    /// No bridge is told of resets (R12).
    WordsLost,
    /// Redis forgets that a token was replaced (S7).
    SuccessorForgotten,
    /// A look-up brings back what has ended (S3).
    TouchCreates,
    /// Of two changes of one version both are acknowledged (S8).
    UpdateLastWins,
    /// Workers are not told what they have to forget (C1).
    InvalidationsUnsaid,
    /// What a bridge has missed leaves no gap in the numbers (C2).
    GapsUnseen,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 32] = [
        Self::AckRevokeUndone,
        Self::AckInvalidateUndone,
        Self::BridgeClock,
        Self::ForgetBucket,
        Self::ForgetWindow,
        Self::ResumeTwice,
        Self::SendAgain,
        Self::SessionsNeverEnd,
        Self::StoreWithoutLease,
        Self::SwapReplies,
        Self::SwapBodies,
        Self::TicksStop,
        Self::TruncatedIsComplete,
        Self::UnknownIsAbsent,
        Self::Uncharged,
        Self::WithoutTtl,
        Self::DeniedTooLong,
        Self::ForgetLog,
        Self::ForgetSlots,
        Self::ForgetTurns,
        Self::HiddenCost,
        Self::LeaseTwice,
        Self::NoTurns,
        Self::ReturnMore,
        Self::SlotKept,
        Self::SlotsLeak,
        Self::WordsLost,
        Self::SuccessorForgotten,
        Self::TouchCreates,
        Self::UpdateLastWins,
        Self::InvalidationsUnsaid,
        Self::GapsUnseen,
    ];
}

/// Everything a run is made of: with the same options it goes the same way.
#[derive(Debug, Clone)]
pub struct Options {
    /// The seed.
    pub seed: u64,
    /// Requests of the first phase, faults on.
    pub requests: usize,
    /// Requests per second.
    pub rate: u64,
    /// Workers.
    pub workers: usize,
    /// Redis is a cluster: limits of different subjects are taken by separate calls.
    pub cluster: bool,
    /// `on_error` of the limits: allow, deny or local.
    pub on_error: &'static str,
    /// Faults that may happen.
    pub faults: Vec<Fault>,
    /// Mean time between two of them, milliseconds.
    pub fault_every_ms: u64,
    /// Late ticks: up to this much later than the period, milliseconds.
    pub tick_jitter_ms: u64,
    /// Long latencies, in 1000.
    pub tail_permille: u64,
    /// Upstream answers cut short, in 1000.
    pub abort_permille: u64,
    /// Clients that leave early, in 1000.
    pub hangup_permille: u64,
    /// Makes the nodes' clocks: another number, other clocks (R13).
    pub clocks: u64,
    /// A mistake to be caught.
    pub mutant: Option<Mutant>,
}

impl Options {
    /// The options of a seed.
    pub fn of_seed(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let calm = seed.is_multiple_of(8);
        let faults = Fault::ALL.into_iter().filter(|_| rng.chance(500));
        let faults: Vec<Fault> = faults.collect();
        let or_none = |n: u64| if calm { 0 } else { n };
        Self {
            seed,
            requests: 700,
            rate: rng.between(100, 500),
            workers: 1 + rng.index(3),
            cluster: rng.chance(500),
            on_error: ["allow", "deny", "local"][rng.index(3)],
            faults: if calm { Vec::new() } else { faults },
            fault_every_ms: rng.between(60, 500),
            tick_jitter_ms: or_none([0, 20, 200][rng.index(3)]),
            tail_permille: or_none([0, 5, 40][rng.index(3)]),
            abort_permille: or_none([0, 50, 200][rng.index(3)]),
            hangup_permille: or_none([0, 30, 200][rng.index(3)]),
            clocks: seed,
            mutant: None,
        }
    }

    /// No fault of any kind: then limits must be used up exactly.
    pub fn is_calm(&self) -> bool {
        self.faults.is_empty()
            && self.tail_permille == 0
            && self.hangup_permille == 0
            && self.tick_jitter_ms == 0
    }
}

//! How long things took, counted in buckets.

use crate::script::Script;
use std::time::Duration;
use tidegate::wire::Op;

/// The first bucket's upper bound, microseconds; each of the next ones is twice as wide.
const FIRST_US: u64 = 50;
/// Buckets with an upper bound: the last one ends at 1.6 s.
const BOUNDED: usize = 16;

/// A histogram of durations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Latency {
    /// The last one has no upper bound.
    counts: [u64; BOUNDED + 1],
    sum_us: u64,
}

impl Latency {
    pub(super) fn record(&mut self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let doublings = u64::BITS - (us.saturating_sub(1) / FIRST_US).leading_zeros();
        let at = usize::try_from(doublings).unwrap_or(BOUNDED).min(BOUNDED);
        if let Some(count) = self.counts.get_mut(at) {
            *count += 1;
        }
        self.sum_us = self.sum_us.saturating_add(us);
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All together, seconds.
    pub fn sum_s(&self) -> f64 {
        self.sum_us as f64 / 1e6
    }

    /// Upper bound in seconds and count of each bucket, not cumulated; the last bound is
    /// infinite.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = (0..BOUNDED).map(|n| (FIRST_US << n) as f64 / 1e6);
        bounds.chain([f64::INFINITY]).zip(self.counts)
    }
}

/// What an operation asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Any operation of the admin API.
    Admin,
    /// `CACHE.GET`
    CacheGet,
    /// `CACHE.INVALIDATE`
    CacheInvalidate,
    /// `CACHE.PASS`
    CachePass,
    /// `CACHE.PURGE`
    CachePurge,
    /// `CACHE.PUT`
    CachePut,
    /// What bridges tell each other.
    Fleet,
    /// `LIMIT.RETURN`
    LimitReturn,
    /// `LIMIT.TAKE`
    LimitTake,
    /// `SESSION.CREATE`
    SessionCreate,
    /// `SESSION.END`
    SessionEnd,
    /// `SESSION.GET`
    SessionGet,
    /// `SESSION.ROTATE`
    SessionRotate,
    /// `SESSION.UPDATE`
    SessionUpdate,
}

impl Verb {
    /// All of them, in the order of the enum.
    pub const ALL: [Self; 14] = [
        Self::Admin,
        Self::CacheGet,
        Self::CacheInvalidate,
        Self::CachePass,
        Self::CachePurge,
        Self::CachePut,
        Self::Fleet,
        Self::LimitReturn,
        Self::LimitTake,
        Self::SessionCreate,
        Self::SessionEnd,
        Self::SessionGet,
        Self::SessionRotate,
        Self::SessionUpdate,
    ];

    pub(super) fn of(op: &Op<'_>) -> Self {
        match op {
            Op::CacheGet(_) => Self::CacheGet,
            Op::CacheInvalidate { .. } => Self::CacheInvalidate,
            Op::CachePass(_) => Self::CachePass,
            Op::CachePurge { .. } => Self::CachePurge,
            Op::CachePut(_) => Self::CachePut,
            Op::LimitReturn(_) => Self::LimitReturn,
            Op::LimitTake(_) => Self::LimitTake,
            Op::SessionCreate(_) => Self::SessionCreate,
            Op::SessionEnd(_) => Self::SessionEnd,
            Op::SessionGet(_) => Self::SessionGet,
            Op::SessionRotate(_) => Self::SessionRotate,
            Op::SessionUpdate(_) => Self::SessionUpdate,
        }
    }

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::CacheGet => "CACHE.GET",
            Self::CacheInvalidate => "CACHE.INVALIDATE",
            Self::CachePass => "CACHE.PASS",
            Self::CachePurge => "CACHE.PURGE",
            Self::CachePut => "CACHE.PUT",
            Self::Fleet => "fleet",
            Self::LimitReturn => "LIMIT.RETURN",
            Self::LimitTake => "LIMIT.TAKE",
            Self::SessionCreate => "SESSION.CREATE",
            Self::SessionEnd => "SESSION.END",
            Self::SessionGet => "SESSION.GET",
            Self::SessionRotate => "SESSION.ROTATE",
            Self::SessionUpdate => "SESSION.UPDATE",
        }
    }
}

/// How an exchange came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// A caller of the admin API.
    Admin,
    /// A decision stream.
    Stream,
    /// `POST /v1/exchange`.
    Unary,
}

impl Carrier {
    /// All of them, in the order of the enum.
    pub const ALL: [Self; 3] = [Self::Admin, Self::Stream, Self::Unary];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Stream => "stream",
            Self::Unary => "unary",
        }
    }
}

/// All histograms of a core.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Latencies {
    exchanges: [Latency; Carrier::ALL.len()],
    verbs: [Latency; Verb::ALL.len()],
    scripts: [Latency; Script::ALL.len()],
}

impl Latencies {
    pub(super) fn exchange(&mut self, carrier: Carrier, took: Duration) {
        record(&mut self.exchanges, carrier as usize, took);
    }

    pub(super) fn verb(&mut self, verb: Verb, took: Duration) {
        record(&mut self.verbs, verb as usize, took);
    }

    pub(super) fn script(&mut self, script: Script, took: Duration) {
        record(&mut self.scripts, script as usize, took);
    }

    /// Exchanges, from their message to their answer.
    pub fn exchanges(&self) -> impl Iterator<Item = (Carrier, &Latency)> {
        Carrier::ALL.into_iter().zip(&self.exchanges)
    }

    /// Operations, from their message to their outcome, whatever it is.
    pub fn verbs(&self) -> impl Iterator<Item = (Verb, &Latency)> {
        Verb::ALL.into_iter().zip(&self.verbs)
    }

    /// Script calls, from the hand-out of their pipeline to its replies.
    pub fn scripts(&self) -> impl Iterator<Item = (Script, &Latency)> {
        Script::ALL.into_iter().zip(&self.scripts)
    }
}

fn record(all: &mut [Latency], at: usize, took: Duration) {
    if let Some(latency) = all.get_mut(at) {
        latency.record(took);
    }
}

#[cfg(test)]
mod tests;

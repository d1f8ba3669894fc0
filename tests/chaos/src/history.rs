//! What happened: one record for each request and each act of an operator, on one monotonic clock.

use crate::policy::{TIGHT_LIMIT, WIDE_LIMIT};
use std::time::{Duration, Instant};

/// The clock of a trial: nanoseconds since it began.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    /// A clock that begins now.
    pub fn start() -> Self {
        Self(tidegate_e2e::wait::now())
    }

    /// Nanoseconds since it began.
    pub fn ns(self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The instant `ns` after its begin.
    pub fn at(self, ns: u64) -> Instant {
        self.0 + Duration::from_nanos(ns)
    }
}

/// What a request asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    /// A unit of a limit that nobody uses up, of this key.
    Wide(u32),
    /// A unit of a limit that is used up, of this key.
    Tight(u32),
    /// A page for whoever has the session of this number.
    Session(u32),
    /// The cached URL of this number.
    Cached(u32),
}

impl Asked {
    /// Units of the limit that is asked.
    pub fn limit(self) -> Option<u64> {
        match self {
            Self::Wide(_) => Some(WIDE_LIMIT),
            Self::Tight(_) => Some(TIGHT_LIMIT),
            Self::Session(_) | Self::Cached(_) => None,
        }
    }
}

/// One request.
#[derive(Debug, Clone)]
pub struct Record {
    /// What for.
    pub asked: Asked,
    /// When it was due: arrivals do not wait for answers.
    pub due_ns: u64,
    /// When its first byte was written.
    pub sent_ns: u64,
    /// When the last byte of its answer was read, or why there is none became known.
    pub end_ns: u64,
    /// The Envoy it was sent to.
    pub envoy: u16,
    /// Its end.
    pub end: End,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// An answer.
    Answer(Answer),
    /// None: the connection failed, and how.
    Broken(String),
    /// None within [`crate::load::PATIENCE`].
    Hung,
}

/// What of an answer is of interest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// `r` of `RateLimit`: units left.
    pub left: Option<u64>,
    /// The user the upstream was told.
    pub user: Option<String>,
    /// The number the upstream gave this body; it grows by one with each body it makes.
    pub serial: Option<u64>,
    /// It came from the cache.
    pub hit: bool,
    /// A cookie is set or ended.
    pub sets_cookie: bool,
}

impl Record {
    /// The status; 0 when there is no answer.
    pub fn status(&self) -> u16 {
        match &self.end {
            End::Answer(answer) => answer.status,
            End::Broken(_) | End::Hung => 0,
        }
    }

    /// The answer.
    pub fn answer(&self) -> Option<&Answer> {
        match &self.end {
            End::Answer(answer) => Some(answer),
            End::Broken(_) | End::Hung => None,
        }
    }

    /// Of an admission: its number in the sequence of its key, from what was said to be left. `None`: it said
    /// nothing, or nothing that an admission may say.
    pub fn number(&self) -> Option<u64> {
        let admitted = self.answer().filter(|answer| answer.status == 200)?;
        let number = self.asked.limit()?.checked_sub(admitted.left?)?;
        (number >= 1).then_some(number)
    }

    /// From the first byte to the end, ns.
    pub fn took_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.sent_ns)
    }
}

/// What an operator did to one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act {
    /// Before its first byte.
    pub begun_ns: u64,
    /// When it was acknowledged with 200; `None`: it was not.
    pub done_ns: Option<u64>,
}

/// A session's life.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its token.
    pub token: String,
    /// Whose.
    pub user: String,
    /// When its creation was acknowledged.
    pub created_ns: u64,
    /// Attempts to end it.
    pub revoked: Vec<Act>,
}

/// A purge of a cached URL.
#[derive(Debug, Clone, Copy)]
pub struct Purge {
    /// The URL's number.
    pub url: u32,
    /// When.
    pub act: Act,
    /// The last serial the upstream had given before it began.
    pub floor: u64,
}

/// All of a trial.
#[derive(Debug, Default)]
pub struct History {
    /// Requests, in no order.
    pub records: Vec<Record>,
    /// Sessions, by number.
    pub sessions: Vec<Session>,
    /// Purges, in order.
    pub purges: Vec<Purge>,
    /// When each fault began and ended, in order.
    pub faults: Vec<Span>,
    /// How late the generator was with those 1 % of the arrivals with which it was latest, ns.
    pub late_ns: u64,
    /// Requests that were sent.
    pub sent: u64,
}

/// A fault, from its begin to when it was mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its begin.
    pub begun_ns: u64,
    /// Its end.
    pub healed_ns: u64,
}

//! The filter's side of an exchange: streams to the bridges, correlation, deadlines, fail-over.
//!
//! [`Client`] is a sans-I/O state machine, one per VM. It contains no networking code and reads no
//! clock. It has four kinds of methods:
//!
//! * `submit*`: a request (or the VM itself) wants operations carried out;
//! * `handle_*`: something happened: a stream opened, spoke, closed, time passed;
//! * [`Client::poll_transmit`]: what the host shall do now; call it until `None` after each of the above;
//! * [`Answer`]s: returned by `handle_*`; each submitted call is answered exactly once (invariant X1).
//!
//! Time is a [`Duration`] on a monotonic clock with any origin.
//!
//! ## What is guaranteed
//!
//! * A reply is delivered only to the call with its id that is pending on the very stream, in the very
//!   generation, it came from (X1). Everything else is counted as late and dropped.
//! * At most one retry per call, only because its stream closed before the answer, never after its
//!   deadline (X8). A retry may charge twice, never too little.
//! * Each call ends within its deadline plus one tick, or two when the first was late: a thread that stood still reads
//!   what bridges have said meanwhile before it gives up on them (X3, L1).
//! * Pending calls and their bytes are bounded (X4).
//! * [`Client::remembers`] is true only while everything that was invalidated in the fleet more than a window
//!   ago was said by [`Client::take_invalid`] (C1, C2).
//! * Calls that find no stream wait for one within their time, of a fresh client (a swap of policy or module
//!   fails none, L8) and of one whose streams were reset (D13); when none can be opened, they end at once.

mod allowance;
mod backlog;
mod breaker;
mod calls;
mod client;
mod link;
mod rng;
mod slow_start;
mod sync;

use crate::wire::{TraceParent, Value};
use core::fmt;
use core::time::Duration;

pub use backlog::{AT_ONCE, Backlog, Later};
pub use breaker::Breaker;
pub use client::Client;
pub use rng::SplitMix64;

/// Streams a client keeps: two for decisions, on different bridges where there are several, and one
/// for bulk, so that a large body never stands in front of a decision.
pub const LINKS: usize = 3;
/// The bulk link; those before it carry decisions.
const BULK: usize = 2;

/// One call: unique within a client for its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// What a client needs to know.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// How long a call may take.
    pub timeout: Duration,
    /// Calls pending at once, at most.
    pub max_pending: usize,
    /// Bytes of pending operations, at most.
    pub max_pending_bytes: usize,
    /// Unary fall-back calls per second, at most. A unary call costs about twice a message on a
    /// stream, so without this bound "all streams lost" would keep itself alive (faults.md, M3).
    pub fallback_per_second: u32,
    /// First segment of every Redis key.
    pub namespace: String,
    /// Envoy's node id.
    pub node: String,
    /// Tells workers of a node apart.
    pub worker: u64,
    /// Digest of the live policy.
    pub digest: String,
    /// How long after a bridge was asked for the last time what is in memory may be used; `None`: nothing is
    /// kept in memory, and nobody is asked.
    pub l1_sync: Option<Duration>,
}

/// How a request asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terms {
    /// A bridge may hold the answer back for up to this long.
    pub hold: Duration,
    /// The trace it is part of, which the bridge is told.
    pub trace: Option<TraceParent>,
    /// An operation of it waits until another request has filled what it looks for, if that is so long.
    /// Ask [`Client::has_room_to_wait`] first.
    pub waits: bool,
}

/// What is in memory and no longer true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalid {
    /// Everything: something may have gone unheard.
    All,
    /// All of this URL, named as by [`crate::cache::l1::name`].
    Url([u8; 16]),
}

/// What the host shall do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transmit {
    /// Open a stream for this link, then say [`Client::handle_opened`] or
    /// [`Client::handle_closed`].
    Open {
        /// Which link.
        link: usize,
    },
    /// Send a unary call, then say [`Client::handle_posted`].
    Post {
        /// Whose answer it brings.
        call: CallId,
        /// The operations.
        body: Vec<u8>,
        /// Whose trace it is part of.
        trace: Option<TraceParent>,
        /// At least one millisecond: Envoy reads 0 as "no timeout".
        timeout_ms: u32,
    },
    /// Give the link's stream up.
    Reset {
        /// Which link.
        link: usize,
    },
    /// Send a message on the link's stream.
    Send {
        /// Which link.
        link: usize,
        /// One gRPC message: frames.
        message: Vec<u8>,
    },
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<'m> {
    /// Who submitted it.
    pub owner: Owner,
    /// Which call.
    pub call: CallId,
    /// One value per operation, in order.
    pub result: Result<Vec<Value<'m>>, CallError>,
}

/// Who submitted a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Work no request waits for, with a tag of the caller's.
    Background(u32),
    /// The client itself, which wanted to know whether bridges answer; nothing is to be done.
    Client,
    /// The request in this context, which waits.
    Context(u32),
}

/// Why a call has no values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallError {
    /// The breaker is open: bridges did not answer lately.
    Broken,
    /// Too much is pending already.
    Busy,
    /// Its stream closed, and no other could take it.
    Closed,
    /// What came back is no answer.
    Malformed,
    /// No answer before the deadline.
    Timeout,
    /// No stream is open and the fall-back is used up.
    Unreachable,
}

impl CallError {
    /// One word for logs, metrics and problem details.
    pub fn name(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Busy => "busy",
            Self::Closed => "closed",
            Self::Malformed => "malformed",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Broken => "the circuit breaker is open",
            Self::Busy => "too many exchanges are pending",
            Self::Closed => "the stream to the bridge closed",
            Self::Malformed => "the bridge answered something else",
            Self::Timeout => "no answer in time",
            Self::Unreachable => "no bridge can be reached",
        })
    }
}

impl core::error::Error for CallError {}

/// What happened, since the client was made. Only grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Exchanges a request waits for, put on the wire (a retry is not another one).
    pub sent: u64,
    /// Answered with values.
    pub ok: u64,
    /// Deadlines passed.
    pub timeout: u64,
    /// Ended without values for another reason.
    pub error: u64,
    /// Sent again because their stream closed.
    pub retried: u64,
    /// Sent as a unary call.
    pub fallback: u64,
    /// Stores and other work no request waits for.
    pub background: u64,
    /// Replies nobody was waiting for any more.
    pub late: u64,
    /// Messages that were no frames.
    pub malformed: u64,
    /// Times the breaker opened.
    pub opened: u64,
    /// Streams that were lost.
    pub lost: u64,
}

#[cfg(test)]
mod tests;

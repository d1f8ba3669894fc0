//! What goes in and out of a core.

use super::admin::AdminReply;
use super::value::Value;
use crate::script::Script;
use std::fmt;

/// A decision stream, numbered by the shell; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// A request on a listener (`POST /v1/exchange` or the admin API), numbered by the shell; never used
/// twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A batch, numbered by the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(pub u64);

/// Which Redis a command is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Sessions, epochs, limits.
    State,
    /// Cached objects and their tags.
    Cache,
    /// The Redis of [`Role::State`], on a connection of its own: answered when a replica has it too, or
    /// with [`crate::core::Core::handle_unreplicated`] before the replies.
    Durable,
}

/// One call of a script. All keys share a hash tag; the first one decides the shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The script.
    pub script: Script,
    /// `KEYS`.
    pub keys: Vec<Vec<u8>>,
    /// `ARGV`.
    pub args: Vec<Vec<u8>>,
}

/// Commands for one pipeline, independent of each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// To be given back with the replies.
    pub id: BatchId,
    /// Which Redis.
    pub role: Role,
    /// At least one.
    pub commands: Vec<Command>,
}

/// Why a whole batch has no replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendError {
    /// No connection, or it broke; whether a command ran is not known.
    Down,
    /// No answer in time; whether a command ran is not known.
    Timeout,
}

/// What a core holds now. Of `waiting` and `in_flight`: state, cache, durable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Exchanges and admin operations not finished.
    pub exchanges: usize,
    /// Its bound.
    pub exchanges_max: usize,
    /// Bytes of their messages.
    pub bytes: usize,
    /// Its bound.
    pub bytes_max: usize,
    /// Commands that wait for a batch.
    pub waiting: [usize; 3],
    /// Batches that wait for Redis.
    pub in_flight: [usize; 3],
}

/// Why a stream is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// What it sent breaks the protocol.
    Protocol,
    /// This bridge cannot serve it; another one may.
    Unavailable,
}

/// What the shell must send.
#[derive(Debug, Clone, PartialEq)]
pub enum Transmit {
    /// The answer to an admin operation.
    Admin {
        /// Whose.
        request: RequestId,
        /// The answer.
        result: AdminReply,
    },
    /// End this stream, after what was transmitted before.
    Close {
        /// Which stream.
        conn: ConnId,
        /// Whose doing it is.
        ending: Ending,
        /// One line for the log and the gRPC status message; holds no bytes of the peer.
        reason: String,
    },
    /// The body of a `POST /v1/exchange` was no sequence of operations.
    Rejected {
        /// Whose.
        request: RequestId,
        /// One line for the 400's body.
        reason: String,
    },
    /// The answer to a `POST /v1/exchange`.
    Response {
        /// Whose.
        request: RequestId,
        /// One value per operation, in order.
        body: Vec<u8>,
    },
    /// A gRPC message for a stream: one or more frames.
    Stream {
        /// Which stream.
        conn: ConnId,
        /// The message, without gRPC's own prefix.
        message: Vec<u8>,
    },
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Down => "redis is not reachable",
            Self::Timeout => "redis did not answer in time",
        })
    }
}

impl std::error::Error for BackendError {}

impl Role {
    /// Its name in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Cache => "cache",
            Self::Durable => "durable",
        }
    }
}

/// What a shell hands in when a batch ended.
pub type Replies = Result<Vec<Value>, BackendError>;

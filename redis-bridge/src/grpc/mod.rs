//! gRPC by hand: the five-byte message prefix and the status in the trailers.
//!
//! Payloads are frames of [`tidegate::wire`], not protobuf, so nothing of a gRPC library would be used.
//! Source: gRPC over HTTP/2 (`PROTOCOL-HTTP2.md` of the gRPC project).

pub mod body;
pub mod message;
pub mod stream;

pub use body::{Outbox, StreamBody};
pub use message::{Decoder, MessageError};

use std::fmt;

/// The only path served.
pub const PATH: &str = "/tidegate.v1.Bridge/Exchange";

/// Status codes in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The client broke the protocol.
    InvalidArgument = 3,
    /// Something is used up: the stream is read too slowly.
    ResourceExhausted = 8,
    /// Compressed messages.
    Unimplemented = 12,
    /// The bridge failed at it.
    Internal = 13,
    /// The bridge is leaving.
    Unavailable = 14,
}

/// How a stream ended: `None` is code 0, OK.
pub type Status = Option<(Code, String)>;

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
        })
    }
}

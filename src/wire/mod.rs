//! What travels between filter and bridge: RESP2 values, frames on a stream, operations and replies.
//!
//! Encoded and decoded here and nowhere else, by both sides (invariant X6). A message is bounded in
//! bytes by its carrier and in items and depth by [`resp::Bounds`]; decoding any bytes returns in
//! linear time and never panics.
//!
//! ```text
//! message  = frame*                                (one gRPC message of /tidegate.v1.Bridge/Exchange)
//! frame    = *2 HELLO ... | *4 X id deadline [op*] | *3 R id [value*] | *2 PING seq | ...
//! body     = op*            (POST /v1/exchange)     answer = value*   (same order)
//! op       = *n VERB arg*   (all bulk strings)
//! ```

pub mod frame;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod op;
pub mod reply;
pub mod resp;

pub use frame::{FromBridge, ToBridge};
pub use op::{Op, OpError};
pub use resp::{DecodeError, Value};

/// Version of frames and verbs; a HELLO with another one is refused.
pub const PROTOCOL: i64 = 3;

/// Largest message on a stream, bytes. A cache's `max_body` stays well below it.
pub const MAX_MESSAGE: usize = 4 << 20;

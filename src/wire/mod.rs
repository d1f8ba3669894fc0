//! What travels between filter and bridge: RESP2 values, frames on a stream, operations and replies.
//!
//! Encoded and decoded here and nowhere else, by both sides (invariant X6). A message is bounded in
//! bytes by its carrier and in items and depth by [`resp::Bounds`]; decoding any bytes returns in
//! linear time and never panics.
//!
//! ```text
//! message  = frame*                                (one gRPC message of /tidegate.v1.Bridge/Exchange)
//! frame    = *2 HELLO ... | *4 X id deadline [op*] | *5 X id deadline trace [op*] | *3 R id [value*] | *2 PING seq | ...
//! body     = op*            (POST /v1/exchange)     answer = value*   (same order)
//! op       = *n VERB arg*   (all bulk strings)
//! ```

pub mod frame;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod op;
pub mod reply;
pub mod resp;
pub mod trace;

pub use frame::{FromBridge, ToBridge};
pub use op::{Op, OpError};
pub use resp::{DecodeError, Value};
pub use trace::TraceParent;

/// Version of frames and verbs that a filter speaks; a HELLO with one that the bridge does not know is
/// refused.
pub const PROTOCOL: i64 = 5;
/// The oldest version a bridge still serves. Of it and of all since, a filter of this version speaks a
/// superset, and a bridge says nothing that they do not know: so bridges are replaced before filters, and
/// both versions of filters are served meanwhile. 4 added the trace of an exchange, 5 the time of a store.
pub const OLDEST_PROTOCOL: i64 = 3;

/// Largest message on a stream, bytes. A cache's `max_body` stays well below it.
pub const MAX_MESSAGE: usize = 4 << 20;

//! What the real filter is measured against: one that does nothing, one that only makes the host calls
//! that a limit needs, one that answers everything with a constant, and one that makes a bare exchange
//! for each request.
//!
//! Which of them is chosen by the plugin's configuration: no text is the first, [`CALLS`] is the
//! second, any other text is the constant body, and [`EXCHANGE`] followed by its three words is the last.

/// The configuration of the filter that reads what a limit by the client's address has to read, writes what
/// it has to write, and decides nothing: the floor under such a limit, even where it needs no exchange.
pub const CALLS: &str = "calls";

/// Begins the configuration of the filter that makes a bare exchange: ` CLUSTER HELLO OPERATION`, the last
/// two as hexadecimal digits of the frame and of the operation that is sent for each request.
pub const EXCHANGE: &str = "exchange";

#[cfg(any(target_arch = "wasm32", test))]
mod bare;

#[cfg(target_arch = "wasm32")]
mod filter;

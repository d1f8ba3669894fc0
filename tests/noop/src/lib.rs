//! What the real filter is measured against: one that does nothing, one that answers everything with a
//! constant, and one that makes a bare exchange for each request.
//!
//! Which of them is chosen by the plugin's configuration: no text is the first, a text is the constant
//! body, and [`EXCHANGE`] followed by its three words is the last.

/// Begins the configuration of the filter that makes a bare exchange: ` CLUSTER HELLO OPERATION`, the last
/// two as hexadecimal digits of the frame and of the operation that is sent for each request.
pub const EXCHANGE: &str = "exchange";

#[cfg(any(target_arch = "wasm32", test))]
mod bare;

#[cfg(target_arch = "wasm32")]
mod filter;

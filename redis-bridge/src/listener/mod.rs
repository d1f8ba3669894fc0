//! Listeners: sockets, connections, and what is refused before a request is looked at.

pub mod access;
pub mod address;
pub mod body;
pub mod budget;
pub mod data;
pub mod first_byte;
pub mod guard;
pub mod problem;
pub mod serve;
pub mod tls;

pub use access::{Access, AccessError};
pub use address::{Address, AddressError};
pub use body::ReplyBody;
pub use serve::{Listener, serve};

/// The response type of both listeners.
pub type Response = http::Response<ReplyBody>;

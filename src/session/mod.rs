//! Sessions, the filter's half: which token a request carries, whether we minted it, and what the
//! upstream is told. Whether the session lives is Redis' knowledge ([`crate::wire::op::SessionGet`]).

pub mod contract;
pub mod credential;
pub mod csrf;
pub mod identity;
pub mod keys;
pub mod path;
pub mod token;

pub use credential::Found;
pub use identity::{BadIdentity, Identity, Told, is_reserved};
pub use keys::{Keys, KeysError};
pub use token::{RealmTag, Rejected, Token};

//! A shared HTTP cache (RFC 9111): what may be stored, and what may be answered from store.
//!
//! Pure functions over header fields and numbers. Time is an argument: ages are milliseconds, Redis'
//! clock is microseconds since the epoch, and no decision depends on which worker takes it.
//!
//! ```text
//! request  -> request::lookup -> Use:    Url, vary::field  -> CACHE.GET -> record::Record::decode
//!                                                             -> reuse::check -> reuse::answer
//!                             -> Unsafe: forwarded; invalidate::targets(answer) -> CACHE.INVALIDATE
//! response -> store::storable -> Storing -> body complete -> Storing::encode -> CACHE.PUT
//! ```
//!
//! | module | question | source |
//! |---|---|---|
//! | [`request`] | may this request use the cache, does it change what is stored? | RFC 9111, 4 |
//! | [`key`] | which URL is it? | RFC 9111, 2; RFC 3986, 5.2 |
//! | [`vary`] | which of a URL's answers? | RFC 9111, 4.1 |
//! | [`control`] | what do the Cache-Control fields say? | RFC 9111, 5.2 |
//! | [`freshness`] | how long is it fresh, how old is it? | RFC 9111, 4.2 |
//! | [`store`] | may this answer be stored? | RFC 9111, 3 |
//! | [`record`] | the bytes that are stored | |
//! | [`reuse`] | may this record answer this request, and how? | RFC 9111, 4; RFC 9110, 13 |
//! | [`invalidate`] | what does this answer to an unsafe request make invalid? | RFC 9111, 4.4 |
//! | [`status`] | what is said about it | RFC 9211 |
//!
//! Not yet: validation towards the origin (so `no-cache` answers are not stored), answering stale,
//! ranges, CDN-Cache-Control, heuristic freshness, request directives other than `no-store`.

mod crc;
mod fields;
mod list;
mod reason;
mod tags;

pub mod control;
pub mod freshness;
pub mod invalidate;
pub mod key;
pub mod record;
pub mod request;
pub mod reuse;
pub mod status;
pub mod store;
pub mod vary;

#[cfg(any(test, fuzzing))]
pub mod fuzz;

#[cfg(test)]
mod tests;

pub use key::Url;
pub use record::Record;
pub use request::{Lookup, RequestMeta};
pub use store::{NotStored, Storing, storable};
pub use vary::Vary;

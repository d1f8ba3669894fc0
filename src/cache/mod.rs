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
//! | [`control`] [`targeted`] | what do the Cache-Control fields say, and which counts? | RFC 9111, 5.2; RFC 9213 |
//! | [`freshness`] [`clock`] | how long is it fresh, how old is it? | RFC 9111, 4.2 |
//! | [`store`] | may this answer be stored? | RFC 9111, 3 |
//! | [`record`] | the bytes that are stored | |
//! | [`reuse`] | may this record answer this request, and how? | RFC 9111, 4; RFC 9110, 13 |
//! | [`stale`] | how long may it be used after its freshness? | RFC 9111, 4.2.4; RFC 5861 |
//! | [`validate`] | is it still good? | RFC 9111, 4.3 |
//! | [`invalidate`] [`groups`] | what does this answer to an unsafe request make invalid? | RFC 9111, 4.4; RFC 9875 |
//! | [`l1`] | what does this worker remember itself? | |
//! | [`query`] | what of the query counts? | |
//! | [`status`] | what is said about it | RFC 9211 |
//!
//! Not yet: storing parts (206), and putting parts together.

mod cc_text;
mod content_type;
mod crc;
mod fields;
mod list;
mod range;
mod reason;
mod sf;
mod tags;

pub mod clock;
pub mod control;
pub mod freshness;
pub mod groups;
pub mod invalidate;
pub mod key;
pub mod l1;
pub mod query;
pub mod record;
pub mod request;
pub mod reuse;
pub mod sent;
pub mod stale;
pub mod status;
pub mod store;
pub mod targeted;
pub mod validate;
pub mod vary;

#[cfg(any(test, fuzzing))]
pub mod fuzz;

#[cfg(test)]
mod tests;

pub use cc_text::tidy;
pub use key::Url;
pub use record::Record;
pub use request::{Lookup, RequestMeta};
pub use store::{NotStored, Storing, storable};
pub use vary::Vary;

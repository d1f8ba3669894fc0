//! Limits on a request's way: which apply, what they said, what the client is told, what is settled
//! when its answer is known.
//!
//! A limit is *enforced* or *evaluated*: shadow limits, and keys outside `enforce`, are asked and
//! counted and never refuse anything.
//!
//! ## Order of verdicts
//!
//! Session, limits, cache. A limit's denial that this worker remembers ([`crate::limit::DeniedKeys`])
//! is told before the session is looked up, unless the limit's key has a part of the session: who holds
//! a session that was revoked meanwhile must not learn how much of its user's quota is used up. Nothing
//! else of the request is charged or looked up then. (Invariant C9 speaks of the cache: it is never
//! looked up before either verdict.)

mod answer;
mod ask;
mod claim;
mod deny;
mod settle;
mod unavailable;

pub(super) use answer::{decide, learn};
pub(super) use ask::{aside, asked, hold, ops, spend, withdraw};
pub(super) use claim::claim;
pub(super) use settle::{Held, answered, ended};

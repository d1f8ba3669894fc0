//! What the end-to-end tests share: a stack for a test, many clients at once, load in the background.
//!
//! ```no_run
//! use tidegate_e2e::{Lab, crowd};
//!
//! let lab = Lab::new("version: 1\nnamespace: tg\n...");
//! let answers = crowd(500, |_| lab.client(0).get("/api/cart").map(|answer| answer.status));
//! assert_eq!(lab.stat("tidegate.exchange.sent").unwrap(), 500);
//! ```
//!
//! A stack takes about a second, so a test that kills, pauses or swaps something has one of its own
//! ([`Lab::new`], [`Lab::with`]); those that only send requests share the one with the sample policy
//! ([`Lab::sample`]).

mod health;
mod lab;
mod load;

pub use lab::{Lab, SAMPLE};
pub use load::{Load, Tally, crowd};
pub use tidegate_stack::http::{Client, Request, Response};
pub use tidegate_stack::redis::{Monitor, Reply};
pub use tidegate_stack::{Clock, Error, RedisKind, Stack, StackSpec, wait};

//! Waiting for something, with an end to it.

use crate::{Error, Result};
use std::time::{Duration, Instant};

/// The monotonic clock; the one place of this crate that reads it.
#[expect(
    clippy::disallowed_methods,
    reason = "processes are waited for in real time"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// Calls `probe` every 20 ms until it says `Ok`.
///
/// # Errors
/// [`Error::Late`] with the last refusal of `probe` once `limit` has passed.
pub fn until<T>(
    what: impl Into<String>,
    limit: Duration,
    mut probe: impl FnMut() -> std::result::Result<T, String>,
) -> Result<T> {
    let end = now() + limit;
    loop {
        match probe() {
            Ok(value) => return Ok(value),
            Err(last) if now() >= end => {
                return Err(Error::Late {
                    what: what.into(),
                    last,
                });
            }
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

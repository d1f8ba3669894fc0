//! What a panic ends: a connection, where it was one's, and else the process (faults.md, A7).
//!
//! After a panic elsewhere nobody knows what the core still knows, and a bridge that lives without its core is worse than
//! a dead one: it accepts connections, passes for ready, and answers nothing. Dead it is replaced at once by the other
//! bridge (A1) and started again by whoever supervises it.

use crate::metrics::process::ProcessCounter;
use futures_util::FutureExt as _;
use hyper::rt::Executor;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::atomic::{AtomicU64, Ordering};

/// Exit status of a process that a panic has ended, as Rust's own.
const STATUS: i32 = 101;

/// Panics that ended a connection or less since the process began.
static CONTAINED: AtomicU64 = AtomicU64::new(0);

tokio::task_local! {
    /// Set where a panic is contained.
    static ALONE: ();
}

/// From now on a panic is logged, and ends the process where it is not contained.
pub fn install() {
    panic::set_hook(Box::new(|panic| {
        let contained = ALONE.try_with(|()| ()).is_ok();
        let place = panic.location().map(ToString::to_string);
        let place = place.as_deref().unwrap_or("?");
        let said = said(panic);
        if contained {
            CONTAINED.fetch_add(1, Ordering::Relaxed);
            tracing::error!(place, said, "a connection panicked, and was ended");
        } else {
            tracing::error!(place, said, "panicked: the bridge ends");
            std::process::exit(STATUS);
        }
    }));
}

/// What it says, where that is fixed text: a text that was made may hold what a log must not.
fn said(panic: &PanicHookInfo<'_>) -> &'static str {
    panic
        .payload()
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("(not logged)")
}

/// Runs a part of one connection. `None`: it panicked; what it held is dropped.
pub async fn alone<F: Future>(part: F) -> Option<F::Output> {
    ALONE
        .scope((), AssertUnwindSafe(part).catch_unwind())
        .await
        .ok()
}

/// The same for a thread that nothing depends on.
pub fn alone_on_this_thread<T>(part: impl FnOnce() -> T) -> Option<T> {
    ALONE.sync_scope((), || panic::catch_unwind(AssertUnwindSafe(part)).ok())
}

/// Runs what an HTTP library splits off a connection: requests of HTTP/2.
#[derive(Debug, Clone, Copy, Default)]
pub struct Parts;

impl<F> Executor<F> for Parts
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, part: F) {
        tokio::spawn(alone(part));
    }
}

/// The count, for a scrape.
pub(crate) fn panics() -> ProcessCounter {
    ProcessCounter {
        name: "panics",
        help: "Panics that ended a connection",
        count: &CONTAINED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a7_a_part_that_panics_is_over_and_nothing_else() {
        let part = async { panic!("here") };
        assert_eq!(alone(part).await, None::<()>);
        assert_eq!(alone(async { 1 }).await, Some(1));
        assert_eq!(alone_on_this_thread(|| panic!("there")), None::<()>);
        assert!(ALONE.try_with(|()| ()).is_err());
    }
}

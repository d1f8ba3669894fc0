//! The monotonic clock.

use core::time::Duration;
use std::sync::OnceLock;
use std::time::Instant;

static ORIGIN: OnceLock<Instant> = OnceLock::new();

/// Time since the VM first asked. Envoy's wall clock is never read (invariant R13).
pub(super) fn now() -> Duration {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the filter reads a clock"
    )]
    let now = Instant::now();
    now.saturating_duration_since(*ORIGIN.get_or_init(|| now))
}

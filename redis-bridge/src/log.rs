//! Where the log goes: standard error, whose disk may be full. What cannot be written is lost and counted; nothing
//! that is served waits or fails for it.

use crate::metrics::process::ProcessCounter;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

/// Events that could not be written since the process began.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Standard error, which takes everything: the subscriber would tell of a failure on standard error too, and panic
/// when it cannot.
#[derive(Debug, Default)]
pub struct Log;

impl Write for Log {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        if io::stderr().write_all(event).is_err() {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The count, for a scrape.
pub(crate) fn lost() -> ProcessCounter {
    ProcessCounter {
        name: "log_lost",
        help: "Events of the log that could not be written",
        count: &LOST,
    }
}

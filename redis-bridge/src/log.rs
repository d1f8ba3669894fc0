//! Where the log goes: standard error, whose disk may be full. What cannot be written is lost and counted; nothing
//! that is served waits or fails for it.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use std::fmt;
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
#[derive(Debug)]
pub(crate) struct Lost;

impl Collector for Lost {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Events of the log that could not be written";
        let lost = LOST.load(Ordering::Relaxed);
        encoder
            .encode_descriptor("log_lost", help, None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, u64>(&lost, None)
    }
}

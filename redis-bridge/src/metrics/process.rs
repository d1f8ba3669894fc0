//! Counts that the whole process shares, kept where there is no [`super::Metrics`] at hand.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// One of them, for a scrape.
#[derive(Debug)]
pub(crate) struct ProcessCounter {
    /// Its name, without prefix and `_total`.
    pub(crate) name: &'static str,
    /// What it counts.
    pub(crate) help: &'static str,
    /// Since the process began.
    pub(crate) count: &'static AtomicU64,
}

impl Collector for ProcessCounter {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let count = self.count.load(Ordering::Relaxed);
        encoder
            .encode_descriptor(self.name, self.help, None, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, u64>(&count, None)
    }
}

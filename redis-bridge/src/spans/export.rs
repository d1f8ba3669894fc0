//! The thread that makes spans and sends them, batch by batch.

use super::make::{self, Places};
use super::settings::Settings;
use crate::core::Traced;
use crate::metrics::Metrics;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Item {
    /// Send what there is, and end.
    End,
    /// An exchange, and what the wall clock said when the core's time began.
    Traced(Box<Traced>, SystemTime),
}

/// What the thread has.
#[derive(Debug)]
pub(super) struct Exporting<E> {
    pub(super) exporter: E,
    pub(super) settings: Settings,
    pub(super) items: mpsc::UnboundedReceiver<Item>,
    pub(super) queued: Arc<AtomicUsize>,
    pub(super) metrics: Metrics,
    pub(super) places: Places,
}

impl<E: SpanExporter> Exporting<E> {
    /// Until it is told to end, or nobody can tell it anything any more.
    pub(super) async fn run(mut self) {
        let mut waiting = Vec::new();
        let (mut open, mut well) = (true, true);
        while open || !waiting.is_empty() {
            if open {
                open = self.collect(&mut waiting).await;
            }
            let count = waiting.len().min(self.settings.batch);
            if count == 0 {
                continue;
            }
            let batch: Vec<SpanData> = waiting.drain(..count).collect();
            self.queued.fetch_sub(count, Ordering::AcqRel);
            let result = timeout(self.settings.timeout, self.exporter.export(batch)).await;
            let error = match result {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some("no answer in time".to_owned()),
            };
            let word = if error.is_none() {
                "exported"
            } else {
                "failed"
            };
            self.metrics.spans(word, count);
            // Once for each time it breaks or mends, however many are lost.
            match (well, error) {
                (true, Some(error)) => {
                    tracing::warn!(%error, "spans are not taken by the collector");
                    well = false;
                }
                (false, None) => {
                    tracing::info!("spans are taken by the collector again");
                    well = true;
                }
                _ => {}
            }
        }
    }

    /// Waits for a batch, or for as long as its first span may wait; whether more may come.
    async fn collect(&mut self, waiting: &mut Vec<SpanData>) -> bool {
        let mut until = None;
        if !waiting.is_empty() {
            until = Some(Instant::now() + self.settings.delay);
        }
        while waiting.len() < self.settings.batch {
            let next = match until {
                None => self.items.recv().await,
                Some(until) => match timeout_at(until, self.items.recv()).await {
                    Ok(next) => next,
                    Err(_) => return true,
                },
            };
            match next {
                Some(Item::Traced(traced, origin)) => {
                    until.get_or_insert_with(|| Instant::now() + self.settings.delay);
                    make::spans(&traced, origin, &self.places, waiting);
                }
                Some(Item::End) | None => {
                    self.rest(waiting);
                    return false;
                }
            }
        }
        true
    }

    /// Takes what is there.
    fn rest(&mut self, waiting: &mut Vec<SpanData>) {
        while let Ok(item) = self.items.try_recv() {
            if let Item::Traced(traced, origin) = item {
                make::spans(&traced, origin, &self.places, waiting);
            }
        }
    }
}

#[cfg(test)]
mod tests;

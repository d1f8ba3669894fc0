//! Spans: what the core tells of traced exchanges, for an OpenTelemetry collector.
//!
//! Off unless an endpoint is named ([`settings`]). Then the owner of the core hands on plain data and nothing
//! more; spans are made, encoded and sent on a thread of their own (`export`), so that no exchange waits for a
//! collector. What waits is bounded: more is dropped and counted.

mod export;
mod make;
pub mod settings;

pub use make::{Place, Places};
pub use settings::{Settings, SettingsError};

use crate::contain;
use crate::core::Traced;
use crate::metrics::Metrics;
use export::{Exporting, Item};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};
use tokio::sync::{mpsc, oneshot};

/// Where the owner puts what was traced; clones share it.
#[derive(Debug, Clone)]
pub struct Spans {
    items: mpsc::UnboundedSender<Item>,
    /// Spans that are not yet handed to a collector: what bounds `items`.
    queued: Arc<AtomicUsize>,
    most: usize,
    metrics: Metrics,
}

/// The thread that exports; ended by [`Exporter::finish`].
#[derive(Debug)]
pub struct Exporter {
    items: mpsc::UnboundedSender<Item>,
    done: oneshot::Receiver<()>,
}

/// Starts to export. `instance` names this process among all of its service.
///
/// # Errors
///
/// The settings name no collector that spans can be sent to, or there is no thread to be had.
pub fn start(
    settings: &Settings,
    instance: &str,
    places: Places,
    metrics: &Metrics,
) -> Result<(Spans, Exporter), SettingsError> {
    let (items, taken) = mpsc::unbounded_channel();
    let (over, done) = oneshot::channel();
    let queued = Arc::new(AtomicUsize::new(0));
    let exporting = Exporting {
        exporter: settings.exporter(instance)?,
        settings: settings.clone(),
        items: taken,
        queued: Arc::clone(&queued),
        metrics: metrics.clone(),
        places,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(SettingsError::Thread)?;
    let run = move || {
        // Without it spans are dropped, and counted.
        contain::alone_on_this_thread(|| runtime.block_on(exporting.run()));
        // Nobody waits for the end when the process does not end.
        let _ = over.send(());
    };
    let thread = std::thread::Builder::new().name("spans".to_owned());
    drop(thread.spawn(run).map_err(SettingsError::Thread)?);
    let spans = Spans {
        items: items.clone(),
        queued,
        most: settings.queue,
        metrics: metrics.clone(),
    };
    Ok((spans, Exporter { items, done }))
}

impl Spans {
    /// Takes over what was traced, unless too much waits already. `ago` is how long ago the core's time
    /// began.
    pub fn record(&self, traced: Traced, ago: Duration) {
        let spans = traced.calls.len() + 1;
        // The only one that adds: what is there can but shrink meanwhile.
        if self.queued.load(Ordering::Acquire) + spans > self.most {
            return self.metrics.spans("dropped", spans);
        }
        self.queued.fetch_add(spans, Ordering::AcqRel);
        let origin = wall_clock().checked_sub(ago);
        let origin = origin.unwrap_or(SystemTime::UNIX_EPOCH);
        let item = Item::Traced(Box::new(traced), origin);
        if self.items.send(item).is_err() {
            self.metrics.spans("dropped", spans);
        }
    }
}

impl Exporter {
    /// Sends what waits, for at most this long, and ends.
    pub async fn finish(self, within: Duration) {
        // A thread that is gone has nothing more to send.
        let _ = self.items.send(Item::End);
        if tokio::time::timeout(within, self.done).await.is_err() {
            tracing::warn!("left before all spans were sent");
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "collectors date spans by the wall clock; nothing is decided by it"
)]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}

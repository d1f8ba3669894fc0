use super::*;
use crate::spans::Spans;
use crate::spans::make::tests::traced;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use std::sync::Mutex;
use std::time::Duration;

/// A collector in memory.
#[derive(Debug, Clone, Default)]
struct Fake {
    batches: Arc<Mutex<Vec<usize>>>,
    refuses: bool,
    hangs: bool,
}

impl SpanExporter for Fake {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.batches.lock().unwrap().push(batch.len());
        if self.hangs {
            std::future::pending::<()>().await;
        }
        match self.refuses {
            true => Err(OTelSdkError::InternalFailure("refused".to_owned())),
            false => Ok(()),
        }
    }
}

fn settings() -> Settings {
    Settings {
        queue: 20,
        batch: 8,
        delay: Duration::from_secs(5),
        timeout: Duration::from_secs(30),
        attempt: Duration::from_secs(10),
        tls: false,
    }
}

fn start(exporter: &Fake) -> (Spans, mpsc::UnboundedSender<Item>, Metrics) {
    let (items, taken) = mpsc::unbounded_channel();
    let (queued, metrics) = (Arc::new(AtomicUsize::new(0)), Metrics::new());
    let exporting = Exporting {
        exporter: exporter.clone(),
        settings: settings(),
        items: taken,
        queued: Arc::clone(&queued),
        metrics: metrics.clone(),
        places: Places::default(),
    };
    tokio::spawn(exporting.run());
    let spans = Spans {
        items: items.clone(),
        queued,
        most: settings().queue,
        metrics: metrics.clone(),
    };
    (spans, items, metrics)
}

fn counted(metrics: &Metrics, result: &str) -> u64 {
    let line = format!("tidegate_bridge_spans_total{{result=\"{result}\"}} ");
    let text = metrics.text();
    let found = text.lines().find_map(|text| text.strip_prefix(&line));
    found.unwrap().parse().unwrap()
}

async fn rest() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn spans_wait_for_each_other_and_not_for_ever() {
    let fake = Fake::default();
    let (spans, _items, metrics) = start(&fake);
    spans.record(traced(), Duration::ZERO);
    tokio::time::sleep(Duration::from_millis(4_900)).await;
    assert!(fake.batches.lock().unwrap().is_empty());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(*fake.batches.lock().unwrap(), [2]);
    assert_eq!(counted(&metrics, "exported"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_goes_at_once() {
    let fake = Fake::default();
    let (spans, _items, _metrics) = start(&fake);
    for _ in 0..9 {
        spans.record(traced(), Duration::ZERO);
    }
    rest().await;
    assert_eq!(*fake.batches.lock().unwrap(), [8, 8]);
}

#[tokio::test(start_paused = true)]
async fn what_a_hanging_collector_leaves_no_room_for_is_dropped_and_counted() {
    let fake = Fake {
        hangs: true,
        ..Fake::default()
    };
    let (spans, _items, metrics) = start(&fake);
    for _ in 0..4 {
        spans.record(traced(), Duration::ZERO);
    }
    rest().await;
    // 8 spans are on their way, 20 may wait.
    for _ in 0..15 {
        spans.record(traced(), Duration::ZERO);
    }
    assert_eq!(counted(&metrics, "dropped"), 10);
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(counted(&metrics, "failed"), 8, "given up after its time");
    assert_eq!(*fake.batches.lock().unwrap(), [8, 8]);
    spans.record(traced(), Duration::ZERO);
    assert_eq!(counted(&metrics, "dropped"), 10, "there is room again");
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_counted_and_not_sent_again() {
    let fake = Fake {
        refuses: true,
        ..Fake::default()
    };
    let (spans, _items, metrics) = start(&fake);
    for _ in 0..4 {
        spans.record(traced(), Duration::ZERO);
    }
    rest().await;
    assert_eq!(counted(&metrics, "failed"), 8);
    assert_eq!(*fake.batches.lock().unwrap(), [8]);
}

#[tokio::test(start_paused = true)]
async fn at_the_end_all_that_waits_is_sent_in_batches() {
    let fake = Fake::default();
    let (spans, items, metrics) = start(&fake);
    for _ in 0..9 {
        spans.record(traced(), Duration::ZERO);
    }
    items.send(Item::End).unwrap();
    rest().await;
    assert_eq!(*fake.batches.lock().unwrap(), [8, 8, 2]);
    assert_eq!(counted(&metrics, "exported"), 18);
    spans.record(traced(), Duration::ZERO);
    assert_eq!(counted(&metrics, "dropped"), 2, "nobody is there");
}

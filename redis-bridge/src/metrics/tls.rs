//! TLS of the data listener.

use super::{Labelled, add};
use crate::listener::tls::{Identity, REASONS};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Its metrics; clones share them.
#[derive(Debug, Clone)]
pub struct TlsMetrics {
    failures: Labelled<Counter>,
    expiry: Labelled<Gauge>,
    /// 1 while the files hold what cannot be used.
    pub stale: Gauge,
}

impl TlsMetrics {
    pub(super) fn register(r: &mut Registry) -> Self {
        let metrics = Self {
            failures: add(
                r,
                "handshake_failures",
                "TLS handshakes of the data listener that failed, by reason",
            ),
            expiry: add(
                r,
                "certificate_expiration_timestamp_seconds",
                "When a certificate of the data listener ends: its own, or the last of its clients' CAs",
            ),
            stale: add(
                r,
                "certificate_files_stale",
                "1 while the files of the data listener's certificates cannot be used",
            ),
        };
        // There from the start, so that the first failure is a rise.
        for reason in REASONS {
            drop(metrics.failures.get_or_create(&label("reason", reason)));
        }
        metrics
    }

    /// A handshake failed.
    pub fn failed(&self, reason: &'static str) {
        let label = label("reason", reason);
        self.failures.get_or_create(&label).inc();
    }

    /// New handshakes use this.
    pub fn set_expiry(&self, identity: &Identity) {
        let set = |certificate, seconds: u64| {
            let label = label("certificate", certificate);
            let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
            self.expiry.get_or_create(&label).set(seconds);
        };
        set("own", identity.not_after_s());
        if let Some(seconds) = identity.ca_not_after_s() {
            set("ca", seconds);
        }
    }
}

fn label(name: &'static str, value: &'static str) -> Vec<(&'static str, String)> {
    vec![(name, value.to_owned())]
}

//! What the environment says about spans: the variables that every OpenTelemetry SDK reads.
//!
//! Source: OpenTelemetry specification, "Environment Variable Specification" and "OTLP Exporter". Where to, with
//! which fields and for how long is read by `opentelemetry-otlp` itself, who we are by `opentelemetry_sdk`.

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use opentelemetry::KeyValue;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{
    EnvResourceDetector, SdkProvidedResourceDetector, TelemetryResourceDetector,
};
use opentelemetry_sdk::trace::SpanExporter as _;
use std::fmt;
use std::time::Duration;

/// Ours, when the environment names none.
const SERVICE: &str = "redis-bridge";
/// How spans are queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Spans that may wait, `OTEL_BSP_MAX_QUEUE_SIZE`.
    pub queue: usize,
    /// Spans in one request, `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`.
    pub batch: usize,
    /// How long the first of a request waits for more, `OTEL_BSP_SCHEDULE_DELAY`.
    pub delay: Duration,
    /// How long a request may take, with all attempts, `OTEL_BSP_EXPORT_TIMEOUT`.
    pub timeout: Duration,
    /// How long one attempt may take, and after which there is no other, `OTEL_EXPORTER_OTLP_TIMEOUT`.
    pub attempt: Duration,
    /// The collector is spoken to over TLS.
    pub tls: bool,
}

/// Why spans cannot be exported.
#[derive(Debug)]
pub enum SettingsError {
    /// What the environment says about the collector cannot be meant.
    Collector(String),
    /// No thread, or nothing for it to run on.
    Thread(std::io::Error),
    /// No certificates to know a collector by.
    Tls(std::io::Error),
}

impl Settings {
    /// From the environment; `None`: no endpoint is named, or it is switched off, and nothing is exported.
    pub fn from_env() -> Option<Self> {
        Self::lookup(|name| std::env::var(name).ok())
    }

    fn lookup(env: impl Fn(&str) -> Option<String>) -> Option<Self> {
        // Empty is not set (specification, "Parsing empty value").
        let set = |name| env(name).filter(|value| !value.is_empty());
        let off = set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || set("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
        let endpoint = set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
            .or_else(|| set("OTEL_EXPORTER_OTLP_ENDPOINT"))
            .filter(|_| !off)?;
        // What is no number is not set either, as the SDK has it; and nothing would be sent of nothing.
        let number = |name, usual: u64| {
            let value = set(name).and_then(|value| value.parse().ok());
            value.filter(|number| *number > 0).unwrap_or(usual)
        };
        let count = |name, usual| usize::try_from(number(name, usual)).unwrap_or(usize::MAX);
        let time = |name, usual| Duration::from_millis(number(name, usual));
        let queue = count("OTEL_BSP_MAX_QUEUE_SIZE", 2048);
        let attempt = match set("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT") {
            Some(_) => time("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", 10_000),
            None => time("OTEL_EXPORTER_OTLP_TIMEOUT", 10_000),
        };
        Some(Self {
            queue,
            batch: count("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512).min(queue),
            delay: time("OTEL_BSP_SCHEDULE_DELAY", 5000),
            timeout: time("OTEL_BSP_EXPORT_TIMEOUT", 30_000),
            attempt,
            tls: endpoint.to_ascii_lowercase().starts_with("https:"),
        })
    }

    /// What sends them.
    pub(super) fn exporter(&self, instance: &str) -> Result<SpanExporter, SettingsError> {
        let builder = SpanExporter::builder().with_http();
        let builder = match self.tls {
            // Certificates are looked for where they are needed only: a small image has none.
            true => builder.with_http_client(HyperClient::new(tls()?, self.attempt, None)),
            false => {
                builder.with_http_client(HyperClient::with_default_connector(self.attempt, None))
            }
        };
        let built = builder.build();
        let mut exporter = built.map_err(|error| SettingsError::Collector(error.to_string()))?;
        exporter.set_resource(&resource(instance));
        Ok(exporter)
    }
}

/// Connections to whom the system's certificates vouch for.
fn tls() -> Result<HttpsConnector<HttpConnector>, SettingsError> {
    let builder = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
        .map_err(SettingsError::Tls)?;
    Ok(builder.https_only().enable_http1().build())
}

/// Who we are; what the environment says counts more.
fn resource(instance: &str) -> Resource {
    let ours = [
        KeyValue::new("service.version", crate::VERSION),
        KeyValue::new("service.instance.id", instance.to_owned()),
    ];
    let found = Resource::builder_empty()
        .with_attributes(ours)
        .with_detectors(&[
            Box::new(TelemetryResourceDetector),
            Box::new(EnvResourceDetector::new()),
            Box::new(SdkProvidedResourceDetector),
        ])
        .build();
    let name = found.get(&"service.name".into());
    // The SDK's own word for "nobody said".
    let unknown = name.is_none_or(|name| name.as_str().starts_with("unknown_service"));
    if !unknown {
        return found;
    }
    let attributes = found
        .iter()
        .map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    Resource::builder_empty()
        .with_attributes(attributes)
        .with_service_name(SERVICE)
        .build()
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Collector(reason) => write!(f, "OTEL_EXPORTER_OTLP_*: {reason}"),
            Self::Thread(error) => write!(f, "the thread that sends them: {error}"),
            Self::Tls(error) => write!(f, "the system's certificates: {error}"),
        }
    }
}

impl std::error::Error for SettingsError {}

#[cfg(test)]
mod tests;

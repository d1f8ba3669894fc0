use super::*;

fn lookup(pairs: &[(&str, &str)]) -> Option<Settings> {
    Settings::lookup(|name| {
        let found = pairs.iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");

#[test]
fn without_an_endpoint_nothing_is_exported() {
    assert_eq!(lookup(&[]), None);
    assert_eq!(lookup(&[("OTEL_SERVICE_NAME", "x")]), None);
    assert_eq!(lookup(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]), None);
}

#[test]
fn either_endpoint_is_enough() {
    let usual = Settings {
        queue: 2048,
        batch: 512,
        delay: Duration::from_secs(5),
        timeout: Duration::from_secs(30),
        attempt: Duration::from_secs(10),
        tls: false,
    };
    assert_eq!(lookup(&[ENDPOINT]), Some(usual.clone()));
    let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "HTTPS://collector/t");
    let over_tls = Settings { tls: true, ..usual };
    assert_eq!(lookup(&[traces, ENDPOINT]), Some(over_tls));
}

#[test]
fn it_can_be_switched_off() {
    assert_eq!(lookup(&[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")]), None);
    assert_eq!(lookup(&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")]), None);
    assert!(lookup(&[ENDPOINT, ("OTEL_SDK_DISABLED", "false")]).is_some());
}

#[test]
fn the_queue_is_as_the_variables_say_and_a_batch_is_no_larger() {
    let settings = lookup(&[
        ENDPOINT,
        ("OTEL_BSP_MAX_QUEUE_SIZE", "64"),
        ("OTEL_BSP_SCHEDULE_DELAY", "250"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "soon"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "800"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "700"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "128"),
    ]);
    let wanted = Settings {
        queue: 64,
        batch: 64,
        delay: Duration::from_millis(250),
        timeout: Duration::from_secs(30),
        attempt: Duration::from_millis(700),
        tls: false,
    };
    assert_eq!(settings, Some(wanted));
    let nothing = lookup(&[ENDPOINT, ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0")]);
    assert_eq!(nothing.map(|settings| settings.batch), Some(512));
}

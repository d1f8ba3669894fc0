use super::*;
use crate::config;
use std::collections::HashSet;

const POLICY: &str = r#"{
  "version": 1,
  "bridge": { "cluster": "redis-bridge" },
  "sessions": {
    "web": { "cookie": "sid", "idle": "30m", "absolute": "12h" },
    "api": { "header": "authorization", "idle": "30m", "absolute": "12h" }
  },
  "limits": {
    "per-ip": { "algorithm": "fixed_window", "limit": 1, "window": "1m", "key": ["client.ip"] },
    "per-user": { "algorithm": "fixed_window", "limit": 1, "window": "1m", "key": ["host"] },
    "third": { "algorithm": "fixed_window", "limit": 1, "window": "1m", "key": ["path"] }
  },
  "caches": { "catalog": { "ttl": "60s" }, "pages": { "ttl": "60s" } }
}"#;

fn config() -> Config {
    config::parse(POLICY.as_bytes()).unwrap_or_else(|errors| panic!("{errors}"))
}

/// What has grown, by name.
fn drained(metrics: &mut Metrics) -> Vec<(String, u64)> {
    let mut grown = Vec::new();
    metrics.drain(|index, n| grown.push((index, n)));
    let named = |(index, n): (usize, u64)| (metrics.names()[index].clone(), n);
    grown.into_iter().map(named).collect()
}

/// DESIGN, "Metrics in Envoy": dashboards and alerts rely on these.
#[test]
fn the_promised_names_exist_each_once() {
    let metrics = Metrics::new(&config());
    let names: HashSet<&str> = metrics.names().iter().map(String::as_str).collect();
    assert_eq!(names.len(), metrics.names().len());
    let families: [(&str, &[&str], &[&str]); 4] = [
        ("exchange", &[""], &["sent", "ok", "timeout", "error"]),
        (
            "limit",
            &["per-ip.", "per-user.", "third."],
            &[
                "allowed",
                "denied",
                "denied_local",
                "leased",
                "shadow_denied",
                "error",
            ],
        ),
        (
            "session",
            &["web.", "api."],
            &["valid", "absent", "rejected", "unknown"],
        ),
        (
            "cache",
            &["catalog.", "pages."],
            &[
                "hit_l1",
                "hit_l2",
                "stale",
                "miss",
                "collapsed",
                "bypass",
                "stored",
                "purged",
            ],
        ),
    ];
    for (family, members, events) in families {
        for (member, event) in members
            .iter()
            .flat_map(|m| events.iter().map(move |e| (m, e)))
        {
            let name = format!("tidegate.{family}.{member}{event}");
            assert!(names.contains(name.as_str()), "{name}");
        }
    }
    assert!(names.contains("tidegate.bug"));
}

/// A segment with a dot in it could not be told from two by a tag extractor.
#[test]
fn names_parse() {
    for name in Metrics::new(&config()).names() {
        let ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        assert!(name.bytes().all(ok) && !name.contains(".."), "{name}");
    }
}

#[test]
fn each_metric_counts_under_its_own_name() {
    let config = config();
    let mut metrics = Metrics::new(&config);
    let mut check = |metric: Metric, name: String| {
        metrics.count(metric);
        metrics.count(metric);
        assert_eq!(drained(&mut metrics), [(name, 2)], "{metric:?}");
    };
    for (event, text) in RequestEvent::ALL {
        check(Metric::Request(*event), format!("tidegate.{text}"));
    }
    for (event, text) in ExchangeEvent::ALL {
        check(
            Metric::Exchange(*event),
            format!("tidegate.exchange.{text}"),
        );
    }
    for (of, limit) in config.limits.iter().enumerate() {
        for (event, text) in LimitEvent::ALL {
            check(
                Metric::Limit(of, *event),
                format!("tidegate.limit.{}.{text}", limit.name),
            );
        }
    }
    for (of, realm) in config.sessions.iter().enumerate() {
        for (event, text) in SessionEvent::ALL {
            check(
                Metric::Session(of, *event),
                format!("tidegate.session.{}.{text}", realm.name),
            );
        }
    }
    for (of, cache) in config.caches.iter().enumerate() {
        for (event, text) in CacheEvent::ALL {
            check(
                Metric::Cache(of, *event),
                format!("tidegate.cache.{}.{text}", cache.name),
            );
        }
    }
}

#[test]
fn what_was_drained_is_not_drained_again() {
    let mut metrics = Metrics::new(&config());
    assert!(!metrics.is_dirty());
    metrics.count(Metric::Request(RequestEvent::Bug));
    metrics.count(Metric::Limit(2, LimitEvent::Skipped));
    assert!(metrics.is_dirty());
    assert_eq!(drained(&mut metrics).len(), 2);
    assert!(!metrics.is_dirty());
    assert!(drained(&mut metrics).is_empty());
}

#[test]
fn what_nothing_is_named_for_is_not_counted_as_something_else() {
    let mut metrics = Metrics::new(&config());
    metrics.count(Metric::Cache(2, CacheEvent::HitL1));
    metrics.count(Metric::Cache(usize::MAX, CacheEvent::Refused));
    assert!(drained(&mut metrics).is_empty());
}

#[test]
fn the_clients_counters_are_taken_over_by_their_growth() {
    let mut metrics = Metrics::new(&config());
    let first = exchange::Counters {
        sent: 3,
        lost: 1,
        ..exchange::Counters::default()
    };
    metrics.absorb(first);
    metrics.absorb(first);
    metrics.absorb(exchange::Counters { sent: 5, ..first });
    let mut grown = drained(&mut metrics);
    grown.sort();
    let names = ["tidegate.exchange.sent", "tidegate.exchange.stream_lost"].map(str::to_owned);
    let [sent, lost] = names;
    assert_eq!(grown, [(sent, 5), (lost, 1)]);
}

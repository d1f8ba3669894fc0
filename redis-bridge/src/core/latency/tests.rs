use super::*;

#[test]
fn a_duration_is_counted_where_its_bound_is_not_below_it() {
    let bounds: Vec<f64> = Latency::default()
        .buckets()
        .map(|(bound, _)| bound)
        .collect();
    assert_eq!(bounds.len(), BOUNDED + 1);
    assert!(bounds.is_sorted());
    assert!((bounds[BOUNDED - 1] - 1.6384).abs() < 1e-9);
    for us in [
        0,
        1,
        49,
        50,
        51,
        99,
        100,
        101,
        200,
        201,
        1_638_400,
        1_638_401,
        u64::MAX,
    ] {
        let mut latency = Latency::default();
        latency.record(Duration::from_micros(us));
        assert_eq!(latency.count(), 1);
        let at = latency.buckets().position(|(_, count)| count == 1).unwrap();
        let seconds = us as f64 / 1e6;
        assert!(seconds <= bounds[at], "{us} in {at}");
        assert!(at == 0 || seconds > bounds[at - 1], "{us} in {at}");
    }
}

#[test]
fn each_has_a_histogram_of_its_own() {
    let mut all = Latencies::default();
    for verb in Verb::ALL {
        all.verb(verb, Duration::from_millis(1));
    }
    for script in Script::ALL {
        all.script(script, Duration::from_millis(1));
    }
    for carrier in Carrier::ALL {
        all.exchange(carrier, Duration::from_millis(1));
    }
    assert!(all.verbs().all(|(_, one)| one.count() == 1));
    assert!(all.scripts().all(|(_, one)| one.count() == 1));
    assert!(all.exchanges().all(|(_, one)| one.count() == 1));
}

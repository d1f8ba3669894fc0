use super::*;

fn read(vars: &[(&str, &str)]) -> Result<StackSpec> {
    StackSpec::from_vars(|name| {
        vars.iter()
            .find(|(n, _)| *n == name)
            .map(|(_, v)| (*v).to_owned())
    })
}

#[test]
fn nothing_set_is_the_default() {
    assert_eq!(read(&[]).unwrap(), StackSpec::new("default"));
    assert_eq!(
        read(&[("ENVOYS", ""), ("REDIS", "")]).unwrap(),
        StackSpec::new("default")
    );
}

#[test]
fn every_variable_is_read() {
    let spec = read(&[
        ("STACK", "b-2"),
        ("ENVOYS", "3"),
        ("WORKERS", "1"),
        ("BRIDGES", "4"),
        ("REDIS", "cluster"),
        ("POLICY", "/p.yaml"),
        ("FAULTS", "on"),
        ("UPSTREAM", "localhost:80"),
        ("PORT", "12000"),
        ("FILTER", "none"),
    ])
    .unwrap();
    let expected = StackSpec {
        name: "b-2".into(),
        envoys: 3,
        workers: 1,
        bridges: 4,
        redis: RedisKind::Cluster,
        policy: "/p.yaml".into(),
        faults: true,
        upstream: Some("localhost:80".into()),
        port: 12_000,
        filter: Filter::None,
        clocks: Vec::new(),
        tls: None,
        hot: false,
        own: Own::default(),
        stream_ms: None,
        unguarded: Vec::new(),
    };
    assert_eq!(spec, expected);
}

#[test]
fn bad_values_name_their_variable() {
    for (variable, value) in [
        ("STACK", "../x"),
        ("STACK", "A"),
        ("ENVOYS", "0"),
        ("ENVOYS", "11"),
        ("WORKERS", "two"),
        ("BRIDGES", "-1"),
        ("REDIS", "valkey"),
        ("FAULTS", "yes"),
        ("UPSTREAM", "localhost"),
        ("UPSTREAM", ":80"),
        ("PORT", "80"),
        ("PORT", "65500"),
    ] {
        let error = read(&[(variable, value)]).expect_err(value).to_string();
        assert!(error.starts_with(variable), "{error}");
    }
}

#[test]
fn no_two_parts_share_a_port() {
    let spec = StackSpec {
        faults: true,
        ..StackSpec::new("t")
    };
    let mut ports: Vec<u16> = (0..10)
        .flat_map(|i| {
            [
                spec.proxy_port(i),
                spec.listener_port(i),
                spec.envoy_admin_port(i),
                spec.bridge_admin_port(i),
            ]
        })
        .chain((0..6).flat_map(|i| {
            [
                spec.bus_port(i),
                spec.state_port(i),
                spec.state_fault_port(i),
            ]
        }))
        .chain((0..3).map(|i| spec.sentinel_port(i)))
        .chain([
            spec.cache_port(),
            spec.cache_fault_port(),
            spec.upstream_port(),
            spec.faults_port(),
        ])
        .collect();
    let count = ports.len();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), count);
    assert!(ports.iter().all(|p| (10_000..10_100).contains(p)));
}

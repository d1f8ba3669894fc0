use super::*;
use crate::config;

fn vm(policy: &str) -> Vm {
    let config = config::parse(policy.as_bytes()).unwrap_or_else(|errors| panic!("{errors}"));
    let seed = VmSeed {
        random: 1,
        worker: 2,
        node: "node".to_owned(),
    };
    Vm::new(config, None, seed)
}

fn with_key(part: &str) -> Vm {
    vm(&format!(
        r#"{{ "version": 1, "bridge": {{ "cluster": "b" }}, "limits": {{ "a": {{
            "algorithm": "fixed_window", "limit": 1, "window": "1m", "key": ["method", "{part}"] }} }},
            "policies": {{ "a": {{ "limits": ["a"] }}, "b": {{}} }},
            "routes": [{{ "match": {{ "hosts": ["b.example"] }}, "policy": "b" }}],
            "default_policy": "a" }}"#
    ))
}

fn counted(vm: &mut Vm) -> Vec<String> {
    let mut indices = Vec::new();
    vm.metrics.drain(|index, _| indices.push(index));
    indices
        .into_iter()
        .map(|index| vm.metrics.names()[index].clone())
        .collect()
}

#[test]
fn the_peer_is_asked_for_only_when_a_limit_counts_by_it() {
    let asked = |key: &str, host: &str| {
        let vm = with_key(key);
        let headers = Headers::from_pairs([(":authority", host), (":path", "/")]);
        vm.wants_peer(&vm.route(None, &headers))
    };
    assert!(asked("client.ip", "a.example"));
    assert!(!asked("host", "a.example"));
    // Another policy of the same file counts by it.
    assert!(!asked("client.ip", "b.example"));
    // Nobody judges it.
    let vm = with_key("client.ip");
    assert!(!vm.wants_peer(&Routed::Nowhere));
    assert!(!vm.wants_peer(&vm.route(Some(b"nobody".to_vec()), &Headers::new())));
}

#[test]
fn a_store_is_counted_by_how_it_ended() {
    let caches = r#"{ "version": 1, "bridge": { "cluster": "b" }, "caches": { "a": { "ttl": "1s" }, "z": { "ttl": "1s" } } }"#;
    let mut vm = vm(caches);
    for (result, event) in [
        (Ok(vec![Value::Simple(b"stored")]), "stored"),
        (Ok(vec![Value::Simple(b"refused")]), "refused"),
        (Ok(vec![Value::Error(b"OOM")]), "error"),
        (Ok(vec![Value::Integer(1)]), "error"),
        (Ok(vec![]), "error"),
        (Err(CallError::Timeout), "error"),
    ] {
        vm.background(1, result);
        assert_eq!(counted(&mut vm), [format!("tidegate.cache.z.{event}")]);
    }
    vm.background(Work::Uncounted.tag(), Err(CallError::Closed));
    vm.background(7, Err(CallError::Closed));
    assert!(counted(&mut vm).is_empty());
}

#[test]
fn two_workers_with_one_seed_draw_the_same_and_two_seeds_do_not() {
    let draws = |random: u64| {
        let config = config::parse(br#"{ "version": 1, "bridge": { "cluster": "b" } }"#).unwrap();
        let seed = VmSeed {
            random,
            worker: 2,
            node: String::new(),
        };
        Vm::new(config, None, seed).rng.next_u64()
    };
    assert_eq!(draws(5), draws(5));
    assert_ne!(draws(5), draws(6));
}

use super::*;
use crate::RedisKind;

fn cluster() -> StackSpec {
    let mut spec = StackSpec::new("t");
    spec.redis = RedisKind::Cluster;
    spec
}

#[test]
fn connections_are_marked_with_both_ends() {
    let text = rules(&cluster());
    // Bridge 1 is client 32, the bus of state server 2 is port 103.
    assert!(text.contains("meta skgid 42032 ct mark set 8192"), "{text}");
    assert!(
        text.contains("tcp dport 10052 ct mark set ct mark | 103"),
        "{text}"
    );
    assert!(
        text.contains("tcp dport 10062 ct mark set ct mark | 3"),
        "{text}"
    );
}

#[test]
fn who_is_cut_off_reaches_its_own_side_only() {
    let inside = [id("redis-state-0"), id("bridge-1")];
    let is_in = |n: u8| inside.contains(&(n % 100));
    let cut = marks(&cluster(), &|client, server| is_in(client) != is_in(server));
    let is_cut =
        |client: &str, server: &str, port| cut.contains(&mark(id(client), port_id(server, port)));
    assert!(!is_cut("bridge-1", "redis-state-0", Port::Service));
    assert!(is_cut("bridge-1", "redis-state-1", Port::Service));
    assert!(is_cut("bridge-0", "redis-state-0", Port::Service));
    assert!(is_cut("redis-state-1", "redis-state-0", Port::Bus));
    assert!(is_cut("redis-state-0", "redis-state-1", Port::Bus));
    assert!(!is_cut("redis-state-1", "redis-state-2", Port::Bus));
    // Whoever is no part is outside.
    assert!(cut.contains(&mark(0, id("redis-state-0"))));
}

#[test]
fn no_two_ports_have_one_number() {
    let mut seen = std::collections::BTreeMap::new();
    for (name, port, _) in parts::ports(&cluster()) {
        let number = port_id(&name, port);
        assert_eq!(*seen.entry(number).or_insert_with(|| name.clone()), name);
    }
}

use super::*;
use crate::backend::info;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

fn text(health: &RedisHealth) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(health.clone()));
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    text
}

#[test]
fn a_servers_word_becomes_lines_with_its_role_and_address() {
    let info = "role:master\nused_memory:7\nmem_fragmentation_ratio:1.25\nevicted_keys:3\n\
                master_repl_offset:100\n\
                slave0:ip=a,port=1,state=online,offset=90,lag=1\n\
                slave1:ip=b,port=1,state=online,offset=60,lag=4\n";
    let health = RedisHealth::default();
    health.set(
        "state",
        vec![ServerHealth {
            server: "a:1".to_owned(),
            up: true,
            info: info::parse(info),
        }],
    );
    let first = text(&health);
    for line in [
        "redis_up{role=\"state\",server=\"a:1\"} 1.0",
        "redis_primary{role=\"state\",server=\"a:1\"} 1.0",
        "redis_memory_used_bytes{role=\"state\",server=\"a:1\"} 7.0",
        "redis_memory_fragmentation_ratio{role=\"state\",server=\"a:1\"} 1.25",
        "redis_evicted_keys_total{role=\"state\",server=\"a:1\"} 3.0",
        "redis_replication_lag_seconds{role=\"state\",server=\"a:1\"} 4.0",
        "redis_replication_behind_bytes{role=\"state\",server=\"a:1\"} 40.0",
    ] {
        assert!(first.contains(line), "{line} in {first}");
    }
    // What it did not say is not invented.
    assert!(!first.contains("redis_cluster_ok{"), "{first}");
    health.set("state", Vec::new());
    assert!(!text(&health).contains("a:1"));
}

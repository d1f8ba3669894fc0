use super::*;
use crate::script::Script;

const NODES: &str = "\
a1 127.0.0.1:7000@17000 myself,master - 0 1 3 connected 0-99 200 [300->-b2]
b2 127.0.0.1:7001@17001,host-b master - 0 1 5 connected 100-199 201-16383
c3 127.0.0.1:7002@17002 slave a1 0 1 8 connected
d4 127.0.0.1:7003@17003 master,fail - 0 1 4 disconnected
";

fn text(text: &str) -> Value {
    Value::BulkString(text.as_bytes().to_vec())
}

fn node(host: Value, port: i64, id: &str) -> Value {
    Value::Array(vec![host, Value::Int(port), text(id), Value::Array(vec![])])
}

fn range(first: i64, last: i64, nodes: impl IntoIterator<Item = Value>) -> Value {
    let ends = [Value::Int(first), Value::Int(last)];
    Value::Array(ends.into_iter().chain(nodes).collect())
}

fn command(key: &str) -> Command {
    Command {
        script: Script::SessionGet,
        keys: vec![key.as_bytes().to_vec()],
        args: Vec::new(),
    }
}

#[test]
fn slots_their_primaries_and_the_highest_epoch_of_one() {
    let (a, b) = (
        || node(text("10.0.0.1"), 7000, "a1"),
        || node(text("10.0.0.2"), 7001, "b2"),
    );
    let replica = node(text("10.0.0.3"), 7002, "c3");
    let slots = Value::Array(vec![
        range(201, 16_383, [b()]),
        range(0, 99, [a(), replica]),
        range(100, 199, [b()]),
    ]);
    let topology = Topology::read(NODES, &slots, "seed").unwrap();
    let of = |host: &str, port| (host.to_owned(), port);
    assert_eq!(topology.epoch, 5, "a replica's is not one of its own");
    let (first, second) = (of("10.0.0.2", 7001), of("10.0.0.1", 7000));
    assert_eq!(topology.primaries, [first.clone(), second.clone()]);
    assert_eq!(topology.nodes.len(), 3);
    let wanted = Shards::of([(0, "a1"), (100, "b2"), (201, "b2")]);
    assert_eq!(topology.shards, wanted);
    // CRC16 of these: 0x31c3 % 16384 = 12739 (the specification's example), and 200 % 16384 for none of ours.
    assert_eq!(topology.owner(&command("123456789")), Some(&first));
    let low = (0..)
        .map(|n| n.to_string())
        .find(|key| slot(key.as_bytes()) < 100);
    assert_eq!(topology.owner(&command(&low.unwrap())), Some(&second));
    let gap = (0..)
        .map(|n| n.to_string())
        .find(|key| slot(key.as_bytes()) == 200);
    assert_eq!(topology.owner(&command(&gap.unwrap())), None);
}

/// A Cluster whose nodes have not met does not know its addresses: connections were made anew from nobody, for
/// ever.
#[test]
fn who_does_not_know_its_own_address_has_the_one_that_was_asked() {
    for host in [text(""), Value::Nil] {
        let slots = Value::Array(vec![range(0, 16_383, [node(host, 7000, "a1")])]);
        let topology = Topology::read("", &slots, "10.9.9.9").unwrap();
        assert_eq!(topology.primaries, [("10.9.9.9".to_owned(), 7000)]);
        assert_eq!(topology.epoch, 0);
    }
}

#[test]
fn a_host_name_that_is_missing_is_nobody() {
    let slots = Value::Array(vec![range(0, 16_383, [node(text("?"), 7000, "a1")])]);
    assert_eq!(Topology::read("", &slots, "10.9.9.9"), None);
}

#[test]
fn what_is_no_such_answer_is_none() {
    for odd in [
        Value::Nil,
        Value::Array(vec![]),
        Value::Array(vec![Value::Int(1)]),
        Value::Array(vec![range(0, 70_000, [node(text("a"), 1, "a1")])]),
        Value::Array(vec![range(0, 5, [])]),
        Value::Array(vec![range(0, 5, [node(text("a"), 70_000, "a1")])]),
        Value::Array(vec![range(
            0,
            5,
            [Value::Array(vec![text("a"), Value::Int(1)])],
        )]),
    ] {
        assert_eq!(Topology::read(NODES, &odd, "seed"), None, "{odd:?}");
    }
    for odd in [
        "",
        "ERR",
        "a1 x master",
        "a1 x master - 0 1 x connected 0-99",
    ] {
        assert_eq!(epoch(odd), 0, "{odd}");
    }
}

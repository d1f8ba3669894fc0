//! Who has which slots of a Cluster.

use crate::core::Shards;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::{Value, cmd};

/// Asks any node. `None`: it does not say, or the answer is none.
pub(super) async fn ask(connection: &mut ClusterConnection) -> Option<Shards> {
    let mut slots = cmd("CLUSTER");
    slots.arg("SLOTS");
    let anyone = RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random);
    let answer = connection.route_command(slots, anyone).await.ok()?;
    parse(&answer)
}

/// Of `[[first, last, [address, port, ...], ...], ...]`: the primary comes first.
fn parse(answer: &Value) -> Option<Shards> {
    let ranges = answer.as_sequence()?.iter().map(|range| {
        let range = range.as_sequence()?;
        let Value::Int(first) = range.first()? else {
            return None;
        };
        let (address, port) = match range.get(2)?.as_sequence()? {
            [Value::BulkString(address), Value::Int(port), ..] => (address.clone(), *port),
            // A node that does not know its own address.
            [_, Value::Int(port), ..] => (Vec::new(), *port),
            _ => return None,
        };
        Some((u16::try_from(*first).ok()?, (address, port)))
    });
    ranges.collect::<Option<Vec<_>>>().map(Shards::of)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: i64, last: i64, port: i64) -> Value {
        let node = Value::Array(vec![
            Value::BulkString(b"127.0.0.1".to_vec()),
            Value::Int(port),
            Value::BulkString(b"id".to_vec()),
            Value::Array(Vec::new()),
        ]);
        Value::Array(vec![
            Value::Int(first),
            Value::Int(last),
            node.clone(),
            node,
        ])
    }

    #[test]
    fn ranges_go_to_their_primaries() {
        let answer = Value::Array(vec![range(5_461, 16_383, 2), range(0, 5_460, 1)]);
        let wanted = Shards::of([(0, 1), (5_461, 2)]);
        assert_eq!(parse(&answer), Some(wanted));
        for odd in [
            Value::Nil,
            Value::Array(vec![Value::Int(1)]),
            Value::Array(vec![range(-1, 2, 1)]),
            Value::Array(vec![Value::Array(vec![Value::Int(1), Value::Int(2)])]),
        ] {
            assert_eq!(parse(&odd), None, "{odd:?}");
        }
    }
}

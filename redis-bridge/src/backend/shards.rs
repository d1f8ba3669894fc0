//! Who has which slots of a Cluster, as its nodes say.
//!
//! redis-rs follows a failover when a node redirects it or a connection breaks. A primary that is frozen or
//! whose machine lost its power does neither: commands would go to it, and time out, for as long as the
//! kernel believes in its connection, which is minutes. So the nodes are asked all the time who the
//! primaries are, and who connects anew does so from these.

use super::target::Node;
use crate::core::Shards;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::{FromRedisValue as _, cmd};
use std::time::Duration;
use tokio::time::timeout;

/// Nodes that are asked at a time: one may be the one that is gone, another one not know it yet.
const ASKED: usize = 3;
/// Time for them to say it.
const WITHIN: Duration = Duration::from_millis(300);

/// What a node says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// The highest configuration epoch of a primary: grows with each failover, and who says less is behind.
    pub(super) epoch: u64,
    /// Which shard has which slots.
    pub(super) shards: Shards,
    /// The primaries that have slots and live, sorted; `None` when one does not know its own address: whom
    /// the next one asked leaves out would be another one.
    pub(super) primaries: Option<Vec<Node>>,
}

/// Asks some nodes, and takes the word of who knows most. `None`: nobody says.
pub(super) async fn ask(connection: &ClusterConnection) -> Option<Seen> {
    let asks = (0..ASKED).map(|_| timeout(WITHIN, ask_one(connection.clone())));
    let said = futures_util::future::join_all(asks).await;
    said.into_iter()
        .filter_map(|one| one.ok()?)
        .max_by_key(|seen| seen.epoch)
}

async fn ask_one(mut connection: ClusterConnection) -> Option<Seen> {
    let mut nodes = cmd("CLUSTER");
    nodes.arg("NODES");
    let anyone = RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random);
    let answer = connection.route_command(nodes, anyone).await.ok()?;
    parse(&String::from_redis_value(answer).ok()?)
}

/// Of lines `id ip:port@bus,host flags primary ping pong epoch link slot...`, a slot being `n`, `n-m` or, while it
/// moves, `[...]`. `None`: no primary that lives has slots.
fn parse(text: &str) -> Option<Seen> {
    let (mut ranges, mut primaries, mut epoch) = (Vec::new(), Some(Vec::new()), 0);
    for line in text.lines() {
        let mut fields = line.split(' ');
        let (Some(id), Some(address), Some(flags)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let flags: Vec<&str> = flags.split(',').collect();
        let is = |flag: &str| flags.contains(&flag);
        if !is("master") || is("fail") || is("noaddr") || is("handshake") {
            continue;
        }
        let of_node = fields.nth(3).and_then(|epoch| epoch.parse::<u64>().ok());
        epoch = epoch.max(of_node?);
        let slots = fields.skip(1).filter(|slot| !slot.starts_with('['));
        let before = ranges.len();
        for slot in slots {
            let first = slot.split('-').next().unwrap_or_default();
            ranges.push((first.parse::<u16>().ok()?, id.to_owned()));
        }
        if ranges.len() == before {
            continue;
        }
        let client = address.split(['@', ',']).next().unwrap_or_default();
        let node = client.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        let node = node.and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
        match (&mut primaries, node) {
            (Some(primaries), Some(node)) => primaries.push(node),
            _ => primaries = None,
        }
    }
    if let Some(primaries) = &mut primaries {
        primaries.sort();
    }
    (!ranges.is_empty()).then(|| Seen {
        epoch,
        shards: Shards::of(ranges),
        primaries,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: &str = "\
a1 127.0.0.1:7000@17000 myself,master - 0 1 3 connected 0-99 200 [300->-b2]
b2 127.0.0.1:7001@17001,host-b master - 0 1 5 connected 100-199 201-16383
c3 127.0.0.1:7002@17002 slave a1 0 1 3 connected
d4 127.0.0.1:7003@17003 master,fail - 0 1 9 disconnected
e5 127.0.0.1:7004@17004 master - 0 1 2 connected
";

    #[test]
    fn primaries_their_slots_and_the_highest_epoch() {
        let seen = parse(NODES).unwrap();
        let node = |port: u16| ("127.0.0.1".to_owned(), port);
        assert_eq!(seen.primaries, Some(vec![node(7000), node(7001)]));
        assert_eq!(seen.epoch, 5);
        let wanted = Shards::of([(0, "a"), (100, "b"), (200, "a"), (201, "b")]);
        assert_eq!(seen.shards, wanted);
    }

    /// A Cluster whose nodes have not met: connections were made anew from nobody, for ever.
    #[test]
    fn who_does_not_know_its_own_address_is_no_seed() {
        let seen = parse("a1 :7000@17000 myself,master - 0 0 0 connected 0-16383").unwrap();
        assert_eq!(
            (seen.primaries, seen.shards),
            (None, Shards::of([(0, "a")]))
        );
    }

    #[test]
    fn what_is_no_such_list_is_none() {
        for odd in [
            "",
            "ERR",
            "a1 127.0.0.1:7000@17000 master - 0 1 x connected 0-99",
            "a1 127.0.0.1:7000@17000 master - 0 1 3 connected 0-99 70000",
            "a1 127.0.0.1:7000@17000 slave - 0 1 3 connected 0-99",
        ] {
            assert_eq!(parse(odd), None, "{odd}");
        }
    }
}

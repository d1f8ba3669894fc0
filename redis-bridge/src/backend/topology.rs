//! Who has which slots of a Cluster, as one of its nodes says.

use super::target::Node;
use crate::core::{Command, Shards, slot};
use redis::Value;

/// What a node says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Topology {
    /// The highest configuration epoch of a primary: grows with each failover, and who says less is behind.
    pub(super) epoch: u64,
    /// Ranges of slots, ascending: the first, the last, and whose they are, an index of `primaries`.
    ranges: Vec<(u16, u16, usize)>,
    /// Those that have slots, in the order of their lowest; whether they live is another matter.
    pub(super) primaries: Vec<Node>,
    /// Which shard has which slots.
    pub(super) shards: Shards,
    /// Every node that was named, replicas too: who can be asked the next time.
    pub(super) nodes: Vec<Node>,
}

impl Topology {
    /// From the answers to `CLUSTER NODES`, which tells the epochs, and `CLUSTER SLOTS`, which tells the addresses
    /// that clients shall use (`cluster-preferred-endpoint-type`). `asked`: the host that was asked, for a node that
    /// does not know its own address. `None`: nobody has slots, or it is none of that.
    pub(super) fn read(nodes: &str, slots: &Value, asked: &str) -> Option<Self> {
        let mut topology = Self {
            epoch: epoch(nodes),
            ranges: Vec::new(),
            primaries: Vec::new(),
            shards: Shards::one(),
            nodes: Vec::new(),
        };
        let mut named = Vec::new();
        let Value::Array(ranges) = slots else {
            return None;
        };
        for range in ranges {
            let [Value::Int(first), Value::Int(last), primary, replicas @ ..] = items(range) else {
                return None;
            };
            let (first, last) = (u16::try_from(*first).ok()?, u16::try_from(*last).ok()?);
            named.push((first, id(primary)?));
            for node in replicas {
                topology.names(node, asked);
            }
            // Of a primary without an address its slots are nobody's.
            if let Some(at) = topology.names(primary, asked) {
                let node = topology.nodes.get(at)?.clone();
                let known = topology.primaries.iter().position(|known| *known == node);
                let of = known.unwrap_or_else(|| {
                    topology.primaries.push(node);
                    topology.primaries.len() - 1
                });
                topology.ranges.push((first, last, of));
            }
        }
        topology.ranges.sort_unstable();
        topology.shards = Shards::of(named);
        (!topology.ranges.is_empty()).then_some(topology)
    }

    /// Who has the slot of a command; of one without keys the first primary. `None`: nobody.
    pub(super) fn owner(&self, command: &Command) -> Option<&Node> {
        let Some(key) = command.keys.first() else {
            return self.primaries.first();
        };
        let slot = slot(key);
        let after = self.ranges.partition_point(|(first, ..)| *first <= slot);
        let (_, last, of) = self.ranges.get(after.checked_sub(1)?)?;
        self.primaries.get(*of).filter(|_| slot <= *last)
    }

    /// Takes down a node; its place among all.
    fn names(&mut self, node: &Value, asked: &str) -> Option<usize> {
        let [host, Value::Int(port), ..] = items(node) else {
            return None;
        };
        let host = match text(host) {
            // It does not know, or shall not say.
            None | Some("") => asked,
            // It shall be a host name, and there is none.
            Some("?") => return None,
            Some(host) => host,
        };
        let node = (host.to_owned(), u16::try_from(*port).ok()?);
        let known = self.nodes.iter().position(|known| *known == node);
        Some(known.unwrap_or_else(|| {
            self.nodes.push(node);
            self.nodes.len() - 1
        }))
    }
}

fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        _ => &[],
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

/// Of `[host, port, id, ...]`.
fn id(node: &Value) -> Option<String> {
    items(node).get(2).and_then(text).map(str::to_owned)
}

/// The highest epoch of a primary, of lines `id address flags primary ping pong epoch link slot...`.
fn epoch(text: &str) -> u64 {
    let lines = text.lines().map(|line| line.split(' '));
    let epochs = lines.filter_map(|mut fields| {
        let is_primary = fields.nth(2)?.split(',').any(|flag| flag == "master");
        let epoch = fields.nth(3)?.parse::<u64>().ok()?;
        is_primary.then_some(epoch)
    });
    epochs.max().unwrap_or(0)
}

#[cfg(test)]
mod tests;

//! The text of `INFO`.

use super::target::Node;
use std::collections::HashMap;

/// Its `name:value` lines; headings are left out.
pub fn parse(text: &str) -> HashMap<String, String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.trim_end().split_once(':'));
    pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}

/// Replicas that a primary knows, as they announce themselves, in the order of its numbers.
pub fn replicas(info: &HashMap<String, String>) -> Vec<Node> {
    let mut all: Vec<(u32, Node)> = info.iter().filter_map(replica).collect();
    all.sort_unstable();
    all.into_iter().map(|(_, node)| node).collect()
}

/// Of `slave0`: `ip=..,port=..,state=..,offset=..,lag=..`: one field.
pub fn field<'a>(value: &'a str, wanted: &str) -> Option<&'a str> {
    let mut fields = value.split(',').filter_map(|field| field.split_once('='));
    fields.find(|(name, _)| *name == wanted).map(|(_, v)| v)
}

/// The number in `slave0`.
pub fn replica_number(name: &str) -> Option<u32> {
    name.strip_prefix("slave")?.parse().ok()
}

fn replica((name, value): (&String, &String)) -> Option<(u32, Node)> {
    let number = replica_number(name)?;
    let host = field(value, "ip")?.to_owned();
    Some((number, (host, field(value, "port")?.parse().ok()?)))
}

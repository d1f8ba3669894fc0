//! JSON bytes (or a protobuf `Struct`) to a tree in which every place can be named.
//!
//! `serde_json::Value` would do, but it silently keeps the last of two equal names.

use super::MAX_INPUT;
use super::at::{At, Shown};
use super::structpb;
use core::cell::Cell;
use core::fmt;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Lists and mappings inside each other, at most.
pub(super) const MAX_DEPTH: u32 = 32;
/// Values in one configuration, at most.
pub(super) const MAX_VALUES: u32 = 1 << 18;

/// One JSON value. Numbers are doubles, as Envoy sends them: whole ones are exact below 2^53. Names are
/// sorted, because a protobuf `Struct` does not keep their order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    Map(BTreeMap<String, Node>),
}

impl Node {
    /// The number as a whole one below 2^53, if it is that.
    pub(super) fn whole(number: f64) -> Option<u64> {
        let whole = number >= 0.0 && number < (1_u64 << 53) as f64 && number.trunc() == number;
        whole.then_some(number as u64)
    }
}

impl fmt::Display for Node {
    /// How a message names the value. Fractions are not spelled out: that would cost the module 10 KiB.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(value) => match (Self::whole(*value), Self::whole(-*value)) {
                (Some(n), _) => write!(f, "{n}"),
                (None, Some(n)) => write!(f, "-{n}"),
                _ if value.trunc() == *value => f.write_str("a number of 2^53 or more"),
                _ => f.write_str("a fraction"),
            },
            Self::Text(text) => write!(f, "{}", Shown(text)),
            Self::List(_) => f.write_str("a list"),
            Self::Map(_) => f.write_str("a mapping"),
        }
    }
}

/// Reads `json`, or a serialized `google.protobuf.Struct`; `None` when it is not JSON or too much of it. A name given twice is reported and its
/// first value kept, so that the rest can be checked too.
pub(super) fn read(json: &[u8], at: &At<'_>) -> Option<Node> {
    if json.len() > MAX_INPUT {
        at.error(format!("longer than {MAX_INPUT} bytes"));
        return None;
    }
    if let Some(tree) = structpb::decode(json) {
        return Some(tree);
    }
    let state = State::default();
    let seed = Seed {
        at: *at,
        depth: 0,
        state: &state,
    };
    let mut json = serde_json::Deserializer::from_slice(json);
    let tree = seed.deserialize(&mut json);
    match tree.and_then(|tree| json.end().map(|()| tree)) {
        Ok(tree) => Some(tree),
        Err(error) => {
            if !state.stopped.get() {
                at.error(format!("not JSON: {error}"));
            }
            None
        }
    }
}

#[derive(Default)]
struct State {
    values: Cell<u32>,
    /// A bound was exceeded, and that is reported already.
    stopped: Cell<bool>,
}

struct Seed<'a> {
    at: At<'a>,
    depth: u32,
    state: &'a State,
}

impl Seed<'_> {
    fn stop<E: Error>(&self, reason: String) -> E {
        self.state.stopped.set(true);
        self.at.error(reason);
        E::custom("")
    }

    fn deeper<E: Error>(&self) -> Result<u32, E> {
        if self.depth >= MAX_DEPTH {
            return Err(self.stop(format!("nested more than {MAX_DEPTH} deep")));
        }
        Ok(self.depth.saturating_add(1))
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Node, D::Error> {
        let values = self.state.values.get().saturating_add(1);
        self.state.values.set(values);
        if values > MAX_VALUES {
            return Err(self.stop(format!("more than {MAX_VALUES} values")));
        }
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value as f64))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut input: A) -> Result<Node, A::Error> {
        let depth = self.deeper()?;
        let mut list = Vec::new();
        loop {
            let seed = Seed {
                at: self.at.item(list.len()),
                depth,
                state: self.state,
            };
            match input.next_element_seed(seed)? {
                Some(node) => list.push(node),
                None => return Ok(Node::List(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut input: A) -> Result<Node, A::Error> {
        let depth = self.deeper()?;
        let mut map = BTreeMap::new();
        while let Some(name) = input.next_key::<String>()? {
            let seed = Seed {
                at: self.at.key(&name),
                depth,
                state: self.state,
            };
            let node = input.next_value_seed(seed)?;
            match map.entry(name) {
                Entry::Vacant(entry) => drop(entry.insert(node)),
                Entry::Occupied(entry) => self.at.key(entry.key()).error("given twice"),
            }
        }
        Ok(Node::Map(map))
    }
}

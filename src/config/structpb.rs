//! A serialized `google.protobuf.Struct` to a tree.
//!
//! Envoy's documentation says that a plugin receives a `Struct` as JSON. Envoy 1.40 hands over its bytes in
//! protobuf's wire format: `MessageUtil::anyToBytes` unwraps `StringValue` and `BytesValue` only. Istio and
//! Envoy Gateway send a `StringValue` with JSON. So both are read.
//!
//! Source: protobuf's `struct.proto` and "Encoding".

use super::tree::{MAX_DEPTH, MAX_VALUES, Node};
use std::collections::BTreeMap;

/// Field 1, length-delimited: an entry of a `Struct`, a value of a `ListValue`, the name in an entry.
const FIELD_1_BYTES: u8 = 0x0a;
/// Field 2, length-delimited: the value in an entry.
const FIELD_2_BYTES: u8 = 0x12;

/// Decodes a whole `Struct`. `None` when the bytes are not one, or exceed the bounds of a configuration.
///
/// No JSON text is taken for one: an entry with a value holds the byte 0x12, which JSON does not allow.
pub(super) fn decode(bytes: &[u8]) -> Option<Node> {
    let mut reader = Reader { values: MAX_VALUES };
    let node = reader.mapping(bytes, MAX_DEPTH)?;
    matches!(&node, Node::Map(map) if !map.is_empty()).then_some(node)
}

struct Reader {
    /// How many more values may come.
    values: u32,
}

impl Reader {
    fn mapping(&mut self, mut bytes: &[u8], depth: u32) -> Option<Node> {
        let depth = depth.checked_sub(1)?;
        let mut map = BTreeMap::new();
        while !bytes.is_empty() {
            let mut entry = field(&mut bytes, FIELD_1_BYTES)?;
            let name = field(&mut entry, FIELD_1_BYTES)?;
            let value = field(&mut entry, FIELD_2_BYTES)?;
            if !entry.is_empty() {
                return None;
            }
            let name = core::str::from_utf8(name).ok()?.to_owned();
            // A map's names are unique in what a serializer writes.
            if map.insert(name, self.value(value, depth)?).is_some() {
                return None;
            }
        }
        Some(Node::Map(map))
    }

    fn list(&mut self, mut bytes: &[u8], depth: u32) -> Option<Node> {
        let depth = depth.checked_sub(1)?;
        let mut list = Vec::new();
        while !bytes.is_empty() {
            list.push(self.value(field(&mut bytes, FIELD_1_BYTES)?, depth)?);
        }
        Some(Node::List(list))
    }

    /// A `Value`: exactly one of its fields.
    fn value(&mut self, bytes: &[u8], depth: u32) -> Option<Node> {
        self.values = self.values.checked_sub(1)?;
        let (&tag, mut rest) = bytes.split_first()?;
        match tag {
            0x08 => (rest == [0]).then_some(Node::Null),
            0x11 => Some(Node::Number(f64::from_le_bytes(rest.try_into().ok()?))),
            0x20 => match rest {
                [0] => Some(Node::Bool(false)),
                [1] => Some(Node::Bool(true)),
                _ => None,
            },
            0x1a | 0x2a | 0x32 => {
                let inner = delimited(&mut rest)?;
                if !rest.is_empty() {
                    return None;
                }
                match tag {
                    0x1a => Some(Node::Text(core::str::from_utf8(inner).ok()?.to_owned())),
                    0x2a => self.mapping(inner, depth),
                    _ => self.list(inner, depth),
                }
            }
            _ => None,
        }
    }
}

/// Takes a field with that tag off the front.
fn field<'a>(bytes: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (&first, rest) = bytes.split_first()?;
    if first != tag {
        return None;
    }
    *bytes = rest;
    delimited(bytes)
}

/// Takes a length and so many bytes off the front.
fn delimited<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(varint(bytes)?).ok()?;
    let (inner, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(inner)
}

/// Takes a base-128 number below 2^28 off the front; no length in a configuration is larger.
fn varint(bytes: &mut &[u8]) -> Option<u32> {
    let mut number = 0;
    for shift in [0, 7, 14, 21] {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests;

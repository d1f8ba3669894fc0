//! One name for one configuration, wherever it is read.

use super::tree::Node;
use core::fmt::Write as _;
use sha2::{Digest as _, Sha256};

/// Hex SHA-256 of the tree as canonical JSON: names sorted by their bytes, no white space, whole numbers
/// without a fraction, the shortest escapes. (RFC 8785 differs only in sorting by UTF-16 units and in
/// fractions, which no field takes.) So YAML read offline and the doubles Envoy sends agree.
pub(super) fn hex(tree: &Node) -> String {
    let mut text = String::new();
    write(tree, &mut text);
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

fn write(node: &Node, out: &mut String) {
    match node {
        Node::Null => out.push_str("null"),
        Node::Bool(true) => out.push_str("true"),
        Node::Bool(false) => out.push_str("false"),
        Node::Number(number) => match Node::whole(*number) {
            Some(number) => drop(write!(out, "{number}")),
            None => drop(write!(out, "{:#x}", number.to_bits())),
        },
        Node::Text(text) => write_text(text, out),
        Node::List(list) => {
            out.push('[');
            for (n, item) in list.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Node::Map(map) => {
            out.push('{');
            for (n, (name, value)) in map.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write_text(name, out);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

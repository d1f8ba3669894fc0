//! The tree to the types of [`super::raw`], every mistake with its place.
//!
//! By hand and not with serde's derive, which makes a visitor of every type and an accumulator of every
//! field: that was a tenth of the module. Here a type costs its table of names; what reads it is shared.
//! A mistake is reported at the innermost value it belongs to, and what is around it reads on.

use super::at::{At, Shown};
use super::field::Field;
use super::tree::Node;

/// What is read from a value of the tree.
pub(super) trait Read: Sized {
    /// `None` when the value is something else, which was reported then.
    fn read(node: &Node, at: &At<'_>) -> Option<Self>;
}

/// Reads a mapping with the named fields, each a [`Field`] that may be left out:
/// `fields!(Type: one, two, three as "third")`. Does not compile while a field of the type is missing.
macro_rules! fields {
    ($type:ident: $($field:ident $(as $name:literal)?),+ $(,)?) => {
        impl $crate::config::read::Read for $type {
            fn read(
                node: &$crate::config::tree::Node,
                at: &$crate::config::at::At<'_>,
            ) -> Option<Self> {
                let mut read = Self::default();
                let Self { $($field: _),+ } = &read;
                let known = &[$($crate::config::read::name!($field $($name)?)),+];
                $crate::config::read::mapping(node, at, known, &mut |name, node, at| match name {
                    $($crate::config::read::name!($field $($name)?) => {
                        read.$field = $crate::config::read::field(node, at);
                    })+
                    _ => {}
                })?;
                Some(read)
            }
        }
    };
}
pub(super) use fields;

/// What a field is called: as in Rust, unless that is a reserved word.
macro_rules! name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $name:literal) => {
        $name
    };
}
pub(super) use name;

/// Reads one of some words: `words!(Type: "one" => One, "two" => Two)`.
macro_rules! words {
    ($type:ident: $($word:literal => $variant:ident),+ $(,)?) => {
        impl $crate::config::read::Read for $type {
            fn read(
                node: &$crate::config::tree::Node,
                at: &$crate::config::at::At<'_>,
            ) -> Option<Self> {
                let index = $crate::config::read::word(node, at, &[$($word),+])?;
                [$(Self::$variant),+].get(index).copied()
            }
        }
    };
}
pub(super) use words;

/// Gives every field of the mapping `node` to `read`. Names that are not known are reported and skipped,
/// so that one does not hide another.
pub(super) fn mapping(
    node: &Node,
    at: &At<'_>,
    known: &[&str],
    read: &mut dyn FnMut(&str, &Node, &At<'_>),
) -> Option<()> {
    let Node::Map(map) = node else {
        return wrong(node, "a mapping", at);
    };
    for (name, node) in map {
        let at = at.key(name);
        if known.contains(&name.as_str()) {
            read(name, node, &at);
        } else {
            at.error(format!("unknown field, known: {}", known.join(", ")));
        }
    }
    Some(())
}

/// Reads a value that is there.
pub(super) fn field<T: Read>(node: &Node, at: &At<'_>) -> Field<T> {
    T::read(node, at).map_or(Field::Bad, Field::Given)
}

/// The text that `node` is.
pub(super) fn text<'a>(node: &'a Node, at: &At<'_>) -> Option<&'a str> {
    match node {
        Node::Text(text) => Some(text),
        _ => wrong(node, "a string", at),
    }
}

/// Which of `words` it is.
pub(super) fn word(node: &Node, at: &At<'_>, words: &[&str]) -> Option<usize> {
    let text = text(node, at)?;
    let index = words.iter().position(|word| *word == text);
    index.or_else(|| {
        at.fail(format!(
            "must be one of {}, got {}",
            words.join(", "),
            Shown(text)
        ))
    })
}

/// Reports that the value is not `what` it must be.
pub(super) fn wrong<T>(node: &Node, what: &str, at: &At<'_>) -> Option<T> {
    unlike(node, what, at);
    None
}

fn unlike(node: &Node, what: &str, at: &At<'_>) {
    let hint = match node {
        Node::Bool(_) if what == "a string" => {
            " (quote it: YAML may read bare on, off, yes and no as true and false)"
        }
        Node::Number(_) if what == "a string" => " (quote it)",
        Node::Null => " (leave it out, or give it a value)",
        _ => "",
    };
    at.error(format!("must be {what}, got {node}{hint}"));
}

impl Read for bool {
    fn read(node: &Node, at: &At<'_>) -> Option<Self> {
        match node {
            Node::Bool(value) => Some(*value),
            _ => wrong(node, "true or false", at),
        }
    }
}

impl Read for String {
    fn read(node: &Node, at: &At<'_>) -> Option<Self> {
        text(node, at).map(str::to_owned)
    }
}

impl<T: Read> Read for Vec<Field<T>> {
    fn read(node: &Node, at: &At<'_>) -> Option<Self> {
        let Node::List(list) = node else {
            return wrong(node, "a list", at);
        };
        let items = list.iter().enumerate();
        Some(
            items
                .map(|(index, node)| field(node, &at.item(index)))
                .collect(),
        )
    }
}

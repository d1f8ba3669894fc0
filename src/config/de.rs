//! The tree to the types of [`super::raw`], every mistake with its place.
//!
//! A serde `Deserializer` over [`Node`]. A failure is reported at the innermost value it belongs to and
//! travels on as [`Failed::Reported`], so that whoever swallows it (see [`super::Field`]) loses nothing.

use super::at::{At, Shown};
use super::tree::Node;
use core::fmt::{self, Display};
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, Expected, IntoDeserializer as _, MapAccess, SeqAccess,
    Unexpected, Visitor,
};
use std::collections::btree_map;

/// Why a value could not be read.
#[derive(Debug)]
pub(super) enum Failed {
    /// Reported already.
    Reported,
    /// What is wrong with the value at hand.
    Reason(String),
    /// What the value at hand must be, and is not.
    Type(String),
    /// A field that the mapping at hand must have.
    Missing(&'static str),
}

impl Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reported => f.write_str("reported"),
            Self::Reason(reason) => f.write_str(reason),
            Self::Type(what) => write!(f, "must be {what}"),
            Self::Missing(name) => write!(f, "{name} is missing"),
        }
    }
}

impl std::error::Error for Failed {}

impl serde::de::Error for Failed {
    fn custom<T: Display>(reason: T) -> Self {
        Self::Reason(reason.to_string())
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::Type(expected.to_string())
    }

    fn missing_field(name: &'static str) -> Self {
        Self::Missing(name)
    }

    fn unknown_field(_: &str, known: &'static [&'static str]) -> Self {
        Self::Reason(unknown_field(known))
    }

    fn unknown_variant(word: &str, known: &'static [&'static str]) -> Self {
        Self::Reason(format!(
            "must be one of {}, got {}",
            known.join(", "),
            Shown(word)
        ))
    }
}

fn unknown_field(known: &[&str]) -> String {
    format!("unknown field, known: {}", known.join(", "))
}

/// Reads one value.
#[derive(Clone, Copy)]
pub(super) struct De<'a> {
    node: &'a Node,
    at: &'a At<'a>,
}

impl<'a> De<'a> {
    /// Reads `node`, which stands at `at`.
    pub(super) fn new(node: &'a Node, at: &'a At<'a>) -> Self {
        Self { node, at }
    }

    fn settle<T>(&self, result: Result<T, Failed>) -> Result<T, Failed> {
        result.map_err(|failed| {
            match failed {
                Failed::Reported => {}
                Failed::Reason(reason) => self.at.error(reason),
                Failed::Type(what) => self.at.error(self.unlike(&what)),
                Failed::Missing(name) => self.at.key(name).error("missing"),
            }
            Failed::Reported
        })
    }

    fn must_be<T>(&self, what: &str) -> Result<T, Failed> {
        self.settle(Err(Failed::Type(what.to_owned())))
    }

    /// That the value is not `what` it must be.
    fn unlike(&self, what: &str) -> String {
        let hint = match self.node {
            Node::Bool(_) if what == "a string" => {
                " (quote it: YAML may read bare on, off, yes and no as true and false)"
            }
            Node::Number(_) if what == "a string" => " (quote it)",
            Node::Null => " (leave it out, or give it a value)",
            _ => "",
        };
        format!("must be {what}, got {}{hint}", self.node)
    }
}

impl<'de> Deserializer<'de> for De<'_> {
    type Error = Failed;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
        match self.node {
            Node::Text(_) => self.deserialize_str(visitor),
            Node::Map(_) => self.deserialize_map(visitor),
            // A number that is not whole has no meaning anywhere.
            Node::Number(number) if Node::whole(*number).is_some() => self.deserialize_u64(visitor),
            _ => self.must_be(&Expecting(&visitor).to_string()),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
        match self.node {
            Node::Bool(value) => self.settle(visitor.visit_bool(*value)),
            _ => self.must_be("true or false"),
        }
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
        let whole = match self.node {
            Node::Number(number) => Node::whole(*number),
            _ => None,
        };
        match whole {
            Some(number) => self.settle(visitor.visit_u64(number)),
            None => self.must_be("a whole number >= 0 and < 2^53"),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
        match self.node {
            Node::Text(text) => self.settle(visitor.visit_str(text)),
            _ => self.must_be("a string"),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
        self.deserialize_str(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failed> {
        self.settle(visitor.visit_newtype_struct(self))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
        match self.node {
            Node::List(list) => self.settle(visitor.visit_seq(Items {
                list: list.iter().enumerate(),
                at: self.at,
            })),
            _ => self.must_be("a list"),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failed> {
        match self.node {
            Node::Map(map) => self.settle(visitor.visit_map(Entries {
                map: map.iter(),
                known: None,
                value: None,
                at: self.at,
            })),
            _ => self.must_be("a mapping"),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failed> {
        match self.node {
            Node::Map(map) => self.settle(visitor.visit_map(Entries {
                map: map.iter(),
                known: Some(known),
                value: None,
                at: self.at,
            })),
            _ => self.must_be("a mapping"),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failed> {
        match self.node {
            Node::Text(text) => {
                let word: StrDeserializer<'_, Failed> = text.as_str().into_deserializer();
                self.settle(visitor.visit_enum(word))
            }
            _ => self.must_be("a string"),
        }
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u128 f32 f64 char bytes byte_buf option unit unit_struct
        tuple tuple_struct identifier ignored_any
    }
}

struct Expecting<'a, V>(&'a V);

impl<'de, V: Visitor<'de>> Display for Expecting<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }
}

struct Items<'a> {
    list: core::iter::Enumerate<core::slice::Iter<'a, Node>>,
    at: &'a At<'a>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Failed;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Failed> {
        let Some((index, node)) = self.list.next() else {
            return Ok(None);
        };
        let at = self.at.item(index);
        seed.deserialize(De::new(node, &at)).map(Some)
    }
}

struct Entries<'a> {
    map: btree_map::Iter<'a, String, Node>,
    /// Names other than these are reported and skipped, so that one does not hide another.
    known: Option<&'static [&'static str]>,
    value: Option<(&'a str, &'a Node)>,
    at: &'a At<'a>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Failed;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Failed> {
        for (name, node) in self.map.by_ref() {
            if let Some(known) = self.known.filter(|known| !known.contains(&name.as_str())) {
                self.at.key(name).error(unknown_field(known));
                continue;
            }
            self.value = Some((name, node));
            let input: StrDeserializer<'_, Failed> = name.as_str().into_deserializer();
            let at = self.at.key(name);
            return De::new(node, &at).settle(seed.deserialize(input)).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failed> {
        let (name, node) = self.value.take().ok_or(Failed::Reported)?;
        let at = self.at.key(name);
        seed.deserialize(De::new(node, &at))
    }
}

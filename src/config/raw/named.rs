use super::super::Field;
use super::super::at::At;
use super::super::read::{Read, field, wrong};
use super::super::tree::Node;
#[cfg(feature = "schema")]
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// Named things, sorted by name.
///
/// Not a map: that costs the module 3 KiB for each type of thing. They arrive sorted, each name once
/// ([`super::super::tree`]).
#[derive(Debug)]
pub struct Named<T>(pub Vec<(String, Field<T>)>);

impl<T> Named<T> {
    /// What is called `name`.
    pub fn get(&self, name: &str) -> Option<&T> {
        let (_, thing) = self.0.iter().find(|(other, _)| other == name)?;
        thing.given()
    }
}

impl<T: Read> Read for Named<T> {
    fn read(node: &Node, at: &At<'_>) -> Option<Self> {
        let Node::Map(map) = node else {
            return wrong(node, "a mapping", at);
        };
        let read = |(name, node): (&String, &Node)| {
            let at = at.key(name);
            (name.clone(), field(node, &at))
        };
        Some(Self(map.iter().map(read).collect()))
    }
}

#[cfg(feature = "schema")]
impl<T: JsonSchema> JsonSchema for Named<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Named_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        std::collections::BTreeMap::<String, T>::json_schema(generator)
    }
}

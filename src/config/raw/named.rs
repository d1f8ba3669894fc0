use super::super::Field;
use core::fmt;
use core::marker::PhantomData;
#[cfg(feature = "schema")]
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

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

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_map(NamedVisitor(PhantomData))
    }
}

struct NamedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for NamedVisitor<T> {
    type Value = Named<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named<T>, A::Error> {
        let mut named = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            named.push((name, map.next_value()?));
        }
        Ok(Named(named))
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

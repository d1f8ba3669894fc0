use super::super::Field;
use core::fmt;
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

/// What is asked of a request: a session, limits, a cache. Each may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Policy {
    /// The session it looks up: the name of a realm, or a mapping.
    pub session: Field<Session>,
    /// Names of limits, at most 16. A request passes all of them or is charged by none.
    #[cfg_attr(feature = "schema", schemars(length(max = 16)))]
    pub limits: Field<Vec<Field<String>>>,
    /// Name of the cache.
    pub cache: Field<String>,
}

/// The session of a policy.
#[derive(Debug)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(untagged))]
pub enum Session {
    /// A realm; the session is required.
    Realm(String),
    /// A realm, and what is asked of the session.
    Use(SessionUse),
}

/// A realm, and what is asked of the session.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(extend("required" = ["use"])))]
pub struct SessionUse {
    /// Name of the realm.
    #[serde(rename = "use")]
    pub realm: Field<String>,
    /// The session must hold one of these roles: 401 without a session, 403 without the role. Only with
    /// `required: true`.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 32)))]
    pub roles: Field<Vec<Field<String>>>,
    /// Refuse requests without a valid session. Default true.
    pub required: Field<bool>,
    /// The upstream may create sessions here. Default false. Accepted, not acted upon by this version:
    /// sessions are created through the bridge's admin API.
    pub create: Field<bool>,
}

impl<'de> Deserialize<'de> for Session {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(SessionVisitor)
    }
}

struct SessionVisitor;

impl<'de> Visitor<'de> for SessionVisitor {
    type Value = Session;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a session realm, or a mapping")
    }

    fn visit_str<E: Error>(self, realm: &str) -> Result<Session, E> {
        Ok(Session::Realm(realm.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Session, A::Error> {
        SessionUse::deserialize(MapAccessDeserializer::new(map)).map(Session::Use)
    }
}

use super::super::Field;
use crate::policy::StatusRule;
use core::fmt;
use core::ops::RangeInclusive;
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Unexpected, Visitor};

/// Statuses an answer can have in the end (RFC 9110 section 15).
const FINAL: RangeInclusive<u16> = 200..=599;

/// Which requests a limit charges.
#[derive(Debug)]
pub enum Apply {
    /// All, before they go upstream: `request`.
    Request,
    /// Some.
    To(ApplyTo),
}

/// Which requests a limit charges, by what the upstream answers.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(
    feature = "schema",
    derive(JsonSchema),
    schemars(extend("required" = ["response_status"]))
)]
pub struct ApplyTo {
    /// 1 to 16 statuses, 200 to 599, and classes: `[401, 403, "5xx"]`. Before, the units must be
    /// available; they are charged when the answer has one of these. An answer of tidegate's own is
    /// never charged.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 16)))]
    pub response_status: Field<Vec<Field<Status>>>,
}

/// A status, or a class of them: `401`, `"401"`, `"5xx"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(pub StatusRule);

impl<'de> Deserialize<'de> for Apply {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(ApplyVisitor)
    }
}

struct ApplyVisitor;

impl<'de> Visitor<'de> for ApplyVisitor {
    type Value = Apply;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("request, or a mapping with response_status")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Apply, E> {
        match word {
            "request" => Ok(Apply::Request),
            word => Err(E::invalid_type(Unexpected::Str(word), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Apply, A::Error> {
        ApplyTo::deserialize(MapAccessDeserializer::new(map)).map(Apply::To)
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(StatusVisitor)
    }
}

struct StatusVisitor;

impl Visitor<'_> for StatusVisitor {
    type Value = Status;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"a status, 200 to 599, or a class of them, "2xx" to "5xx""#)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Status, E> {
        let status = u16::try_from(number).ok().filter(|n| FINAL.contains(n));
        let rule = status.map(StatusRule::Exactly);
        rule.map(Status)
            .ok_or_else(|| E::invalid_type(Unexpected::Unsigned(number), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Status, E> {
        let class = match text {
            "2xx" => 2,
            "3xx" => 3,
            "4xx" => 4,
            "5xx" => 5,
            text => {
                return match text.parse() {
                    // One spelling: not "0401", not "+401".
                    Ok(number) if text.len() == 3 => self.visit_u64(number),
                    _ => Err(E::invalid_type(Unexpected::Str(text), &self)),
                };
            }
        };
        Ok(Status(StatusRule::Class(class)))
    }
}

#[cfg(feature = "schema")]
impl JsonSchema for Status {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Status".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A status, 200 to 599, or a class of them: 401, 5xx.",
            "anyOf": [
                { "type": "integer", "minimum": 200, "maximum": 599 },
                { "type": "string", "pattern": "^[2-5]([0-9]{2}|xx)$" },
            ],
        })
    }
}

#[cfg(feature = "schema")]
impl JsonSchema for Apply {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Apply".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let to = generator.subschema_for::<ApplyTo>();
        schemars::json_schema!({
            "description": "Which requests a limit charges: all, or some.",
            "anyOf": [{ "const": "request" }, to],
        })
    }
}

use super::super::Field;
use super::super::at::At;
use super::super::read::{Read, fields, wrong};
use super::super::tree::Node;
use crate::policy::StatusRule;
use core::ops::RangeInclusive;
#[cfg(feature = "schema")]
use schemars::JsonSchema;

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
#[derive(Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(JsonSchema),
    schemars(default, deny_unknown_fields, extend("required" = ["response_status"]))
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

fields!(ApplyTo: response_status);

impl Read for Apply {
    fn read(node: &Node, at: &At<'_>) -> Option<Self> {
        match node {
            Node::Text(word) if word == "request" => Some(Self::Request),
            Node::Map(_) => ApplyTo::read(node, at).map(Self::To),
            _ => wrong(node, "request, or a mapping with response_status", at),
        }
    }
}

impl Read for Status {
    fn read(node: &Node, at: &At<'_>) -> Option<Self> {
        let rule = match node {
            Node::Number(number) => Node::whole(*number).and_then(exactly),
            Node::Text(text) => match text.as_str() {
                "2xx" => Some(StatusRule::Class(2)),
                "3xx" => Some(StatusRule::Class(3)),
                "4xx" => Some(StatusRule::Class(4)),
                "5xx" => Some(StatusRule::Class(5)),
                // One spelling: not "0401", not "+401".
                text if text.len() == 3 => text.parse().ok().and_then(exactly),
                _ => None,
            },
            _ => None,
        };
        match rule {
            Some(rule) => Some(Self(rule)),
            None => wrong(
                node,
                r#"a status, 200 to 599, or a class of them, "2xx" to "5xx""#,
                at,
            ),
        }
    }
}

fn exactly(number: u64) -> Option<StatusRule> {
    let status = u16::try_from(number).ok().filter(|n| FINAL.contains(n));
    status.map(StatusRule::Exactly)
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

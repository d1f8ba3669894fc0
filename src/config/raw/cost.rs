use super::super::at::At;
use super::super::read::{Read, fields, wrong};
use super::super::tree::Node;
use super::super::{Field, Whole};
#[cfg(feature = "schema")]
use schemars::JsonSchema;

/// Units one request takes.
#[derive(Debug)]
#[cfg_attr(feature = "schema", derive(JsonSchema), schemars(untagged))]
pub enum Cost {
    /// Always as many; 0 looks without taking.
    Units(Whole),
    /// What a header says.
    From(CostFrom),
}

/// The header that says what a request takes: one of the request (`header`), or one of the answer
/// (`response_header`).
#[derive(Debug, Default)]
#[cfg_attr(
    feature = "schema",
    derive(JsonSchema),
    schemars(default, deny_unknown_fields, extend("required" = ["max"], "oneOf" = either()))
)]
pub struct CostFrom {
    /// A request header. A value that is no whole number in `min` to `max` is answered with 400.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 128)))]
    pub header: Field<String>,
    /// A header of the upstream's answer; charged when the answer is there, without anyone waiting. A
    /// value that is no whole number in 0 to `max` counts as `default`.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 128)))]
    pub response_header: Field<String>,
    /// Units when the header is missing. Default 1.
    pub default: Field<Whole>,
    /// Fewest units a request may ask for. Default 1. Only with `header`.
    pub min: Field<Whole>,
    /// Most units of one request, >= 1.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub max: Field<Whole>,
    /// Units taken before the answer is known; the difference is settled afterwards. Default 0: one
    /// must be available, none is taken. Only with `response_header`.
    pub reserve: Field<Whole>,
}

fields!(CostFrom: header, response_header, default, min, max, reserve);

impl Read for Cost {
    fn read(node: &Node, at: &At<'_>) -> Option<Self> {
        match node {
            Node::Number(number) if let Some(units) = Node::whole(*number) => {
                Some(Self::Units(Whole(units)))
            }
            Node::Map(_) => CostFrom::read(node, at).map(Self::From),
            _ => wrong(
                node,
                "a whole number >= 0 and < 2^53, or a mapping with header or response_header",
                at,
            ),
        }
    }
}

#[cfg(feature = "schema")]
fn either() -> serde_json::Value {
    serde_json::json!([{ "required": ["header"] }, { "required": ["response_header"] }])
}

//! The JSON Schema of scalars.

use super::{Duration, Percent, Size, Whole, Window};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

impl JsonSchema for Whole {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Whole".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 0, "maximum": (1_u64 << 53) - 1 })
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A whole number and a unit: 500ms, 30s, 5m, 12h or 1d.",
            "type": "string",
            "pattern": "^[0-9]+(ms|s|m|h|d)$",
        })
    }
}

impl JsonSchema for Window {
    fn schema_name() -> Cow<'static, str> {
        "Window".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A whole number and a unit: 500ms, 30s, 5m, 12h or 1d. Or a unit of the calendar: day, week, month or year.",
            "type": "string",
            "pattern": "^([0-9]+(ms|s|m|h|d)|day|week|month|year)$",
        })
    }
}

impl JsonSchema for Percent {
    fn schema_name() -> Cow<'static, str> {
        "Percent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A percentage, 0% to 100%, with two decimals at most: 25%, 0.5%.",
            "type": "string",
            "pattern": "^(100(\\.00?)?|[0-9]{1,2}(\\.[0-9]{1,2})?)%$",
        })
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A whole number and a unit: 512B, 64KiB or 1MiB.",
            "type": "string",
            "pattern": "^[0-9]+(B|KiB|MiB)$",
        })
    }
}

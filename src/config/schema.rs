//! The JSON Schema of the configuration.

use super::raw;
use schemars::generate::SchemaSettings;

/// Which edition of JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Draft {
    /// Draft 2020-12.
    #[default]
    Draft202012,
    /// Draft 07, which editors know.
    Draft07,
}

/// The schema of [`raw::Config`]. It knows shapes, words and ranges of single values; what needs more
/// than one of them to be judged (references, `idle` against `absolute`) only [`super::parse`] knows.
pub fn json_schema(draft: Draft) -> serde_json::Value {
    let settings = match draft {
        Draft::Draft202012 => SchemaSettings::draft2020_12(),
        Draft::Draft07 => SchemaSettings::draft07(),
    };
    let generator = settings.into_generator();
    generator.into_root_schema_for::<raw::Config>().to_value()
}

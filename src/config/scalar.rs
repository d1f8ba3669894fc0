//! Numbers, durations and sizes as they are written.

use super::at::Shown;
use core::fmt;
use core::marker::PhantomData;
use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A whole number, 0 <= n < 2^53. Doubles are taken when they are whole, because Envoy sends every
/// number as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole(pub u64);

/// A duration: a whole number and a unit, `500ms`, `30s`, `5m`, `12h` or `1d`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duration {
    /// Microseconds.
    pub us: u64,
    /// As it was written.
    pub text: String,
}

/// A size: a whole number and a unit, `512B`, `64KiB` or `1MiB`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Size {
    /// Bytes.
    pub bytes: u64,
    /// As it was written.
    pub text: String,
}

/// What is read from a string.
trait FromText: Sized {
    /// What the string must be.
    const EXPECTED: &'static str;

    /// `None` when it is something else.
    fn from_text(text: &str) -> Option<Self>;
}

impl FromText for Duration {
    const EXPECTED: &'static str = r#"a duration like "500ms", "30s", "5m", "12h" or "1d""#;

    fn from_text(text: &str) -> Option<Self> {
        let (number, unit) = number_and_unit(text)?;
        let unit = match unit {
            "ms" => 1_000,
            "s" => 1_000_000,
            "m" => 60_000_000,
            "h" => 3_600_000_000,
            "d" => 86_400_000_000,
            _ => return None,
        };
        Some(Self {
            us: number.checked_mul(unit)?,
            text: text.to_owned(),
        })
    }
}

impl FromText for Size {
    const EXPECTED: &'static str = r#"a size like "512B", "64KiB" or "1MiB""#;

    fn from_text(text: &str) -> Option<Self> {
        let (number, unit) = number_and_unit(text)?;
        let unit = match unit {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            _ => return None,
        };
        Some(Self {
            bytes: number.checked_mul(unit)?,
            text: text.to_owned(),
        })
    }
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit))
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        u64::deserialize(input).map(Self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_str(TextVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_str(TextVisitor(PhantomData))
    }
}

struct TextVisitor<T>(PhantomData<T>);

impl<T: FromText> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        let value = T::from_text(text);
        value.ok_or_else(|| E::custom(format_args!("must be {}, got {}", T::EXPECTED, Shown(text))))
    }
}

#[cfg(feature = "schema")]
mod schema {
    use super::{Duration, Size, Whole};
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
}

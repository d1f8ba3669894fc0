//! Numbers, durations, windows, percentages and sizes as they are written.

#[cfg(feature = "schema")]
mod schema;

use super::at::{At, Shown};
use super::read::{Read, text, wrong};
use super::tree::Node;
use crate::policy::{ALL_KEYS, CalendarUnit};
use core::fmt;
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

/// The window of a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Window {
    /// `day`, `week`, `month` or `year`.
    Calendar(CalendarUnit),
    /// So long.
    Lasting(Duration),
}

/// A percentage: `25%`, `0.5%` or `12.25%`, at most `100%`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Percent {
    /// Parts of 10,000.
    pub parts: u32,
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

impl FromText for Window {
    const EXPECTED: &'static str =
        r#"a duration like "500ms", "30s", "5m", "12h" or "1d", or day, week, month or year"#;

    fn from_text(text: &str) -> Option<Self> {
        match CalendarUnit::from_name(text) {
            Some(unit) => Some(Self::Calendar(unit)),
            None => Duration::from_text(text).map(Self::Lasting),
        }
    }
}

impl Window {
    /// As it was written.
    pub fn text(&self) -> &str {
        match self {
            Self::Calendar(unit) => unit.name(),
            Self::Lasting(duration) => &duration.text,
        }
    }
}

impl FromText for Percent {
    const EXPECTED: &'static str = r#"a percentage like "25%" or "0.5%", at most "100%""#;

    fn from_text(text: &str) -> Option<Self> {
        let number = text.strip_suffix('%')?;
        // One spelling of a missing fraction: "5", not "5.".
        let (whole, fraction) = match number.split_once('.') {
            Some((whole, fraction)) => (whole, fraction),
            None => (number, "0"),
        };
        let digits = |text: &str, max| {
            let plain = text.bytes().all(|b| b.is_ascii_digit());
            (plain && (1..=max).contains(&text.len())).then(|| text.parse::<u32>().ok())?
        };
        let hundredths = match fraction.len() {
            1 => digits(fraction, 1)?.checked_mul(10)?,
            _ => digits(fraction, 2)?,
        };
        let whole = match whole {
            "100" => 100,
            whole => digits(whole, 2)?,
        };
        let parts = whole.checked_mul(100)?.checked_add(hundredths)?;
        (parts <= ALL_KEYS).then(|| Self {
            parts,
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

impl Read for Whole {
    fn read(node: &Node, at: &At<'_>) -> Option<Self> {
        let whole = match node {
            Node::Number(number) => Node::whole(*number),
            _ => None,
        };
        match whole {
            Some(number) => Some(Self(number)),
            None => wrong(node, "a whole number >= 0 and < 2^53", at),
        }
    }
}

impl Read for Duration {
    fn read(node: &Node, at: &At<'_>) -> Option<Self> {
        from_text(node, at)
    }
}

impl Read for Window {
    fn read(node: &Node, at: &At<'_>) -> Option<Self> {
        from_text(node, at)
    }
}

impl Read for Size {
    fn read(node: &Node, at: &At<'_>) -> Option<Self> {
        from_text(node, at)
    }
}

impl Read for Percent {
    fn read(node: &Node, at: &At<'_>) -> Option<Self> {
        match node {
            Node::Text(_) => from_text(node, at),
            // Not "a string": to quote a bare 25 would not mend it.
            _ => wrong(node, Self::EXPECTED, at),
        }
    }
}

fn from_text<T: FromText>(node: &Node, at: &At<'_>) -> Option<T> {
    match T::from_text(text(node, at)?) {
        Some(value) => Some(value),
        None => wrong(node, T::EXPECTED, at),
    }
}

/// For what the bridge reads with serde; a configuration is read by [`Read`].
impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_str(DurationVisitor)
    }
}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Duration::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        let wrong = || {
            E::custom(format_args!(
                "must be {}, got {}",
                Duration::EXPECTED,
                Shown(text)
            ))
        };
        Duration::from_text(text).ok_or_else(wrong)
    }
}

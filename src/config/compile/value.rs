//! Checks that several sections share.

use super::super::at::{At, Shown};
use super::super::field::Field;
use super::super::scalar::{Duration, Whole};
use core::ops::RangeInclusive;

/// Longest time anything lives, microseconds: 366 days, what the wire takes.
const MAX_US: u64 = crate::wire::op::MAX_TTL_MS.saturating_mul(1_000);

/// The field's number, or `default`; it must be in `range`.
pub(super) fn within(
    field: &Field<Whole>,
    default: u64,
    range: RangeInclusive<u64>,
    at: &At<'_>,
) -> Option<u64> {
    field.value(default, |&Whole(number)| {
        if range.contains(&number) {
            return Some(number);
        }
        let (least, most) = range.into_inner();
        at.fail(format!("must be {least} to {most}, got {number}"))
    })
}

/// The duration in microseconds; it must be more than 0 and at most 366 days.
pub(super) fn lasting_us(duration: &Duration, at: &At<'_>) -> Option<u64> {
    match duration.us {
        0 => at.fail(format!("must be > 0, got {}", duration.text)),
        us if us > MAX_US => at.fail(format!("must be at most 366d, got {}", duration.text)),
        us => Some(us),
    }
}

/// The same in milliseconds, which every unit is a multiple of.
pub(super) fn lasting_ms(duration: &Duration, at: &At<'_>) -> Option<u64> {
    lasting_us(duration, at).map(|us| us / 1_000)
}

/// Whether `us` is a time anything may take.
pub(super) fn is_bearable(us: Option<u64>) -> bool {
    us.is_some_and(|us| us <= MAX_US)
}

/// The text, which must have 1 to `max` bytes and no control character.
pub(super) fn text(text: &str, max: usize, at: &At<'_>) -> Option<String> {
    if text.is_empty() || text.len() > max || text.chars().any(char::is_control) {
        return at.fail(format!(
            "must have 1 to {max} bytes and no control characters, got {}",
            Shown(text)
        ));
    }
    Some(text.to_owned())
}

/// The text, which must be a token of RFC 9110 section 5.6.2: what names of fields, cookies (RFC 6265
/// section 4.1.1) and methods are.
pub(super) fn token<'a>(text: &'a str, what: &str, at: &At<'_>) -> Option<&'a str> {
    if text.is_empty() || text.len() > 128 || !text.bytes().all(is_token_byte) {
        return at.fail(format!(
            "must be {what} (RFC 9110 token, at most 128 bytes), got {}",
            Shown(text)
        ));
    }
    Some(text)
}

fn is_token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

/// The name of a header, lower-cased. The prefix of our identity headers is reserved.
pub(super) fn header(name: &str, at: &At<'_>) -> Option<String> {
    let name = token(name, "the name of a header", at)?.to_ascii_lowercase();
    if name.replace('_', "-").starts_with("x-session-") {
        return at.fail(format!(
            "x-session- headers are tidegate's own and removed from every request, got {}",
            Shown(&name)
        ));
    }
    Some(name)
}

/// Adds `item`, or remembers that one is missing.
pub(super) fn push<T>(list: &mut Option<Vec<T>>, item: Option<T>) {
    match (&mut *list, item) {
        (Some(list), Some(item)) => list.push(item),
        _ => *list = None,
    }
}

/// Compiles every item of a list before it gives up.
pub(super) fn list<T, U>(
    items: &[Field<T>],
    at: &At<'_>,
    compile: impl Fn(&T, &At<'_>) -> Option<U>,
) -> Option<Vec<U>> {
    let mut compiled = Some(Vec::with_capacity(items.len()));
    for (index, item) in items.iter().enumerate() {
        let item = item.given().and_then(|item| compile(item, &at.item(index)));
        push(&mut compiled, item);
    }
    compiled
}

/// Reports an item that is there twice.
pub(super) fn distinct<T: PartialEq>(items: &[T], at: &At<'_>) -> Option<()> {
    let mut result = Some(());
    for (index, item) in items.iter().enumerate() {
        if items.iter().take(index).any(|other| other == item) {
            result = at.item(index).fail("given twice");
        }
    }
    result
}

/// A list must not be empty and not hold more than `max`.
pub(super) fn count<T>(items: &[T], max: usize, at: &At<'_>) -> Option<()> {
    if items.is_empty() || items.len() > max {
        return at.fail(format!("must have 1 to {max} items, got {}", items.len()));
    }
    Some(())
}

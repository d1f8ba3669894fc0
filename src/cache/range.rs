//! Parts of a stored body (RFC 9110, 14).

use super::record::Record;
use super::validate::is_strong;
use crate::http::{Headers, date};

/// What a Range asks of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The bytes from the first to the last, both included.
    Bytes(usize, usize),
    /// Nothing of it: 416.
    Unsatisfiable,
    /// All of it: no range, several, one that cannot be read or of another unit, or a condition that does
    /// not hold. A server may ignore Range (14.2).
    Whole,
}

/// The part of a stored 200 that a GET asks for.
pub(super) fn wanted(record: &Record<'_>, method: &[u8], request: &Headers) -> Part {
    if method != b"GET" || record.status != 200 || !if_range(record, request) {
        return Part::Whole;
    }
    match request.only("range") {
        Some(range) => part(range, record.body.len()),
        None => Part::Whole,
    }
}

/// 13.1.5: whether Range counts. By the strong comparison; a date is a strong validator only when it is
/// older than the answer by a second (8.8.2.2).
fn if_range(record: &Record<'_>, request: &Headers) -> bool {
    if !request.contains("if-range") {
        return true;
    }
    let Some(condition) = request.only("if-range").map(<[u8]>::trim_ascii) else {
        return false;
    };
    if condition.ends_with(b"\"") {
        return is_strong(condition) && record.only("etag") == Some(condition);
    }
    let dates = ["last-modified", "date"].map(|name| {
        let text = record.only(name)?;
        date::parse(text, None)
    });
    match (dates, date::parse(condition, None)) {
        ([Some(modified), Some(sent)], Some(since)) => since == modified && modified < sent,
        _ => false,
    }
}

/// 14.1.1 and 14.1.2: `bytes=FIRST-LAST`, `FIRST-` or `-LENGTH`.
fn part(range: &[u8], len: usize) -> Part {
    let unit = range.get(..6).unwrap_or_default();
    if !unit.eq_ignore_ascii_case(b"bytes=") {
        return Part::Whole;
    }
    let spec = range.get(6..).unwrap_or_default().trim_ascii();
    let mut halves = spec.splitn(2, |b| *b == b'-');
    let (Some(first), Some(last)) = (halves.next(), halves.next()) else {
        return Part::Whole;
    };
    let end = len.saturating_sub(1);
    match (first, number(first), last, number(last)) {
        (b"", _, _, Some(suffix)) => match suffix.min(len) {
            0 => Part::Unsatisfiable,
            some => Part::Bytes(len.saturating_sub(some), end),
        },
        (_, Some(first), b"", _) if first < len => Part::Bytes(first, end),
        (_, Some(first), _, Some(last)) if first <= last && first < len => {
            Part::Bytes(first, last.min(end))
        }
        (_, Some(_), b"", _) => Part::Unsatisfiable,
        (_, Some(first), _, Some(last)) if first <= last => Part::Unsatisfiable,
        _ => Part::Whole,
    }
}

/// `1*DIGIT`; what overflows is more than any body has.
fn number(text: &[u8]) -> Option<usize> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits.then(|| {
        core::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(usize::MAX)
    })
}

#[cfg(test)]
mod tests;

//! What a header says a request costs.

use crate::http::Headers;
use core::fmt;

/// Why a header's value is no cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    /// Not decimal digits.
    NotANumber,
    /// Outside the limit's `min..=max`, both given.
    Range(u64, u64),
    /// Several values: the one that counts here need not be the one that counts at the upstream.
    Several,
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotANumber => f.write_str("must be a whole number"),
            Self::Range(min, max) => write!(f, "must be a whole number from {min} to {max}"),
            Self::Several => f.write_str("must be sent once"),
        }
    }
}

impl core::error::Error for Bad {}

/// The cost in a request's header; `default` without one.
///
/// # Errors
///
/// The header is no cost in `min..=max`, which is the client's mistake.
pub fn of_request(
    headers: &Headers,
    name: &str,
    default: u64,
    min: u64,
    max: u64,
) -> Result<u64, Bad> {
    let mut lines = headers.all(name);
    let Some(line) = lines.next() else {
        return Ok(default);
    };
    if lines.next().is_some() {
        return Err(Bad::Several);
    }
    let units = number(line).ok_or(Bad::NotANumber)?;
    if (min..=max).contains(&units) {
        Ok(units)
    } else {
        Err(Bad::Range(min, max))
    }
}

/// The cost in a response's header; `default` when it has none in `0..=max`.
pub fn of_response(headers: &Headers, name: &str, default: u64, max: u64) -> u64 {
    of_request(headers, name, default, 0, max).unwrap_or(default)
}

/// Decimal digits, with optional blanks around them (RFC 9110, 5.5); no sign, no exponent.
fn number(text: &[u8]) -> Option<u64> {
    let digits = text.trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // More than u64 holds is above any `max`.
    let text = core::str::from_utf8(digits).ok()?;
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(lines: &[&str]) -> Result<u64, Bad> {
        let headers = Headers::from_pairs(lines.iter().map(|line| ("x-cost", line.as_bytes())));
        of_request(&headers, "x-cost", 3, 1, 50)
    }

    #[test]
    fn a_request_says_its_cost_once_and_in_digits() {
        for (lines, said) in [
            (&[][..], Ok(3)),
            (&["1"], Ok(1)),
            (&["50"], Ok(50)),
            (&[" 7\t"], Ok(7)),
            (&["007"], Ok(7)),
            (&["0"], Err(Bad::Range(1, 50))),
            (&["51"], Err(Bad::Range(1, 50))),
            (&["18446744073709551617"], Err(Bad::Range(1, 50))),
            (&[""], Err(Bad::NotANumber)),
            (&["-1"], Err(Bad::NotANumber)),
            (&["+1"], Err(Bad::NotANumber)),
            (&["1.0"], Err(Bad::NotANumber)),
            (&["1e1"], Err(Bad::NotANumber)),
            (&["1, 2"], Err(Bad::NotANumber)),
            (&["NaN"], Err(Bad::NotANumber)),
            (&["1", "1"], Err(Bad::Several)),
        ] {
            assert_eq!(asked(lines), said, "{lines:?}");
        }
    }

    #[test]
    fn a_response_that_says_nothing_usable_costs_the_default() {
        for (lines, cost) in [
            (&[][..], 9),
            (&["0"], 0),
            (&["100"], 100),
            (&["101"], 9),
            (&["x"], 9),
            (&["1", "2"], 9),
        ] {
            let headers = Headers::from_pairs(lines.iter().map(|line| ("x-cost", line.as_bytes())));
            assert_eq!(of_response(&headers, "x-cost", 9, 100), cost, "{lines:?}");
        }
    }
}

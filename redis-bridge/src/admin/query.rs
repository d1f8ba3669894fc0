//! Path segments and query parameters, percent-decoded (RFC 3986, 2.1).

use crate::listener::problem::Problem;
use http::StatusCode;

/// Longest decoded value, bytes.
const MAX_VALUE: usize = 8192;

/// Parameters in order; names may repeat.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Splits at `&` and `=`. `+` is itself: this is no form.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        });
        pairs.collect::<Result<_, _>>().map(Self)
    }

    /// The value of `name`, which may be there once.
    pub(super) fn one(&self, name: &str) -> Result<Option<&str>, Problem> {
        match self.all(name).as_slice() {
            [] => Ok(None),
            [value] => Ok(Some(value)),
            _ => Err(bad(format!("{name} is there more than once"))),
        }
    }

    /// All values of `name`, in order.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.0.iter().filter(|(found, _)| found == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// Refuses parameters not in `known`: a misspelt one must not widen what is done.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Problem> {
        match self
            .0
            .iter()
            .find(|(name, _)| !known.contains(&name.as_str()))
        {
            Some(_) => Err(bad(format!("parameters here: {}", known.join(", ")))),
            None => Ok(()),
        }
    }
}

/// The segments of a path, each decoded by itself.
pub(super) fn segments(path: &str) -> Result<Vec<String>, Problem> {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split('/').map(decode).collect()
}

fn decode(text: &str) -> Result<String, Problem> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => break,
            [b'%', high, low, rest @ ..] => {
                let digit = |b: &u8| char::from(*b).to_digit(16);
                let byte = digit(high).zip(digit(low));
                let (high, low) = byte.ok_or_else(|| bad("malformed %-escape"))?;
                bytes.extend(u8::try_from(high << 4 | low));
                rest
            }
            [b'%', ..] => return Err(bad("malformed %-escape")),
            [byte, rest @ ..] => {
                bytes.push(*byte);
                rest
            }
        };
    }
    if bytes.len() > MAX_VALUE {
        return Err(bad("value too long"));
    }
    String::from_utf8(bytes).map_err(|_| bad("not UTF-8"))
}

fn bad(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

#[cfg(test)]
mod tests;

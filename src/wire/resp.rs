//! RESP2 values: encode, decode.
//!
//! Source: Redis serialization protocol specification, version 2. Inline commands and RESP3 types are
//! refused. Decoding borrows from the input and allocates for arrays only, at most [`Bounds::items`]
//! of them in all, so an announced length costs nothing before its bytes are there.

use core::fmt;

/// Characters of the longest number, `i64::MIN`.
const MAX_NUMBER: usize = 20;

/// One RESP2 value, borrowing its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// `*n` followed by n values.
    Array(Vec<Value<'a>>),
    /// `$n` and n bytes.
    Bulk(&'a [u8]),
    /// `-` and a line: a code in capitals, then text.
    Error(&'a [u8]),
    /// `:` and a signed decimal.
    Integer(i64),
    /// `$-1` or `*-1`.
    Null,
    /// `+` and a line.
    Simple(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The bytes of a bulk or simple string.
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        match *self {
            Self::Bulk(bytes) | Self::Simple(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The number of an integer, or of a bulk string that is a canonical decimal.
    pub fn as_int(&self) -> Option<i64> {
        match *self {
            Self::Integer(n) => Some(n),
            Self::Bulk(bytes) => parse_int(bytes),
            _ => None,
        }
    }

    /// The items of an array.
    pub fn as_array(&self) -> Option<&[Value<'a>]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// Appends the value's encoding.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Array(items) => {
                array(out, items.len());
                for item in items {
                    item.encode(out);
                }
            }
            Self::Bulk(bytes) => bulk(out, bytes),
            Self::Error(line) => error(out, line),
            Self::Integer(n) => integer(out, *n),
            Self::Null => null(out),
            Self::Simple(line) => simple(out, line),
        }
    }
}

/// What a decoder accepts.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Nested arrays, at most.
    pub depth: usize,
    /// Values in one message, at most.
    pub items: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            depth: 6,
            items: 16_384,
        }
    }
}

/// Why bytes are not RESP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// More nesting than [`Bounds::depth`].
    Depth,
    /// The input ends inside a value.
    Incomplete,
    /// More values than [`Bounds::items`].
    Items,
    /// A length or integer that is not a canonical decimal in range.
    Number,
    /// A first byte that is no type, or a line without CR LF.
    Syntax,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Depth => "arrays nested too deep",
            Self::Incomplete => "input ends inside a value",
            Self::Items => "too many values",
            Self::Number => "malformed number",
            Self::Syntax => "malformed RESP",
        })
    }
}

impl core::error::Error for DecodeError {}

/// Reads values from a complete message.
#[derive(Debug)]
pub struct Decoder<'a> {
    input: &'a [u8],
    depth: usize,
    items: usize,
}

impl<'a> Decoder<'a> {
    /// A decoder of `input`.
    pub fn new(input: &'a [u8], bounds: Bounds) -> Self {
        Self {
            input,
            depth: bounds.depth,
            items: bounds.items,
        }
    }

    /// The next value; `None` at the end of the input. After an error the rest is meaningless.
    pub fn next_value(&mut self) -> Result<Option<Value<'a>>, DecodeError> {
        if self.input.is_empty() {
            return Ok(None);
        }
        self.value(self.depth).map(Some)
    }

    /// All values up to the end of the input.
    pub fn all(mut self) -> Result<Vec<Value<'a>>, DecodeError> {
        let mut values = Vec::new();
        while let Some(value) = self.next_value()? {
            values.push(value);
        }
        Ok(values)
    }

    /// Bytes not yet read.
    pub fn rest(&self) -> &'a [u8] {
        self.input
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>, DecodeError> {
        self.items = self.items.checked_sub(1).ok_or(DecodeError::Items)?;
        let (&kind, rest) = self.input.split_first().ok_or(DecodeError::Incomplete)?;
        self.input = rest;
        // Before its line is looked for: what is no RESP must not look like RESP that is still coming.
        match kind {
            b'+' => self.line().map(Value::Simple),
            b'-' => self.line().map(Value::Error),
            b':' => parse_int(self.number_line()?)
                .map(Value::Integer)
                .ok_or(DecodeError::Number),
            b'$' => match length(self.number_line()?)? {
                None => Ok(Value::Null),
                Some(n) => self.take_bulk(n).map(Value::Bulk),
            },
            b'*' => match length(self.number_line()?)? {
                None => Ok(Value::Null),
                Some(n) => self.array(n, depth),
            },
            _ => Err(DecodeError::Syntax),
        }
    }

    fn array(&mut self, n: usize, depth: usize) -> Result<Value<'a>, DecodeError> {
        let depth = depth.checked_sub(1).ok_or(DecodeError::Depth)?;
        if n > self.items {
            return Err(DecodeError::Items);
        }
        // The shortest value is three bytes, so what is announced beyond that cannot be there.
        if n > self.input.len() / 3 {
            return Err(DecodeError::Incomplete);
        }
        let mut items = Vec::with_capacity(n);
        for _ in 0..n {
            items.push(self.value(depth)?);
        }
        Ok(Value::Array(items))
    }

    fn line(&mut self) -> Result<&'a [u8], DecodeError> {
        let end = self.input.iter().position(|&b| b == b'\r' || b == b'\n');
        let end = end.ok_or(DecodeError::Incomplete)?;
        let (line, rest) = self
            .input
            .split_at_checked(end)
            .ok_or(DecodeError::Incomplete)?;
        self.input = match rest {
            [b'\r', b'\n', rest @ ..] => rest,
            [b'\r'] => return Err(DecodeError::Incomplete),
            _ => return Err(DecodeError::Syntax),
        };
        Ok(line)
    }

    /// A line that holds a number: refused as soon as it is longer than any number.
    fn number_line(&mut self) -> Result<&'a [u8], DecodeError> {
        let mut head = self.input.iter().take(MAX_NUMBER.saturating_add(1));
        if self.input.len() > MAX_NUMBER && !head.any(|b| matches!(b, b'\r' | b'\n')) {
            return Err(DecodeError::Number);
        }
        self.line()
    }

    fn take_bulk(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        let (bytes, rest) = self
            .input
            .split_at_checked(n)
            .ok_or(DecodeError::Incomplete)?;
        self.input = match rest {
            [b'\r', b'\n', rest @ ..] => rest,
            [] | [b'\r'] => return Err(DecodeError::Incomplete),
            _ => return Err(DecodeError::Syntax),
        };
        Ok(bytes)
    }
}

/// Decodes a whole message with the default bounds.
pub fn decode_all(input: &[u8]) -> Result<Vec<Value<'_>>, DecodeError> {
    Decoder::new(input, Bounds::default()).all()
}

/// A canonical decimal: optional `-`, no `+`, no leading zeros, no `-0`.
pub fn parse_int(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    match digits {
        [] | [b'0', _, ..] => return None,
        [b'0'] if digits.len() != text.len() => return None,
        _ => {}
    }
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(text).ok()?.parse().ok()
}

/// A length: `-1` is null, other negatives and anything over 512 MiB are refused.
fn length(line: &[u8]) -> Result<Option<usize>, DecodeError> {
    const MAX: i64 = 512 << 20;
    match parse_int(line) {
        Some(-1) => Ok(None),
        Some(n @ 0..=MAX) => usize::try_from(n)
            .map(Some)
            .map_err(|_| DecodeError::Number),
        _ => Err(DecodeError::Number),
    }
}

/// Appends the head of an array of `n` values.
pub fn array(out: &mut Vec<u8>, n: usize) {
    out.push(b'*');
    decimal(out, n as u64);
    out.extend_from_slice(b"\r\n");
}

/// Appends a bulk string.
pub fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'$');
    decimal(out, bytes.len() as u64);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// Appends a number as a bulk string, as operations carry it.
pub fn bulk_int(out: &mut Vec<u8>, n: u64) {
    let mut text = [0_u8; 20];
    bulk(out, digits(n, &mut text));
}

/// Appends an integer.
pub fn integer(out: &mut Vec<u8>, n: i64) {
    out.push(b':');
    if n < 0 {
        out.push(b'-');
    }
    decimal(out, n.unsigned_abs());
    out.extend_from_slice(b"\r\n");
}

/// Appends an error; CR and LF in it become spaces.
pub fn error(out: &mut Vec<u8>, line: &[u8]) {
    out.push(b'-');
    push_line(out, line);
}

/// Appends a simple string; CR and LF in it become spaces.
pub fn simple(out: &mut Vec<u8>, line: &[u8]) {
    out.push(b'+');
    push_line(out, line);
}

/// Appends a null.
pub fn null(out: &mut Vec<u8>) {
    out.extend_from_slice(b"$-1\r\n");
}

fn push_line(out: &mut Vec<u8>, line: &[u8]) {
    out.extend(
        line.iter()
            .map(|&b| if b == b'\r' || b == b'\n' { b' ' } else { b }),
    );
    out.extend_from_slice(b"\r\n");
}

fn decimal(out: &mut Vec<u8>, n: u64) {
    let mut text = [0_u8; 20];
    out.extend_from_slice(digits(n, &mut text));
}

fn digits(mut n: u64, text: &mut [u8; 20]) -> &[u8] {
    let mut start = text.len();
    for (at, slot) in text.iter_mut().enumerate().rev() {
        *slot = b'0'.wrapping_add((n % 10) as u8);
        start = at;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    text.get(start..).unwrap_or_default()
}

#[cfg(test)]
pub(super) mod tests;

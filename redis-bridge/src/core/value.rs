//! An owned RESP value: what Redis answered.

use tidegate::wire::resp;

/// One RESP2 value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// An array.
    Array(Vec<Value>),
    /// A bulk string.
    Bulk(Vec<u8>),
    /// An error line without its `-`: a code in capitals, then text.
    Error(Vec<u8>),
    /// An integer.
    Integer(i64),
    /// Nothing.
    Null,
    /// A simple string (status).
    Simple(Vec<u8>),
}

impl Value {
    /// A bulk string.
    pub fn bulk(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Bulk(bytes.into())
    }

    /// A simple string.
    pub fn simple(line: impl Into<Vec<u8>>) -> Self {
        Self::Simple(line.into())
    }

    /// An error line.
    pub fn error(line: impl Into<Vec<u8>>) -> Self {
        Self::Error(line.into())
    }

    /// The items of an array.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The bytes of a bulk or simple string.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bulk(bytes) | Self::Simple(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The number of an integer that is not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::Integer(n) => u64::try_from(n).ok(),
            _ => None,
        }
    }

    /// Appends the value's encoding.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Array(items) => {
                resp::array(out, items.len());
                for item in items {
                    item.encode(out);
                }
            }
            Self::Bulk(bytes) => resp::bulk(out, bytes),
            Self::Error(line) => resp::error(out, line),
            Self::Integer(n) => resp::integer(out, *n),
            Self::Null => resp::null(out),
            Self::Simple(line) => resp::simple(out, line),
        }
    }
}

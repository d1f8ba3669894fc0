//! Why an operation has no answer: the error line it gets instead.

use super::types::BackendError;
use std::fmt;
use tidegate::wire::OpError;

/// The failure of one operation. Its text is the error line on the wire: a code in capitals, then
/// words that hold no key, no value and no byte of the peer's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The value is too large for a decision stream; it can be had by `POST /v1/exchange`.
    Bulk,
    /// Over a bound of the bridge; nothing was sent to Redis.
    Busy,
    /// Redis is not reachable; whether the operation was carried out is not known.
    Down,
    /// A session with this secret exists already.
    Exists,
    /// The operation itself is wrong; nothing was sent to Redis.
    Op(OpError),
    /// More operations than an exchange may have; nothing was sent to Redis.
    Ops,
    /// Redis refused: its code word.
    Redis(String),
    /// A session's value does not open: another master key, or it was tampered with.
    Seal,
    /// Redis answered something that is no answer to this operation.
    Shape,
    /// The deadline passed; whether the operation was carried out is not known.
    Timeout,
}

impl Failure {
    /// From an error line of Redis or of a script: the code word only.
    pub(super) fn from_redis(line: &[u8]) -> Self {
        let code: Vec<u8> = line
            .iter()
            .copied()
            .take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
            .take(32)
            .collect();
        match code.as_slice() {
            b"" => Self::Redis("ERR".to_owned()),
            b"SHAPE" => Self::Shape,
            _ => Self::Redis(String::from_utf8_lossy(&code).into_owned()),
        }
    }

    /// The code word, for counters.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Bulk => "BULK",
            Self::Busy => "BUSY",
            Self::Down => "DOWN",
            Self::Exists => "EXISTS",
            Self::Op(OpError::Arity) => "ARITY",
            Self::Op(OpError::Argument(_)) => "ARGUMENT",
            Self::Op(OpError::Ttl) => "TTL",
            Self::Op(OpError::Verb) => "VERB",
            Self::Ops => "OPS",
            Self::Redis(_) => "REDIS",
            Self::Seal => "SEAL",
            Self::Op(OpError::Shape) | Self::Shape => "SHAPE",
            Self::Timeout => "TIMEOUT",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bulk => f.write_str("BULK too large for a stream, ask by POST /v1/exchange"),
            Self::Busy => f.write_str("BUSY too much pending"),
            Self::Down => f.write_str("DOWN redis is not reachable"),
            Self::Exists => f.write_str("EXISTS this session exists"),
            Self::Op(e) => write!(f, "{e}"),
            Self::Ops => f.write_str("OPS too many operations in one exchange"),
            Self::Redis(code) => write!(f, "REDIS {code}"),
            Self::Seal => f.write_str("SEAL the session's value does not open"),
            Self::Shape => f.write_str("SHAPE redis answered an unexpected shape"),
            Self::Timeout => f.write_str("TIMEOUT the deadline passed"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<BackendError> for Failure {
    fn from(e: BackendError) -> Self {
        match e {
            BackendError::Down => Self::Down,
            BackendError::Timeout => Self::Timeout,
        }
    }
}

impl From<OpError> for Failure {
    fn from(e: OpError) -> Self {
        Self::Op(e)
    }
}

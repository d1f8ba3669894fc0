//! redis-rs' values and errors as the core's.

use crate::core::{BackendError, Value};
use redis::{RedisError, ServerError, ServerErrorKind};

/// The core's form of what Redis answered; bytes are moved. Scripts answer RESP2 types only, so what
/// only RESP3 has is an error of that operation.
pub fn value(value: redis::Value) -> Value {
    match value {
        redis::Value::Nil => Value::Null,
        redis::Value::Int(n) => Value::Integer(n),
        redis::Value::BulkString(bytes) => Value::Bulk(bytes),
        redis::Value::Array(items) => Value::Array(items.into_iter().map(self::value).collect()),
        redis::Value::SimpleString(line) => Value::Simple(line.into_bytes()),
        redis::Value::Okay => Value::simple(*b"OK"),
        redis::Value::ServerError(error) => server_error(&error),
        _ => Value::error(*b"SHAPE not a RESP2 value"),
    }
}

/// An error line: its code word first, as Redis sent it.
pub fn server_error(error: &ServerError) -> Value {
    let mut line = error.code().as_bytes().to_vec();
    if let Some(details) = error.details() {
        line.push(b' ');
        line.extend_from_slice(details.as_bytes());
    }
    Value::Error(line)
}

/// A failure of the link.
pub fn link_error(error: &RedisError) -> BackendError {
    if error.is_timeout() {
        BackendError::Timeout
    } else {
        BackendError::Down
    }
}

/// Whether the script was not there, so nothing was executed.
pub fn is_noscript(value: &redis::Value) -> bool {
    matches!(value, redis::Value::ServerError(e) if e.kind() == Some(ServerErrorKind::NoScript))
}

/// Whether a server that has become a replica refused it.
pub fn is_readonly(value: &Value) -> bool {
    matches!(value, Value::Error(line) if line.starts_with(b"READONLY"))
}

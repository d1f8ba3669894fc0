//! Answers that are handed on later.
//!
//! What a callback of the host wants done for requests is put off until it returns. A reply then calls the filter back,
//! and what is still put off is done when *that* callback returns: one within the other, as many deep as there are
//! replies (proxy-wasm-cpp-host, `doAfterVmCallActions`). Four hundred used up the stack of a machine on Envoy 1.40,
//! which is its end: "Maximum call stack size exceeded". A bridge that freezes ends as many in one moment.

use super::{CallError, CallId};
use crate::wire::{Value, resp};
use std::collections::VecDeque;

/// Requests that are told how their calls ended in one callback: a tenth of what a machine's stack holds, because what
/// else is in the filter chain has its share of it. A bridge puts no more replies into one message.
pub const AT_ONCE: usize = 32;

/// Answers to requests, in the order they came.
#[derive(Debug, Default)]
pub struct Backlog(VecDeque<Later>);

/// An answer that outlives the message it came in.
#[derive(Debug)]
pub struct Later {
    /// Whose it is.
    pub context: u32,
    /// To which call.
    pub call: CallId,
    /// The encoded values.
    result: Result<Vec<u8>, CallError>,
}

impl Backlog {
    /// Whether nothing is put off.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts the answer to a request's call off.
    pub fn push(&mut self, context: u32, call: CallId, result: Result<Vec<Value<'_>>, CallError>) {
        let encoded = |values: Vec<Value<'_>>| {
            let mut bytes = Vec::new();
            values.iter().for_each(|value| value.encode(&mut bytes));
            bytes
        };
        self.0.push_back(Later {
            context,
            call,
            result: result.map(encoded),
        });
    }

    /// The one that was put off first.
    pub fn pop(&mut self) -> Option<Later> {
        self.0.pop_front()
    }
}

impl Later {
    /// What it says.
    ///
    /// # Errors
    ///
    /// As the call ended.
    pub fn result(&self) -> Result<Vec<Value<'_>>, CallError> {
        let bytes = self.result.as_ref().map_err(|error| *error)?;
        resp::decode_all(bytes).map_err(|_| CallError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_off_is_said_later_as_it_was_and_in_order() {
        let mut backlog = Backlog::default();
        let values = vec![
            Value::Array(vec![Value::Simple(b"ok"), Value::Integer(-3), Value::Null]),
            Value::Bulk(b"a\r\n\0b"),
            Value::Error(b"SHAPE no"),
        ];
        for result in [Ok(values.clone()), Err(CallError::Timeout), Ok(Vec::new())] {
            backlog.push(3, CallId(7), result);
        }
        let later: Vec<Later> = core::iter::from_fn(|| backlog.pop()).collect();
        let told: Vec<_> = later.iter().map(Later::result).collect();
        assert_eq!(told, [Ok(values), Err(CallError::Timeout), Ok(Vec::new())]);
        assert!(later.iter().all(|l| (l.context, l.call) == (3, CallId(7))));
        assert!(backlog.is_empty());
    }
}

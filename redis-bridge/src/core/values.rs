//! The values of an exchange as they go on the wire, and how much its operations hold.

use super::exchanges::Outcome;
use super::failure::Failure;
use tidegate::wire::MAX_MESSAGE;
use tidegate::wire::resp::{self, Value as Wire};

/// Room a frame needs beside its values.
const FRAME_HEAD: usize = 64;

/// Each outcome as it goes on the wire.
pub(super) fn of(outcomes: Vec<Outcome>) -> Vec<Vec<u8>> {
    let encode = |outcome| match outcome {
        Outcome::Value(value) => value,
        Outcome::Failed(failure) => error(&failure),
        Outcome::Admin(_) => error(&Failure::Shape),
    };
    outcomes.into_iter().map(encode).collect()
}

/// Whether whoever asked will most likely be refused because of this: a limit denies, a session is absent,
/// or one of them could not be asked.
pub(super) fn refuses(outcome: &Outcome) -> bool {
    let Outcome::Value(value) = outcome else {
        return matches!(outcome, Outcome::Failed(_));
    };
    let first =
        resp::decode_all(value)
            .ok()
            .and_then(|values| match values.first()?.as_array()? {
                [first, ..] => Some(matches!(first, Wire::Integer(0) | Wire::Simple(b"absent"))),
                [] => None,
            });
    first.unwrap_or(false)
}

/// Bytes of a frame with these values, at most.
pub(super) fn room(values: &[Vec<u8>]) -> usize {
    FRAME_HEAD + values.iter().map(Vec::len).sum::<usize>()
}

/// Replaces the largest values until the rest fits a stream's message; how many.
pub(super) fn shrink(values: &mut [Vec<u8>]) -> u64 {
    let mut replaced = 0;
    while room(values) > MAX_MESSAGE {
        let Some(largest) = values.iter_mut().max_by_key(|value| value.len()) else {
            break;
        };
        *largest = error(&Failure::Bulk);
        replaced += 1;
    }
    replaced
}

fn error(failure: &Failure) -> Vec<u8> {
    let mut out = Vec::new();
    resp::error(&mut out, failure.to_string().as_bytes());
    out
}

/// Bytes an operation holds, about.
pub(super) fn size(value: &Wire<'_>) -> usize {
    const ITEM: usize = 16;
    match value {
        Wire::Array(items) => ITEM + items.iter().map(size).sum::<usize>(),
        Wire::Bulk(bytes) | Wire::Error(bytes) | Wire::Simple(bytes) => ITEM + bytes.len(),
        Wire::Integer(_) | Wire::Null => ITEM,
    }
}

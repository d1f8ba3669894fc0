//! Fuzz targets of the wire: of any bytes, what decodes is encoded to bytes that decode to the same.

use super::reply::{CacheReply, LimitReply, SessionReply, SessionWritten};
use super::{FromBridge, Op, ToBridge, TraceParent, Value, resp};

/// RESP: nulls apart, which have two spellings, there is one encoding.
pub fn fuzz_resp(data: &[u8]) {
    let Ok(values) = resp::decode_all(data) else {
        return;
    };
    let mut out = Vec::new();
    values.iter().for_each(|value| value.encode(&mut out));
    assert_eq!(out.len(), data.len());
    assert_eq!(resp::decode_all(&out), Ok(values));
}

/// Frames of both directions, and the trace that one may carry, as its field says it.
pub fn fuzz_frame(data: &[u8]) {
    if let Some(parent) = TraceParent::parse(data) {
        let text = parent.to_string();
        assert_eq!(TraceParent::parse(text.as_bytes()), Some(parent));
        assert_eq!(TraceParent::from_bytes(parent.as_bytes()), Some(parent));
    }
    let to = ToBridge::decode_all(data);
    let from = FromBridge::decode_all(data);
    let mut out = Vec::new();
    match (to, from) {
        (Ok(to), Ok(from)) => assert!(data.is_empty() && to.is_empty() && from.is_empty()),
        (Ok(frames), Err(_)) => {
            frames.iter().for_each(|frame| frame.encode(&mut out));
            assert_eq!(ToBridge::decode_all(&out), Ok(frames));
        }
        (Err(_), Ok(frames)) => {
            frames.iter().for_each(|frame| frame.encode(&mut out));
            assert_eq!(FromBridge::decode_all(&out), Ok(frames));
        }
        (Err(_), Err(_)) => {}
    }
}

/// Operations: what parses is spelt in one way only.
pub fn fuzz_op(data: &[u8]) {
    for value in resp::decode_all(data).unwrap_or_default() {
        if let Ok(op) = Op::parse(&value) {
            let mut out = Vec::new();
            op.encode(&mut out);
            assert_eq!(resp::decode_all(&out), Ok(vec![value]));
        }
    }
}

/// Replies: what parses is encoded to a value that parses to the same.
pub fn fuzz_reply(data: &[u8]) {
    for value in resp::decode_all(data).unwrap_or_default() {
        if let Ok(reply) = CacheReply::parse(&value) {
            let out = encoded(|out| reply.encode(out));
            assert_eq!(CacheReply::parse(&decoded(&out)), Ok(reply));
        }
        if let Ok(reply) = SessionReply::parse(&value) {
            let out = encoded(|out| reply.encode(1, out));
            assert_eq!(SessionReply::parse(&decoded(&out)), Ok(reply));
        }
        if let Ok(reply) = SessionWritten::parse(&value) {
            let out = encoded(|out| reply.encode(1, out));
            assert_eq!(SessionWritten::parse(&decoded(&out)), Ok(reply));
        }
        let count = value
            .as_array()
            .map_or(0, |items| items.len().saturating_sub(2));
        if let Ok(reply) = LimitReply::parse(&value, count) {
            let out = encoded(|out| reply.encode(out));
            assert_eq!(decoded(&out), value);
        }
        assert!(LimitReply::parse(&value, count.saturating_add(1)).is_err());
    }
}

fn encoded(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut out);
    out
}

fn decoded(bytes: &[u8]) -> Value<'_> {
    let values = resp::decode_all(bytes).unwrap_or_default();
    assert_eq!(values.len(), 1);
    values.into_iter().next().unwrap_or(Value::Null)
}

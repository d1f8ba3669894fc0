//! Frames: what a decision stream carries in each direction.
//!
//! A frame is a RESP array whose first item is its name, so one codec and one fuzz target cover
//! everything between filter and bridge. Several frames may share a message.

use super::TraceParent;
use super::resp::{self, Bounds, DecodeError, Decoder, Value};
use core::fmt;

/// A frame from a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToBridge<'a> {
    /// What [`FromBridge::Invalidate`] of this number named is used no more. `ACK seq`
    Ack {
        /// The invalidation's number.
        seq: u64,
    },
    /// Operations to carry out: `X id deadline [op*]`, of a request that is traced
    /// `X id deadline trace [op*]`. Only bridges of protocol 4 know the latter; those of another one refuse
    /// this filter's HELLO, so none is ever sent it.
    Exchange {
        /// Chosen by the filter, unique among those pending on this stream.
        id: u64,
        /// How long the filter will wait, milliseconds from when it sent this.
        deadline_ms: u32,
        /// Whose trace it is part of, when somebody records that: 24 bytes, trace and parent.
        trace: Option<TraceParent>,
        /// The operations, undecoded: one bad operation must not spoil the others.
        ops: Vec<Value<'a>>,
    },
    /// First frame of every stream: who runs what.
    Hello(Hello<'a>),
    /// Answered by [`FromBridge::Pong`] with the same number.
    Ping {
        /// Grows by one with each ping of a stream.
        seq: u64,
    },
    /// Objects are kept in memory here: asks for the word that all which was invalidated before is known
    /// here too, [`FromBridge::Synced`]. From the first one on a stream gets every invalidation.
    /// `SYNC seq window`
    Sync {
        /// Grows by one with each of a stream.
        seq: u64,
        /// For how long after this was sent what is in memory will be used, milliseconds; at most
        /// [`MAX_SYNC_MS`].
        window_ms: u32,
    },
}

/// The longest window of a [`ToBridge::Sync`], milliseconds: how long an invalidation waits for a worker
/// that nobody has heard of.
pub const MAX_SYNC_MS: u32 = 500;
/// URLs named in one [`FromBridge::Invalidate`], at most.
pub const MAX_NAMED: usize = 128;

/// Who opened a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello<'a> {
    /// [`super::PROTOCOL`].
    pub protocol: i64,
    /// First segment of every Redis key; must be the bridge's.
    pub namespace: &'a [u8],
    /// Envoy's node id.
    pub node: &'a [u8],
    /// A random number that tells workers of a node apart.
    pub worker: u64,
    /// Version of the filter.
    pub version: &'a [u8],
    /// Digest of the live policy.
    pub digest: &'a [u8],
}

/// A frame from a bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromBridge<'a> {
    /// The bridge is leaving: open another stream; what is pending here will still be answered.
    Bye,
    /// Whatever is remembered of this subject's limits no longer holds: somebody reset one, or gave it
    /// a limit of its own. `FORGET subject`
    Forget {
        /// Whom the limits count.
        subject: &'a [u8; 16],
    },
    /// The exchange's answer is held back, for up to this long from now. `HELD id ms`
    Held {
        /// The exchange's id.
        id: u64,
        /// Milliseconds.
        ms: u32,
    },
    /// These objects are not what Redis has any more, answered by [`ToBridge::Ack`].
    /// `INVALIDATE seq [hash*]`
    Invalidate {
        /// Grows by one with each of a stream.
        seq: u64,
        /// The first 16 bytes of SHA-256 of each URL; none: everything.
        urls: Vec<&'a [u8; 16]>,
    },
    /// The bridge will not serve this stream, and why.
    Refused {
        /// One line for the log.
        reason: &'a [u8],
    },
    /// All that was invalidated in the fleet before the bridge got the SYNC of this number was said on this
    /// stream before this. `SYNCED seq`
    Synced {
        /// The number.
        seq: u64,
    },
    /// Answer to a HELLO.
    Welcome {
        /// Which bridge this is: a random text per process.
        bridge: &'a [u8],
        /// Redis' clock, microseconds since the epoch; 0 when Redis is not reachable.
        time_us: u64,
    },
    /// Answer to a ping.
    Pong {
        /// The ping's number.
        seq: u64,
        /// Redis' clock, microseconds since the epoch; 0 when not known.
        time_us: u64,
    },
    /// The values of an exchange, one per operation in order.
    Reply {
        /// The exchange's id.
        id: u64,
        /// One value per operation.
        values: Vec<Value<'a>>,
    },
}

/// Why a message is not a sequence of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// RESP, but not a known frame of the right shape.
    Shape,
    /// Not RESP.
    Resp(DecodeError),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape => f.write_str("not a known frame"),
            Self::Resp(e) => write!(f, "{e}"),
        }
    }
}

impl core::error::Error for FrameError {}

impl From<DecodeError> for FrameError {
    fn from(e: DecodeError) -> Self {
        Self::Resp(e)
    }
}

/// Appends an exchange whose `ops` are already encoded (`count` of them).
pub fn exchange(
    out: &mut Vec<u8>,
    id: u64,
    deadline_ms: u32,
    trace: Option<&TraceParent>,
    count: usize,
    ops: &[u8],
) {
    resp::array(out, if trace.is_some() { 5 } else { 4 });
    resp::simple(out, b"X");
    int(out, id);
    int(out, u64::from(deadline_ms));
    if let Some(trace) = trace {
        resp::bulk(out, trace.as_bytes());
    }
    resp::array(out, count);
    out.extend_from_slice(ops);
}

/// Appends a reply whose `values` are already encoded (`count` of them).
pub fn reply(out: &mut Vec<u8>, id: u64, count: usize, values: &[u8]) {
    resp::array(out, 3);
    resp::simple(out, b"R");
    int(out, id);
    resp::array(out, count);
    out.extend_from_slice(values);
}

impl<'a> ToBridge<'a> {
    /// Appends the frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Ack { seq } => {
                resp::array(out, 2);
                resp::simple(out, b"ACK");
                int(out, *seq);
            }
            Self::Exchange {
                id,
                deadline_ms,
                trace,
                ops,
            } => {
                let mut encoded = Vec::new();
                for op in ops {
                    op.encode(&mut encoded);
                }
                let trace = trace.as_ref();
                exchange(out, *id, *deadline_ms, trace, ops.len(), &encoded);
            }
            Self::Hello(h) => {
                resp::array(out, 7);
                resp::simple(out, b"HELLO");
                resp::integer(out, h.protocol);
                resp::bulk(out, h.namespace);
                resp::bulk(out, h.node);
                resp::bulk_int(out, h.worker);
                resp::bulk(out, h.version);
                resp::bulk(out, h.digest);
            }
            Self::Ping { seq } => {
                resp::array(out, 2);
                resp::simple(out, b"PING");
                int(out, *seq);
            }
            Self::Sync { seq, window_ms } => {
                resp::array(out, 3);
                resp::simple(out, b"SYNC");
                int(out, *seq);
                int(out, u64::from(*window_ms));
            }
        }
    }

    /// All frames of a message.
    pub fn decode_all(message: &'a [u8]) -> Result<Vec<Self>, FrameError> {
        frames(message, Count::Message, |name, args| match (name, args) {
            (b"X", [id, deadline, trace @ .., Value::Array(_)]) => {
                let (id, deadline) = (unsigned(id)?, unsigned(deadline)?);
                let deadline_ms = u32::try_from(deadline).ok()?;
                let trace = match trace {
                    [] => None,
                    [Value::Bulk(ids)] => Some(TraceParent::from_bytes(ids)?),
                    _ => return None,
                };
                // Moved out rather than cloned: `args` is owned by the caller's loop.
                Some(Self::Exchange {
                    id,
                    deadline_ms,
                    trace,
                    ops: Vec::new(),
                })
            }
            (b"HELLO", [protocol, namespace, node, worker, version, digest]) => {
                Some(Self::Hello(Hello {
                    protocol: protocol.as_int()?,
                    namespace: namespace.as_bytes()?,
                    node: node.as_bytes()?,
                    worker: parse_u64(worker.as_bytes()?)?,
                    version: version.as_bytes()?,
                    digest: digest.as_bytes()?,
                }))
            }
            (b"PING", [seq]) => Some(Self::Ping {
                seq: unsigned(seq)?,
            }),
            (b"SYNC", [seq, window]) => Some(Self::Sync {
                seq: unsigned(seq)?,
                window_ms: u32::try_from(unsigned(window)?)
                    .ok()
                    .filter(|ms| *ms <= MAX_SYNC_MS)?,
            }),
            (b"ACK", [seq]) => Some(Self::Ack {
                seq: unsigned(seq)?,
            }),
            _ => None,
        })
        .map(|frames| {
            frames
                .into_iter()
                .map(|(frame, tail)| match frame {
                    Self::Exchange {
                        id,
                        deadline_ms,
                        trace,
                        ..
                    } => Self::Exchange {
                        id,
                        deadline_ms,
                        trace,
                        ops: tail,
                    },
                    other => other,
                })
                .collect()
        })
    }
}

impl<'a> FromBridge<'a> {
    /// Appends the frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Bye => {
                resp::array(out, 1);
                resp::simple(out, b"BYE");
            }
            Self::Forget { subject } => {
                resp::array(out, 2);
                resp::simple(out, b"FORGET");
                resp::bulk(out, *subject);
            }
            Self::Held { id, ms } => {
                resp::array(out, 3);
                resp::simple(out, b"HELD");
                int(out, *id);
                int(out, u64::from(*ms));
            }
            Self::Invalidate { seq, urls } => {
                resp::array(out, 3);
                resp::simple(out, b"INVALIDATE");
                int(out, *seq);
                resp::array(out, urls.len());
                for url in urls {
                    resp::bulk(out, *url);
                }
            }
            Self::Synced { seq } => {
                resp::array(out, 2);
                resp::simple(out, b"SYNCED");
                int(out, *seq);
            }
            Self::Refused { reason } => {
                resp::array(out, 2);
                resp::simple(out, b"REFUSED");
                resp::bulk(out, reason);
            }
            Self::Welcome { bridge, time_us } => {
                resp::array(out, 3);
                resp::simple(out, b"WELCOME");
                resp::bulk(out, bridge);
                int(out, *time_us);
            }
            Self::Pong { seq, time_us } => {
                resp::array(out, 3);
                resp::simple(out, b"PONG");
                int(out, *seq);
                int(out, *time_us);
            }
            Self::Reply { id, values } => {
                let mut encoded = Vec::new();
                for value in values {
                    value.encode(&mut encoded);
                }
                reply(out, *id, values.len(), &encoded);
            }
        }
    }

    /// All frames of a message.
    pub fn decode_all(message: &'a [u8]) -> Result<Vec<Self>, FrameError> {
        frames(message, Count::Frame, |name, args| match (name, args) {
            (b"R", [id, Value::Array(_)]) => Some(Self::Reply {
                id: unsigned(id)?,
                values: Vec::new(),
            }),
            (b"PONG", [seq, time]) => Some(Self::Pong {
                seq: unsigned(seq)?,
                time_us: unsigned(time)?,
            }),
            (b"WELCOME", [bridge, time]) => Some(Self::Welcome {
                bridge: bridge.as_bytes()?,
                time_us: unsigned(time)?,
            }),
            (b"HELD", [id, ms]) => Some(Self::Held {
                id: unsigned(id)?,
                ms: u32::try_from(unsigned(ms)?).ok()?,
            }),
            (b"INVALIDATE", [seq, Value::Array(urls)]) => Some(Self::Invalidate {
                seq: unsigned(seq)?,
                urls: urls
                    .iter()
                    .map(|url| url.as_bytes()?.try_into().ok())
                    .collect::<Option<_>>()
                    .filter(|urls: &Vec<_>| urls.len() <= MAX_NAMED)?,
            }),
            (b"SYNCED", [seq]) => Some(Self::Synced {
                seq: unsigned(seq)?,
            }),
            (b"REFUSED", [reason]) => Some(Self::Refused {
                reason: reason.as_bytes()?,
            }),
            (b"BYE", []) => Some(Self::Bye),
            (b"FORGET", [subject]) => Some(Self::Forget {
                subject: subject.as_bytes()?.try_into().ok()?,
            }),
            _ => None,
        })
        .map(|frames| {
            frames
                .into_iter()
                .map(|(frame, tail)| match frame {
                    Self::Reply { id, .. } => Self::Reply { id, values: tail },
                    other => other,
                })
                .collect()
        })
    }
}

/// What [`resp::Bounds::items`] counts.
#[derive(Debug, Clone, Copy)]
enum Count {
    /// Values of one frame: a bridge puts all replies that are ready into one message, and a burst of
    /// them must not look like garbage. The message's bytes bound the sum.
    Frame,
    /// Values of the whole message.
    Message,
}

/// Decodes frames; beside each, the items of its last argument when that is an array.
fn frames<'a, F>(
    message: &'a [u8],
    count: Count,
    parse: impl Fn(&[u8], &[Value<'a>]) -> Option<F>,
) -> Result<Vec<(F, Vec<Value<'a>>)>, FrameError> {
    let mut decoder = Decoder::new(message, Bounds::default());
    let mut frames = Vec::new();
    while let Some(value) = decoder.next_value()? {
        let Value::Array(mut items) = value else {
            return Err(FrameError::Shape);
        };
        let (name, args) = items.split_first().ok_or(FrameError::Shape)?;
        let name = name.as_bytes().ok_or(FrameError::Shape)?;
        let frame = parse(name, args).ok_or(FrameError::Shape)?;
        let tail = match items.pop() {
            Some(Value::Array(tail)) => tail,
            _ => Vec::new(),
        };
        frames.push((frame, tail));
        if let Count::Frame = count {
            decoder = Decoder::new(decoder.rest(), Bounds::default());
        }
    }
    Ok(frames)
}

/// Ids, times and sequence numbers stay below 2^63.
fn int(out: &mut Vec<u8>, n: u64) {
    resp::integer(out, i64::try_from(n).unwrap_or(i64::MAX));
}

fn unsigned(value: &Value<'_>) -> Option<u64> {
    match *value {
        Value::Integer(n) => u64::try_from(n).ok(),
        _ => None,
    }
}

fn parse_u64(text: &[u8]) -> Option<u64> {
    let canonical = text == b"0" || text.first().is_some_and(|b| matches!(b, b'1'..=b'9'));
    canonical.then_some(())?;
    core::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;

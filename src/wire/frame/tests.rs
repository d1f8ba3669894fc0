use super::*;
use crate::wire::resp::tests::{Owned, owned_value};
use crate::wire::trace::tests::trace_parent;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Ids and times are below 2^63.
const MAX: u64 = i64::MAX as u64;

#[derive(Debug, Clone)]
struct OwnedHello {
    protocol: i64,
    texts: [Vec<u8>; 4],
    worker: u64,
}

impl OwnedHello {
    fn hello(&self) -> Hello<'_> {
        let [namespace, node, version, digest] = &self.texts;
        Hello {
            protocol: self.protocol,
            namespace,
            node,
            worker: self.worker,
            version,
            digest,
        }
    }
}

#[derive(Debug, Clone)]
enum OwnedTo {
    Exchange(u64, u32, Option<TraceParent>, Vec<Owned>),
    Hello(OwnedHello),
    Ping(u64),
    Sync(u64, u32),
    Ack(u64),
}

impl OwnedTo {
    fn frame(&self) -> ToBridge<'_> {
        match self {
            Self::Exchange(id, deadline_ms, trace, ops) => ToBridge::Exchange {
                id: *id,
                deadline_ms: *deadline_ms,
                trace: *trace,
                ops: ops.iter().map(Owned::value).collect(),
            },
            Self::Hello(hello) => ToBridge::Hello(hello.hello()),
            Self::Ping(seq) => ToBridge::Ping { seq: *seq },
            Self::Sync(seq, ms) => ToBridge::Sync {
                seq: *seq,
                window_ms: *ms,
            },
            Self::Ack(seq) => ToBridge::Ack { seq: *seq },
        }
    }
}

#[derive(Debug, Clone)]
enum OwnedFrom {
    Bye,
    Held(u64, u32),
    Invalidate(u64, Vec<[u8; 16]>),
    Synced(u64),
    Refused(Vec<u8>),
    Welcome(Vec<u8>, u64),
    Pong(u64, u64),
    Reply(u64, Vec<Owned>),
}

impl OwnedFrom {
    fn frame(&self) -> FromBridge<'_> {
        match self {
            Self::Bye => FromBridge::Bye,
            Self::Held(id, ms) => FromBridge::Held { id: *id, ms: *ms },
            Self::Invalidate(seq, urls) => FromBridge::Invalidate {
                seq: *seq,
                urls: urls.iter().collect(),
            },
            Self::Synced(seq) => FromBridge::Synced { seq: *seq },
            Self::Refused(reason) => FromBridge::Refused { reason },
            Self::Welcome(bridge, time_us) => FromBridge::Welcome {
                bridge,
                time_us: *time_us,
            },
            Self::Pong(seq, time_us) => FromBridge::Pong {
                seq: *seq,
                time_us: *time_us,
            },
            Self::Reply(id, values) => FromBridge::Reply {
                id: *id,
                values: values.iter().map(Owned::value).collect(),
            },
        }
    }
}

fn to_bridge() -> impl Strategy<Value = OwnedTo> {
    let text = || vec(any::<u8>(), 0..12);
    let hello = (any::<i64>(), [text(), text(), text(), text()], any::<u64>()).prop_map(
        |(protocol, texts, worker)| OwnedHello {
            protocol,
            texts,
            worker,
        },
    );
    prop_oneof![
        (
            0..=MAX,
            any::<u32>(),
            option::of(trace_parent()),
            vec(owned_value(), 0..4)
        )
            .prop_map(|(id, deadline, trace, ops)| OwnedTo::Exchange(id, deadline, trace, ops)),
        hello.prop_map(OwnedTo::Hello),
        (0..=MAX).prop_map(OwnedTo::Ping),
        (0..=MAX, 0..=MAX_SYNC_MS).prop_map(|(seq, ms)| OwnedTo::Sync(seq, ms)),
        (0..=MAX).prop_map(OwnedTo::Ack),
    ]
}

fn from_bridge() -> impl Strategy<Value = OwnedFrom> {
    let text = || vec(any::<u8>(), 0..12);
    prop_oneof![
        Just(OwnedFrom::Bye),
        (0..=MAX, any::<u32>()).prop_map(|(id, ms)| OwnedFrom::Held(id, ms)),
        (0..=MAX, vec(any::<[u8; 16]>(), 0..4))
            .prop_map(|(seq, urls)| OwnedFrom::Invalidate(seq, urls)),
        (0..=MAX).prop_map(OwnedFrom::Synced),
        text().prop_map(OwnedFrom::Refused),
        (text(), 0..=MAX).prop_map(|(bridge, time)| OwnedFrom::Welcome(bridge, time)),
        (0..=MAX, 0..=MAX).prop_map(|(seq, time)| OwnedFrom::Pong(seq, time)),
        (0..=MAX, vec(owned_value(), 0..4)).prop_map(|(id, values)| OwnedFrom::Reply(id, values)),
    ]
}

proptest! {
    #[test]
    fn x6_frames_of_both_directions_decode_to_themselves(
        to in vec(to_bridge(), 0..5),
        from in vec(from_bridge(), 0..5),
    ) {
        let to: Vec<_> = to.iter().map(OwnedTo::frame).collect();
        let from: Vec<_> = from.iter().map(OwnedFrom::frame).collect();
        let (mut there, mut back) = (Vec::new(), Vec::new());
        to.iter().for_each(|frame| frame.encode(&mut there));
        from.iter().for_each(|frame| frame.encode(&mut back));
        prop_assert_eq!(ToBridge::decode_all(&there), Ok(to));
        prop_assert_eq!(FromBridge::decode_all(&back), Ok(from));
    }

    #[test]
    fn x6_any_bytes_return(bytes in vec(any::<u8>(), 0..200)) {
        let _ = ToBridge::decode_all(&bytes);
        let _ = FromBridge::decode_all(&bytes);
    }

    /// A message is cut by its carrier nowhere; if it were, no frame would be half read.
    #[test]
    fn x5_frames_may_be_merged_and_split_between_messages_only_at_their_edges(
        frames in vec(from_bridge(), 1..6),
    ) {
        let frames: Vec<_> = frames.iter().map(OwnedFrom::frame).collect();
        let (mut message, mut edges) = (Vec::new(), vec![0]);
        for frame in &frames {
            frame.encode(&mut message);
            edges.push(message.len());
        }
        for cut in 0..=message.len() {
            let (head, tail) = message.split_at(cut);
            let both = FromBridge::decode_all(head).and_then(|mut head| {
                head.extend(FromBridge::decode_all(tail)?);
                Ok(head)
            });
            if edges.contains(&cut) {
                prop_assert_eq!(both.as_ref(), Ok(&frames));
            } else {
                prop_assert_eq!(FromBridge::decode_all(head), Err(FrameError::Resp(DecodeError::Incomplete)));
                prop_assert!(both.is_err());
            }
        }
    }
}

#[test]
fn what_is_no_frame_is_refused() {
    let shapes: &[&[u8]] = &[
        b"*0\r\n",
        b"*-1\r\n",
        b":1\r\n",
        b"+PING\r\n",
        b"*1\r\n:1\r\n",
        b"*1\r\n+X\r\n",
        b"*1\r\n+QUIT\r\n",
        b"*2\r\n+PING\r\n:-1\r\n",
        b"*2\r\n+PING\r\n$1\r\n1\r\n",
        b"*3\r\n+PING\r\n:1\r\n:1\r\n",
        b"*2\r\n+ping\r\n:1\r\n",
        b"*4\r\n+X\r\n:1\r\n:4294967296\r\n*0\r\n",
        b"*4\r\n+X\r\n:-1\r\n:1\r\n*0\r\n",
        b"*4\r\n+X\r\n:1\r\n:1\r\n*-1\r\n",
        b"*4\r\n+X\r\n:1\r\n:1\r\n$1\r\na\r\n",
        b"*4\r\n*0\r\n:1\r\n:1\r\n*0\r\n",
        // A trace that is too short, none, a parent of zeros, two of them, one in the wrong place.
        b"*5\r\n+X\r\n:1\r\n:1\r\n$1\r\na\r\n*0\r\n",
        b"*5\r\n+X\r\n:1\r\n:1\r\n$-1\r\n*0\r\n",
        b"*5\r\n+X\r\n:1\r\n:1\r\n$24\r\naaaaaaaaaaaaaaaa\0\0\0\0\0\0\0\0\r\n*0\r\n",
        b"*6\r\n+X\r\n:1\r\n:1\r\n$24\r\naaaaaaaaaaaaaaaaaaaaaaaa\r\n$24\r\naaaaaaaaaaaaaaaaaaaaaaaa\r\n*0\r\n",
        b"*5\r\n+X\r\n:1\r\n:1\r\n*0\r\n$24\r\naaaaaaaaaaaaaaaaaaaaaaaa\r\n",
        b"*3\r\n+R\r\n:-1\r\n*0\r\n",
        b"*3\r\n+R\r\n:1\r\n:1\r\n",
        b"*3\r\n+PONG\r\n:1\r\n:-1\r\n",
        b"*2\r\n+BYE\r\n:1\r\n",
        b"*3\r\n+SYNC\r\n:1\r\n:501\r\n",
        b"*3\r\n+INVALIDATE\r\n:1\r\n*1\r\n$1\r\na\r\n",
        b"*2\r\n+ACK\r\n:-1\r\n",
    ];
    for shape in shapes {
        let shown = String::from_utf8_lossy(shape);
        assert_eq!(
            ToBridge::decode_all(shape),
            Err(FrameError::Shape),
            "{shown:?}"
        );
        assert_eq!(
            FromBridge::decode_all(shape),
            Err(FrameError::Shape),
            "{shown:?}"
        );
    }
}

/// Bridges of protocol 3 know no other; and who is not traced pays no byte.
#[test]
fn an_exchange_without_a_trace_is_spelt_as_it_always_was() {
    let mut out = Vec::new();
    exchange(&mut out, 7, 100, None, 1, b"*1\r\n$1\r\na\r\n");
    assert_eq!(out, b"*4\r\n+X\r\n:7\r\n:100\r\n*1\r\n*1\r\n$1\r\na\r\n");
}

#[test]
fn directions_do_not_mix() {
    let (mut ping, mut pong) = (Vec::new(), Vec::new());
    ToBridge::Ping { seq: 1 }.encode(&mut ping);
    FromBridge::Pong { seq: 1, time_us: 0 }.encode(&mut pong);
    assert_eq!(FromBridge::decode_all(&ping), Err(FrameError::Shape));
    assert_eq!(ToBridge::decode_all(&pong), Err(FrameError::Shape));
}

/// Found by reading: `+7` and `007` were read as 7.
#[test]
fn a_hellos_worker_is_canonical() {
    let hello = |worker: &str| {
        let text = format!(
            "*7\r\n+HELLO\r\n:1\r\n$1\r\nn\r\n$1\r\nn\r\n${}\r\n{worker}\r\n$1\r\nv\r\n$1\r\nd\r\n",
            worker.len()
        );
        ToBridge::decode_all(text.as_bytes()).map(|frames| frames.len())
    };
    for good in ["0", "7", "18446744073709551615"] {
        assert_eq!(hello(good), Ok(1), "{good}");
    }
    for bad in [
        "",
        "+7",
        "007",
        "00",
        "-1",
        "7 ",
        "18446744073709551616",
        "x",
    ] {
        assert_eq!(hello(bad), Err(FrameError::Shape), "{bad:?}");
    }
}

/// Found by reading: a thousand replies of a full policy in one message were over the bound of values
/// per message, so a bridge that answered a burst at once lost the stream.
#[test]
fn a_burst_of_replies_in_one_message_is_read() {
    let mut message = Vec::new();
    for id in 0..4_000 {
        let values = vec![Value::Array(vec![Value::Integer(1); 20])];
        FromBridge::Reply { id, values }.encode(&mut message);
    }
    assert!(message.len() < crate::wire::MAX_MESSAGE);
    let frames = FromBridge::decode_all(&message).map(|frames| frames.len());
    assert_eq!(frames, Ok(4_000));
}

#[test]
fn one_frame_is_bounded_in_values() {
    let mut message = Vec::new();
    let values = vec![Value::Null; Bounds::default().items];
    FromBridge::Reply { id: 1, values }.encode(&mut message);
    let refused = Err(FrameError::Resp(DecodeError::Items));
    assert_eq!(FromBridge::decode_all(&message), refused);
}

#[test]
fn a_message_from_a_filter_is_bounded_in_values() {
    let mut message = Vec::new();
    for seq in 0..8_000 {
        ToBridge::Ping { seq }.encode(&mut message);
    }
    let refused = Err(FrameError::Resp(DecodeError::Items));
    assert_eq!(ToBridge::decode_all(&message), refused);
}

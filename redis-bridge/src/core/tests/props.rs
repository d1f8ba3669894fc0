//! Whatever comes in whatever order.

use super::rig::*;
use crate::core::{BackendError, Batch, ConnId, CoreConfig, RequestId, Role, Transmit};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;
use tidegate::wire::op::{Give, LimitReturn, Take};
use tidegate::wire::{Op, PROTOCOL, TraceParent, frame};

/// Batches of one Redis that may be out.
const BATCHES: usize = 2;

#[derive(Debug, Clone)]
enum Input {
    Open(u64),
    Close(u64),
    /// The last one: whether it is traced.
    Exchange(u64, u32, Vec<u8>, bool),
    Request(u32, Vec<u8>, bool),
    Cancel(u64),
    Garbage(u64, Vec<u8>),
    Sleep(u64),
    Poll,
    /// Answers one of the batches that are out; the number picks it.
    Answer(usize, bool),
    Drain,
}

fn input() -> impl Strategy<Value = Input> {
    let ops = || vec(0..9_u8, 0..4);
    prop_oneof![
        2 => (0..4_u64).prop_map(Input::Open),
        1 => (0..4_u64).prop_map(Input::Close),
        12 => (0..4_u64, 0..50_u32, ops(), any::<bool>())
            .prop_map(|(c, d, ops, traced)| Input::Exchange(c, d, ops, traced)),
        3 => (0..50_u32, ops(), any::<bool>())
            .prop_map(|(d, ops, traced)| Input::Request(d, ops, traced)),
        1 => (0..20_u64).prop_map(Input::Cancel),
        1 => (0..4_u64, vec(any::<u8>(), 0..20)).prop_map(|(c, b)| Input::Garbage(c, b)),
        3 => (0..30_u64).prop_map(Input::Sleep),
        8 => Just(Input::Poll),
        8 => (any::<usize>(), any::<bool>()).prop_map(|(n, ok)| Input::Answer(n, ok)),
        1 => Just(Input::Drain),
    ]
}

fn encode(ops: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for op in ops {
        match op {
            0 => cache_get(URL).encode(&mut body),
            1 => cache_put(URL, b"r", &[b"t"]).encode(&mut body),
            2 => session_get(&[1; 12], &[1; 18]).encode(&mut body),
            3 => {
                let takes = vec![take(&[1; 16], &[1; 8], 3), take(&[2; 16], &[2; 8], 2)];
                Op::LimitTake(takes).encode(&mut body);
            }
            4 => Op::CacheInvalidate { urls: vec![URL] }.encode(&mut body),
            6 => Op::LimitTake(vec![paced()]).encode(&mut body),
            7 => {
                let gives = vec![
                    Give {
                        mark: 0,
                        take: take(&[1; 16], &[1; 8], 3),
                    },
                    Give {
                        mark: 0,
                        take: take(&[2; 16], &[2; 8], 2),
                    },
                ];
                Op::LimitReturn(LimitReturn {
                    id: &[3; 16],
                    gives,
                })
                .encode(&mut body);
            }
            8 => {
                let mut day = take(&[1; 16], &[4; 8], 3);
                day.options.calendar = Some(b"day@Europe/Berlin");
                Op::LimitTake(vec![day, paced(), take(&[2; 16], &[2; 8], 2)]).encode(&mut body);
            }
            _ => body.extend(b"*1\r\n$4\r\nNOPE\r\n"),
        }
    }
    body
}

/// A turn each 10 ms, up to 40 ms ahead.
fn paced() -> Take<'static> {
    Take {
        algorithm: b"leaky_bucket",
        window_us: 1_000_000,
        burst: 40_000,
        ..take(&[1; 16], &[9; 8], 100)
    }
}

/// What is still owed, and what may be owed no more.
#[derive(Default)]
struct Ledger {
    streams: BTreeMap<(u64, u64), usize>,
    requests: BTreeMap<u64, usize>,
}

impl Ledger {
    fn settle(&mut self, sent: &[Transmit]) {
        for transmit in sent {
            match transmit {
                Transmit::Stream { conn, .. } => {
                    for (_, id, values) in replies(std::slice::from_ref(transmit)) {
                        let count = self.streams.remove(&(conn.0, id));
                        assert_eq!(count, Some(values.len()), "X1: {conn:?} {id}");
                    }
                }
                Transmit::Close { conn, .. } => self.forget(conn.0),
                Transmit::Response { request, body } => {
                    let count = self.requests.remove(&request.0);
                    assert_eq!(count, Some(values(body).len()), "X1: {request:?}");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn forget(&mut self, conn: u64) {
        self.streams.retain(|(of, _), _| *of != conn);
    }
}

/// What is out, and of each Redis when the newest batch was sent that it has answered.
#[derive(Default)]
struct Out {
    batches: Vec<(Duration, Batch)>,
    answered: BTreeMap<Role, Duration>,
}

impl Out {
    fn answered(&mut self, role: Role, since: Duration) {
        let newest = self.answered.entry(role).or_default();
        *newest = since.max(*newest);
    }

    /// X4. The bound is on what nobody has overtaken (D2); with what is overtaken it is 16 times that.
    fn is_bounded(&self) -> bool {
        [Role::State, Role::Cache].iter().all(|role| {
            let of = || self.batches.iter().filter(|(_, batch)| batch.role == *role);
            let answered = self.answered.get(role).copied().unwrap_or_default();
            let ahead = of().filter(|(since, _)| *since >= answered).count();
            ahead <= BATCHES && of().count() <= 16 * BATCHES
        })
    }
}

/// How many traced exchanges are over; none of them before it began.
fn traces(rig: &mut Rig) -> u64 {
    let mut count = 0;
    while let Some(traced) = rig.core.poll_trace() {
        assert!(traced.begun <= traced.ended && traced.ended <= rig.now);
        for call in &traced.calls {
            assert!(call.since >= traced.begun && call.until.is_none_or(|until| until <= rig.now));
            assert!((1..=call.pipeline).contains(&call.commands));
        }
        count += 1;
    }
    count
}

fn config(cluster: bool, shared: bool) -> CoreConfig {
    let mut config = CoreConfig::new("tg", "b");
    config.cluster = cluster;
    config.shared = shared;
    config.traces = true;
    config.bounds.pending_items = 12;
    config.bounds.pending_bytes = 4000;
    config.bounds.commands_per_batch = 5;
    config.bounds.batches_in_flight = BATCHES;
    config
}

proptest! {
    /// X1: each exchange is answered exactly once, unless its caller went away; X4: the bounds hold at
    /// every step; in the end nothing is left.
    #[test]
    fn x1_x4_any_order_of_inputs(
        inputs in vec(input(), 0..120),
        cluster in any::<bool>(),
        shared in any::<bool>(),
    ) {
        let mut rig = Rig::with(config(cluster, shared));
        let mut ledger = Ledger::default();
        let mut open: BTreeMap<u64, bool> = BTreeMap::new();
        let mut out = Out::default();
        let mut next = 0;
        let mut draining = false;
        let (mut traced, mut told) = (0, 0);
        for input in inputs {
            match input {
                Input::Open(conn) if !open.contains_key(&conn) && !draining => {
                    // Never used twice: numbers of closed streams are skipped.
                    open.insert(conn, true);
                    rig.core.handle_open(ConnId(conn));
                    rig.message(ConnId(conn), &hello(b"tg", PROTOCOL));
                }
                Input::Open(_) => {}
                Input::Close(conn) => {
                    rig.core.handle_close(ConnId(conn));
                    ledger.forget(conn);
                    open.insert(conn, false);
                }
                Input::Exchange(conn, deadline, ops, wanted) => {
                    next += 1;
                    let mut message = Vec::new();
                    let trace = TraceParent::from_bytes(&[7; 24]).filter(|_| wanted);
                    let encoded = encode(&ops);
                    frame::exchange(&mut message, next, deadline, trace.as_ref(), ops.len(), &encoded);
                    rig.message(ConnId(conn), &message);
                    if open.get(&conn) == Some(&true) {
                        ledger.streams.insert((conn, next), ops.len());
                        traced += u64::from(wanted);
                    }
                }
                Input::Request(deadline, ops, wanted) => {
                    next += 1;
                    let body = encode(&ops);
                    let trace = TraceParent::from_bytes(&[7; 24]).filter(|_| wanted);
                    rig.core.handle_request(RequestId(next), &body, deadline, trace, rig.now);
                    traced += u64::from(wanted);
                    ledger.requests.insert(next, ops.len());
                }
                Input::Cancel(request) => {
                    rig.core.handle_cancel(RequestId(request));
                    ledger.requests.remove(&request);
                }
                Input::Garbage(conn, bytes) => rig.message(ConnId(conn), &bytes),
                Input::Sleep(ms) => {
                    rig.now += Duration::from_millis(ms);
                    rig.core.handle_timeout(rig.now);
                    prop_assert!(rig.core.poll_timeout().is_none_or(|due| due > rig.now));
                }
                Input::Poll => {
                    let batch = rig.core.poll_batch(rig.now);
                    out.batches.extend(batch.map(|batch| (rig.now, batch)));
                }
                Input::Answer(at, ok) if !out.batches.is_empty() => {
                    let (since, batch) = out.batches.swap_remove(at % out.batches.len());
                    if ok {
                        out.answered(batch.role, since);
                    }
                    let replies = rig.execute(&batch);
                    let replies = if ok { Ok(replies) } else { Err(BackendError::Down) };
                    rig.core.handle_replies(batch.id, replies, rig.now);
                }
                Input::Answer(..) => {}
                Input::Drain => {
                    draining = true;
                    rig.core.handle_drain();
                }
            }
            let sent = rig.collect();
            for transmit in &sent {
                if let Transmit::Close { conn, .. } = transmit {
                    open.insert(conn.0, false);
                }
            }
            ledger.settle(&sent);
            told += traces(&mut rig);
            let (items, bytes) = rig.core.pending();
            prop_assert!(items <= 12 && bytes <= 4000);
            prop_assert!(out.is_bounded());
            prop_assert!(out.batches.iter().all(|(_, batch)| batch.commands.len() <= 5));
        }
        for (_, batch) in out.batches {
            let replies = rig.execute(&batch);
            rig.core.handle_replies(batch.id, Ok(replies), rig.now);
        }
        rig.run();
        rig.now += Duration::from_secs(100);
        rig.core.handle_timeout(rig.now);
        let sent = rig.collect();
        ledger.settle(&sent);
        told += traces(&mut rig);
        prop_assert_eq!(told, traced, "each is told once");
        prop_assert!(ledger.streams.is_empty() && ledger.requests.is_empty());
        prop_assert!(rig.core.is_idle());
        prop_assert_eq!(rig.core.pending(), (0, 0));
        prop_assert_eq!(rig.core.held(), 0);
        prop_assert_eq!(rig.core.queued(), (0, 0));
        prop_assert_eq!(rig.core.counters().bug, 0);
    }

    /// X5: how frames are spread over messages changes no verdict.
    #[test]
    fn x5_any_split_into_messages(
        exchanges in vec(vec(0..6_u8, 1..4), 1..12),
        cuts in vec(any::<bool>(), 12),
    ) {
        let frames: Vec<Vec<u8>> = exchanges.iter().enumerate().map(|(id, ops)| {
            let mut out = Vec::new();
            frame::exchange(&mut out, id as u64, 100, None, ops.len(), &encode(ops));
            out
        }).collect();
        let verdicts = |split: &dyn Fn(usize) -> bool| {
            let mut rig = Rig::new();
            let conn = rig.open(1);
            let mut message = Vec::new();
            for (at, frame) in frames.iter().enumerate() {
                message.extend(frame);
                if split(at) {
                    rig.message(conn, &std::mem::take(&mut message));
                }
            }
            rig.message(conn, &message);
            rig.run();
            let mut all = replies(&rig.collect());
            all.sort_by_key(|reply| reply.1);
            all
        };
        let whole = verdicts(&|_| false);
        prop_assert_eq!(whole.len(), frames.len());
        prop_assert_eq!(verdicts(&|at| cuts[at]), whole);
    }

    /// X6 and P1: any bytes as a message or a body are survived.
    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..200)) {
        let mut rig = Rig::new();
        let conn = rig.open(1);
        rig.message(conn, &bytes);
        rig.core.handle_request(RequestId(1), &bytes, 10, None, rig.now);
        rig.run();
        rig.collect();
    }
}

use super::rig::*;
use crate::core::{ConnId, Ending, Transmit};
use tidegate::exchange::AT_ONCE;
use tidegate::wire::{FromBridge, MAX_MESSAGE, OLDEST_PROTOCOL, PROTOCOL, ToBridge};

fn ping(seq: u64) -> Vec<u8> {
    let mut out = Vec::new();
    ToBridge::Ping { seq }.encode(&mut out);
    out
}

fn frames(transmit: &Transmit) -> Vec<FromBridge<'_>> {
    match transmit {
        Transmit::Stream { message, .. } => FromBridge::decode_all(message).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_hello_is_welcomed_and_listed() {
    let mut rig = Rig::new();
    rig.core.handle_redis_time(5_000_000, rig.now);
    rig.now += std::time::Duration::from_millis(3);
    rig.core.handle_open(ConnId(1));
    rig.message(ConnId(1), &[hello(b"tg", PROTOCOL), ping(9)].concat());
    let sent = rig.collect();
    let welcome = FromBridge::Welcome {
        bridge: b"bridge-1",
        time_us: 5_003_000,
    };
    let pong = FromBridge::Pong {
        seq: 9,
        time_us: 5_003_000,
    };
    assert_eq!(sent.len(), 1, "one message for all that is ready");
    assert_eq!(frames(&sent[0]), [welcome, pong]);
    let info = rig.core.streams().next().unwrap();
    assert_eq!((info.node.as_str(), info.worker), ("node-1", 7));
    assert_eq!(
        (info.version.as_str(), info.digest.as_str()),
        ("0.1.0", "9f2c")
    );
    rig.core.handle_close(ConnId(1));
    assert_eq!(rig.core.streams().count(), 0);
}

/// A worker's stack holds only so many requests that are told something in one callback: see
/// `tidegate::exchange::AT_ONCE`.
#[test]
fn p1_one_message_holds_no_more_than_a_worker_tells_in_one_callback() {
    let mut rig = Rig::new();
    let conn = rig.open(1);
    let many: Vec<u8> = (0..100).flat_map(ping).collect();
    rig.message(conn, &many);
    let sent = rig.collect();
    let counts: Vec<usize> = sent.iter().map(|message| frames(message).len()).collect();
    assert_eq!(counts, [AT_ONCE, AT_ONCE, AT_ONCE, 100 - 3 * AT_ONCE]);
}

#[test]
fn another_namespace_or_protocol_is_refused_with_both_named() {
    let others = [
        (&b"other"[..], PROTOCOL),
        (b"tg", PROTOCOL + 1),
        (b"tg", OLDEST_PROTOCOL - 1),
    ];
    for (namespace, protocol) in others {
        let mut rig = Rig::new();
        rig.core.handle_open(ConnId(1));
        rig.message(ConnId(1), &hello(namespace, protocol));
        let sent = rig.collect();
        let [
            first,
            Transmit::Close {
                conn: ConnId(1),
                ending: Ending::Protocol,
                reason,
            },
        ] = &sent[..]
        else {
            panic!("{sent:?}");
        };
        let [FromBridge::Refused { reason: told }] = &frames(first)[..] else {
            panic!("{sent:?}");
        };
        assert_eq!(*told, reason.as_bytes());
        assert!(reason.contains("\"tg\""), "{reason}");
        assert!(
            reason.contains(&String::from_utf8_lossy(namespace)[..]),
            "{reason}"
        );
        assert!(reason.contains(&protocol.to_string()), "{reason}");
        assert_eq!(rig.core.streams().count(), 0);
    }
}

/// Bridges are replaced before filters.
#[test]
fn a_filter_of_the_version_before_is_served() {
    let mut rig = Rig::new();
    let conn = ConnId(1);
    rig.core.handle_open(conn);
    rig.message(conn, &hello(b"tg", OLDEST_PROTOCOL));
    let greeted = rig.collect();
    assert!(matches!(
        frames(&greeted[0])[..],
        [FromBridge::Welcome { .. }]
    ));
    rig.exchange(conn, 5, 100, &[cache_get(URL)]);
    rig.run();
    assert_eq!(replies(&rig.collect()).len(), 1);
}

#[test]
fn a_broken_rule_closes_that_stream_and_no_other() {
    let too_large = vec![b'+'; MAX_MESSAGE + 1];
    let exchange = |id| {
        let mut out = Vec::new();
        tidegate::wire::frame::exchange(&mut out, id, 100, None, 1, b"*1\r\n$1\r\na\r\n");
        out
    };
    let op = {
        let mut op = Vec::new();
        cache_get(URL).encode(&mut op);
        let mut out = Vec::new();
        tidegate::wire::frame::exchange(&mut out, 3, 100, None, 1, &op);
        out
    };
    let greeted = |more: Vec<u8>| [hello(b"tg", PROTOCOL), more].concat();
    let cases = [
        (exchange(1), "the first frame must be HELLO"),
        (ping(1), "the first frame must be HELLO"),
        (greeted(hello(b"tg", PROTOCOL)), "a second HELLO"),
        (
            greeted([op.clone(), op].concat()),
            "an exchange id that is pending",
        ),
        (b"hello".to_vec(), "malformed message: malformed RESP"),
        (
            b"*1\r\n+NOPE\r\n".to_vec(),
            "malformed message: not a known frame",
        ),
        (
            b"*2\r\n+PING\r\n".to_vec(),
            "malformed message: input ends inside a value",
        ),
        (too_large, "message too large"),
    ];
    for (message, wanted) in cases {
        let mut rig = Rig::new();
        let other = rig.open(2);
        rig.core.handle_open(ConnId(1));
        rig.message(ConnId(1), &message);
        let sent = rig.collect();
        let Some(Transmit::Close {
            conn: ConnId(1),
            ending: Ending::Protocol,
            reason,
        }) = sent.last()
        else {
            panic!("{wanted}: {sent:?}");
        };
        assert_eq!(reason, wanted);
        rig.message(ConnId(1), &ping(5));
        assert_eq!(rig.collect(), [], "a closed stream is not heard");
        rig.message(other, &ping(6));
        assert_eq!(rig.collect().len(), 1);
    }
}

fn away(conn: u64) -> Transmit {
    Transmit::Close {
        conn: ConnId(conn),
        ending: Ending::Unavailable,
        reason: "this bridge is cut off with its redis".to_owned(),
    }
}

#[test]
fn who_is_cut_off_ends_its_streams_and_greets_no_one_until_it_is_not() {
    let mut rig = Rig::new();
    let conn = rig.open(1);
    rig.exchange(conn, 1, 100, &[cache_get(URL)]);
    rig.core.handle_cut_off(true);
    let sent = rig.collect();
    assert_eq!(sent, [away(1)], "what was pending is asked elsewhere");
    rig.run();
    assert_eq!(rig.collect(), [], "and not answered here");
    assert!(rig.core.is_idle());
    rig.core.handle_open(ConnId(2));
    rig.message(ConnId(2), &hello(b"tg", PROTOCOL));
    assert_eq!(rig.collect(), [away(2)]);
    rig.core.handle_cut_off(false);
    let conn = rig.open(3);
    rig.exchange(conn, 1, 100, &[cache_get(URL)]);
    rig.run();
    assert_eq!(replies(&rig.collect()).len(), 1);
}

#[test]
fn a_drain_says_bye_answers_what_is_accepted_and_greets_no_one() {
    let mut rig = Rig::new();
    let conn = rig.open(1);
    rig.exchange(conn, 1, 100, &[cache_get(URL)]);
    rig.core.handle_drain();
    rig.core.handle_drain();
    let sent = rig.collect();
    assert_eq!(sent.len(), 1);
    assert_eq!(frames(&sent[0]), [FromBridge::Bye]);
    assert!(!rig.core.is_idle());
    rig.run();
    assert_eq!(replies(&rig.collect()).len(), 1);
    assert!(rig.core.is_idle());
    rig.core.handle_open(ConnId(2));
    rig.message(ConnId(2), &hello(b"tg", PROTOCOL));
    let sent = rig.collect();
    assert!(matches!(&sent[..], [_, Transmit::Close { .. }]), "{sent:?}");
}

//! X4: what may be pending.

use super::harness::{Harness, config, ms};
use crate::exchange::{CallError, ClientConfig, Terms};
use crate::wire::{MAX_MESSAGE, Op};

#[test]
fn x4_calls_are_bounded_in_number() {
    let few = ClientConfig {
        max_pending: 10,
        ..config()
    };
    let mut h = Harness::new(1, few, 1);
    h.run(ms(100));
    h.bridges[0].holds = true;
    for owner in 0..10 {
        assert!(h.submit(owner).is_ok());
    }
    assert_eq!(h.submit(10), Err(CallError::Busy));
    assert_eq!(h.client.pending(), 10);
    h.release(0);
    assert!(h.submit(11).is_ok());
    assert_eq!(h.client.counters().opened, 0);
}

#[test]
fn x4_calls_are_bounded_in_bytes_and_a_retry_counts_once() {
    let few = ClientConfig {
        max_pending_bytes: 1_000,
        ..config()
    };
    let mut h = Harness::new(2, few, 1);
    h.run(ms(1_000));
    h.bridges.iter_mut().for_each(|bridge| bridge.holds = true);
    let text = [b'u'; 400];
    assert!(h.submit_text(1, &text).is_ok());
    assert!(h.submit_text(2, &text).is_ok());
    h.settle();
    assert_eq!(h.submit_text(3, &text), Err(CallError::Busy));
    h.close(0);
    h.settle();
    assert_eq!(h.client.counters().retried, 2);
    assert_eq!(h.submit_text(3, &text), Err(CallError::Busy));
    h.run(ms(110));
    assert!(h.submit_text(3, &text).is_ok());
}

#[test]
fn x4_one_decision_is_bounded() {
    let mut h = Harness::linked(1);
    assert_eq!(
        h.submit_text(1, &vec![b'u'; 64 << 10]),
        Err(CallError::Busy)
    );
    assert!(h.submit_text(1, &vec![b'u'; 60 << 10]).is_ok());
}

/// Found by reading: stores that a slow bridge does not take used up all that may be pending, and
/// decisions were refused.
#[test]
fn x4_background_work_leaves_half_for_decisions() {
    let mut h = Harness::linked(1);
    h.bridges[0].holds = true;
    let mut sent = 0;
    while h.background(sent, &[b'u'; 10_000]) {
        sent += 1;
    }
    assert!((50..=52).contains(&sent), "{sent} of 10 kB, of 1 MiB");
    for owner in 0..50 {
        let call = h.submit_text(owner, &[b'u'; 10_000]);
        assert!(call.is_ok());
    }
    let mut many = Harness::linked(1);
    many.bridges[0].holds = true;
    let sent = (0..5_000)
        .take_while(|tag| many.background(*tag, b"u"))
        .count();
    assert_eq!(sent, 1_000, "of 2000 calls");
    assert!(many.submit(1).is_ok());
}

/// Found by reading: with its frame, an operation of exactly the largest message's size was over it.
#[test]
fn x4_a_bulk_message_is_never_over_the_largest() {
    let roomy = ClientConfig {
        max_pending_bytes: 64 << 20,
        ..config()
    };
    let mut h = Harness::new(1, roomy, 1);
    h.run(ms(100));
    let (mut sent, mut refused) = (0, 0);
    for size in MAX_MESSAGE - 200..MAX_MESSAGE {
        let text = vec![b'u'; size];
        let op = Op::CacheInvalidate { urls: vec![&text] };
        match h.client.submit_background(1, &op, h.now) {
            true => sent += 1,
            false => refused += 1,
        }
        h.settle();
        h.run(ms(10));
        assert!(
            h.sent
                .iter()
                .all(|(.., message)| message.len() <= MAX_MESSAGE)
        );
        h.sent.clear();
    }
    assert!(sent > 50 && refused > 50, "{sent} {refused}");
}

/// Found by reading: requests that wait for what a slow origin fills used up all that may be pending, and decisions were
/// refused for as long.
#[test]
fn x4_who_waits_for_a_fill_leaves_half_for_decisions() {
    let terms = Terms {
        waits: true,
        ..Terms::default()
    };
    for (text, most) in [(b"u".to_vec(), 1_000), (vec![b'u'; 10_000], 53)] {
        let mut h = Harness::linked(1);
        h.bridges[0].holds = true;
        let mut waiting = 0;
        while h.client.has_room_to_wait() {
            let op = Op::CacheInvalidate { urls: vec![&text] };
            let call = h.client.submit_with(waiting, &[op], terms, h.now);
            assert!(call.is_ok(), "{call:?}");
            waiting += 1;
        }
        assert_eq!(waiting, most);
        assert!(h.submit(1).is_ok());
        h.release(0);
        assert!(h.client.has_room_to_wait());
    }
}

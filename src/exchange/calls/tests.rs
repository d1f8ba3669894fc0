use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

const TIMEOUT: Duration = Duration::from_millis(100);
const SLOW: Duration = Duration::from_secs(5);

fn pending(owner: Owner, now: Duration, bytes: usize) -> Pending {
    let timeout = match owner {
        Owner::Background(_) => SLOW,
        Owner::Client | Owner::Context(_) => TIMEOUT,
    };
    Pending {
        owner,
        ops: Vec::new(),
        bytes,
        count: 1,
        deadline: now + timeout,
        place: Place::Unary,
        trace: None,
        patient: matches!(owner, Owner::Background(_)),
        retried: false,
        out: None,
        waits: false,
    }
}

/// Found by reading: a deadline stayed queued until it was due, so a worker with a long timeout and
/// many quick answers kept one for each request of that time.
#[test]
fn x4_deadlines_of_calls_that_ended_are_not_kept() {
    let mut calls = Calls::default();
    for owner in [Owner::Context(1), Owner::Background(1)] {
        // The oldest stays pending, so nothing behind it is ever due.
        calls.insert(pending(owner, Duration::ZERO, 1));
        for _ in 0..10_000 {
            let id = calls.insert(pending(owner, Duration::ZERO, 1));
            calls.remove(id);
        }
    }
    assert_eq!(calls.len(), 2);
    assert!(calls.deadlines.len() <= SWEEP + 8 && calls.slow.len() <= SWEEP + 8);
}

/// What a bridge may hold back ends late, and keeps nobody behind it from ending in time.
#[test]
fn x3_calls_with_timeouts_of_their_own_are_due_in_order_of_their_deadlines() {
    let mut calls = Calls::default();
    let mut due_at = |ms: u64, patient: bool| {
        calls.insert(Pending {
            deadline: Duration::from_millis(ms),
            patient,
            ..pending(Owner::Context(1), Duration::ZERO, 1)
        })
    };
    let (long, usual, short) = (due_at(900, true), due_at(100, false), due_at(300, true));
    let mut due = Vec::new();
    for ms in [99, 100, 299, 300, 899, 900] {
        while let Some((id, _)) = calls.pop_expired(Duration::from_millis(ms)) {
            due.push((ms, id));
        }
    }
    assert_eq!(due, [(100, usual), (300, short), (900, long)]);
}

proptest! {
    #[test]
    fn x3_each_call_is_due_once_at_its_deadline_and_bytes_add_up(
        steps in vec((0_u8..4, 0_u64..60, 0_usize..50), 0..300),
    ) {
        let (mut calls, mut now) = (Calls::default(), Duration::ZERO);
        let mut live: Vec<(CallId, Duration, usize, bool)> = Vec::new();
        for (kind, gap, n) in steps {
            now += Duration::from_millis(gap);
            match kind {
                0 | 1 => {
                    let slow = kind == 1;
                    let owner = if slow { Owner::Background(1) } else { Owner::Context(1) };
                    let id = calls.insert(pending(owner, now, n));
                    live.push((id, now + if slow { SLOW } else { TIMEOUT }, n, slow));
                }
                2 if !live.is_empty() => {
                    let (id, ..) = live.remove(n % live.len());
                    prop_assert!(calls.remove(id).is_some());
                    prop_assert!(calls.remove(id).is_none());
                }
                _ => {
                    let mut due = Vec::new();
                    while let Some((id, _)) = calls.pop_expired(now) {
                        due.push(id);
                    }
                    due.sort();
                    let (over, rest): (Vec<_>, Vec<_>) = live.into_iter().partition(|c| c.1 <= now);
                    live = rest;
                    let over: Vec<_> = over.into_iter().map(|c| c.0).collect();
                    prop_assert_eq!(due, over);
                }
            }
            prop_assert_eq!(calls.len(), live.len());
            prop_assert_eq!(calls.bytes(), live.iter().map(|c| c.2).sum::<usize>());
            let slow: Vec<_> = live.iter().filter(|c| c.3).collect();
            prop_assert_eq!(calls.background().calls, slow.len());
            prop_assert_eq!(calls.background().bytes, slow.iter().map(|c| c.2).sum::<usize>());
            prop_assert!(calls.deadlines.len() + calls.slow.len() <= 4 * live.len() + 2 * SWEEP + 600);
        }
    }
}

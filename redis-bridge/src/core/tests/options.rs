//! Options of takes, returns, overrides and calendar windows, through the core.

use super::limits::read;
use super::rig::*;
use crate::core::{AdminOp, AdminReply, Failure, Limit, Override, OwnLimit, Transmit, Value};
use crate::script::Script;
use std::time::Duration;
use tidegate::wire::op::{Give, LimitReturn, Take, TakeOptions};
use tidegate::wire::reply::{LimitReply, TakeState};
use tidegate::wire::{FromBridge, Op, OpError};

const NONE: TakeOptions<'static> = TakeOptions {
    calendar: None,
    force: false,
    lease: None,
    need: None,
    overridable: None,
    slot: None,
};

fn window<'a>(options: TakeOptions<'a>, limit: u64, cost: u64) -> Take<'a> {
    Take {
        cost,
        options,
        ..take(&[1; 16], &[1; 8], limit)
    }
}

fn one(rig: &mut Rig, take: Take<'_>) -> LimitReply {
    read(&rig.post(&[Op::LimitTake(vec![take])])[0], 1)
}

fn give(rig: &mut Rig, id: u8, gives: Vec<Give<'_>>) -> Value {
    let op = Op::LimitReturn(LimitReturn {
        id: &[id; 16],
        gives,
    });
    rig.post(&[op]).remove(0)
}

fn integers(numbers: &[i64]) -> Value {
    Value::Array(numbers.iter().copied().map(Value::Integer).collect())
}

#[test]
fn what_is_plain_goes_by_the_plain_script() {
    let scripts = |takes: Vec<Take<'_>>, cluster: bool| {
        let mut rig = if cluster { Rig::cluster() } else { Rig::new() };
        let conn = rig.open(1);
        rig.exchange(conn, 1, 100, &[Op::LimitTake(takes)]);
        let batch = rig.core.poll_batch(rig.now).unwrap();
        let scripts = batch.commands.iter().map(|command| command.script);
        scripts.collect::<Vec<_>>()
    };
    let plain = window(NONE, 5, 1);
    let other = take(&[2; 16], &[1; 8], 5);
    assert_eq!(scripts(vec![plain, other], false), [Script::LimitTakePlain]);
    assert_eq!(scripts(vec![plain], true), [Script::LimitTakePlain]);
    assert_eq!(
        scripts(vec![plain, other], true),
        [Script::LimitTake, Script::LimitTake],
        "what may be given back is marked"
    );
    for options in [
        TakeOptions {
            force: true,
            ..NONE
        },
        TakeOptions {
            lease: Some(1),
            ..NONE
        },
        TakeOptions {
            need: Some(2),
            ..NONE
        },
        TakeOptions {
            overridable: Some(b"x"),
            ..NONE
        },
        TakeOptions {
            calendar: Some(b"day@UTC"),
            ..NONE
        },
    ] {
        let takes = vec![window(options, 5, 1)];
        assert_eq!(scripts(takes, false), [Script::LimitTake], "{options:?}");
    }
}

#[test]
fn need_asks_for_more_than_is_charged() {
    let mut rig = Rig::new();
    let need = |n| TakeOptions {
        need: Some(n),
        ..NONE
    };
    let reply = one(&mut rig, window(need(5), 5, 2));
    assert_eq!((reply.admitted, reply.limits[0].available), (true, 3));
    let reply = one(&mut rig, window(need(5), 5, 2));
    assert_eq!(reply.limits[0].state, TakeState::Denied);
    assert_eq!(reply.limits[0].available, 3);
    let reply = one(&mut rig, window(need(6), 5, 0));
    assert_eq!(reply.limits[0].state, TakeState::Never);
}

#[test]
fn force_charges_a_debt_and_denies_nobody() {
    let mut rig = Rig::new();
    let force = TakeOptions {
        force: true,
        ..NONE
    };
    let other = take(&[1; 16], &[2; 8], 5);
    let forced = window(force, 5, 8);
    let reply = rig.post(&[Op::LimitTake(vec![forced, other])]);
    let reply = read(&reply[0], 2);
    assert!(reply.admitted);
    assert_eq!(reply.limits[0].available, 0);
    assert!(!one(&mut rig, window(NONE, 5, 1)).admitted);
    rig.now += Duration::from_secs(60);
    assert_eq!(one(&mut rig, window(NONE, 5, 1)).limits[0].available, 4);
}

#[test]
fn r11_a_lease_is_charged_when_it_is_granted_and_goes_back() {
    let mut rig = Rig::new();
    let lease = |n| TakeOptions {
        lease: Some(n),
        ..NONE
    };
    let reply = one(&mut rig, window(lease(10), 801, 1)).limits[0];
    assert_eq!((reply.leased, reply.available), (10, 790));
    let reply = one(&mut rig, window(lease(1000), 801, 1)).limits[0];
    assert_eq!(reply.leased, 98, "an eighth of 789 at most");
    assert_eq!(reply.available, 691);
    let back = Give {
        mark: reply.mark,
        take: window(NONE, 801, 98),
    };
    assert_eq!(give(&mut rig, 1, vec![back]), integers(&[98]));
    assert_eq!(
        give(&mut rig, 1, vec![back]),
        integers(&[98]),
        "said again, done once"
    );
    assert_eq!(one(&mut rig, window(NONE, 801, 0)).limits[0].available, 789);
}

#[test]
fn r10_leases_of_a_take_that_another_subject_denies_go_back_too() {
    let mut rig = Rig::cluster();
    let lease = TakeOptions {
        lease: Some(50),
        ..NONE
    };
    let full = take(&[2; 16], &[2; 8], 1);
    let takes = || vec![window(lease, 800, 1), full];
    assert!(read(&rig.post(&[Op::LimitTake(takes())])[0], 2).admitted);
    let reply = read(&rig.post(&[Op::LimitTake(takes())])[0], 2);
    assert!(!reply.admitted);
    assert_eq!(reply.limits[0].leased, 0);
    assert_eq!(reply.limits[0].available, 749);
    assert_eq!(one(&mut rig, window(NONE, 800, 0)).limits[0].available, 749);
}

#[test]
fn r5_slots_are_taken_once_and_go_back() {
    let mut rig = Rig::new();
    let slots = |slot: Option<&'static [u8; 16]>, cost| Take {
        algorithm: b"concurrency",
        ..window(TakeOptions { slot, ..NONE }, 2, cost)
    };
    let (a, b, c) = (&[1; 16], &[2; 16], &[3; 16]);
    assert!(one(&mut rig, slots(Some(a), 1)).admitted);
    let again = one(&mut rig, slots(Some(a), 1));
    assert_eq!((again.admitted, again.limits[0].available), (true, 1));
    assert!(one(&mut rig, slots(Some(b), 1)).admitted);
    let full = one(&mut rig, slots(Some(c), 1));
    assert_eq!(full.limits[0].state, TakeState::Busy);
    assert_eq!(
        full.limits[0].retry_us, 60_000_000,
        "until the first ends by itself"
    );
    assert_eq!(one(&mut rig, slots(None, 0)).limits[0].available, 0);
    let back = |slot| Give {
        mark: 0,
        take: slots(Some(slot), 1),
    };
    assert_eq!(give(&mut rig, 1, vec![back(a), back(c)]), integers(&[1, 0]));
    assert!(one(&mut rig, slots(Some(c), 1)).admitted);
    rig.now += Duration::from_secs(60);
    assert_eq!(
        give(&mut rig, 2, vec![back(b)]),
        integers(&[0]),
        "it had ended"
    );
}

#[test]
fn a_return_is_grouped_by_subject_on_a_cluster_and_answered_in_order() {
    let mut rig = Rig::cluster();
    let (a, b) = ([1; 16], [2; 16]);
    let takes = [
        take(&a, &[1; 8], 9),
        take(&b, &[1; 8], 9),
        take(&a, &[2; 8], 9),
    ];
    let reply = read(&rig.post(&[Op::LimitTake(takes.to_vec())])[0], 3);
    let gives = takes.iter().zip(&reply.limits).map(|(take, taken)| Give {
        mark: taken.mark,
        take: Take { cost: 1, ..*take },
    });
    assert_eq!(give(&mut rig, 1, gives.collect()), integers(&[1, 1, 1]));
    let available = takes.map(|limit| {
        let look = Take { cost: 0, ..limit };
        one(&mut rig, look).limits[0].available
    });
    assert_eq!(available, [9, 9, 9]);
}

#[test]
fn a_return_is_carried_out_though_its_caller_is_gone() {
    let mut rig = Rig::new();
    let conn = rig.open(1);
    let mark = one(&mut rig, window(NONE, 5, 3)).limits[0].mark;
    let op = Op::LimitReturn(LimitReturn {
        id: &[1; 16],
        gives: vec![Give {
            mark,
            take: window(NONE, 5, 3),
        }],
    });
    rig.exchange(conn, 1, 100, &[op]);
    rig.core.handle_close(conn);
    assert_eq!(rig.run(), [1]);
    assert!(rig.core.is_idle());
    assert_eq!(one(&mut rig, window(NONE, 5, 0)).limits[0].available, 5);
}

#[test]
fn what_no_script_can_do_is_refused_by_name() {
    let mut rig = Rig::new();
    let of = |algorithm: &'static [u8], options, limit, cost| Take {
        algorithm,
        ..window(options, limit, cost)
    };
    let lease = TakeOptions {
        lease: Some(1),
        ..NONE
    };
    let slot = TakeOptions {
        slot: Some(&[1; 16]),
        ..NONE
    };
    let calendar = |name| TakeOptions {
        calendar: Some(name),
        ..NONE
    };
    let cases = [
        (of(b"none_such", NONE, 5, 1), "algorithm"),
        (of(b"calendar_window", NONE, 5, 1), "algorithm"),
        (of(b"sliding_window_log", lease, 5, 1), "lease"),
        (of(b"leaky_bucket", lease, 5, 1), "lease"),
        (
            of(
                b"concurrency",
                TakeOptions {
                    lease: Some(1),
                    ..slot
                },
                5,
                1,
            ),
            "lease",
        ),
        (of(b"sliding_window_log", NONE, 10_001, 1), "limit"),
        (of(b"leaky_bucket", NONE, 60_000_001, 1), "limit"),
        (of(b"concurrency", NONE, 5, 1), "slot"),
        (of(b"concurrency", slot, 5, 2), "cost"),
        (of(b"fixed_window", slot, 5, 1), "slot"),
        (of(b"token_bucket", calendar(b"day@UTC"), 5, 1), "calendar"),
        (
            of(b"fixed_window", calendar(b"day@Atlantis/City"), 5, 1),
            "calendar",
        ),
        (
            of(b"fixed_window", calendar(b"decade@UTC"), 5, 1),
            "calendar",
        ),
        (
            Take {
                burst: 30_000_001,
                ..of(b"leaky_bucket", NONE, 5, 1)
            },
            "burst",
        ),
    ];
    for (take, name) in cases {
        let answer = rig.post(&[Op::LimitTake(vec![take])]).remove(0);
        assert_eq!(answer, error(&format!("ARGUMENT bad {name}")), "{take:?}");
    }
    assert_eq!(rig.core.counters().commands, 0, "X7");
}

#[test]
fn a_calendar_window_lasts_its_day_and_the_bridge_learns_redis_time() {
    let mut rig = Rig::new();
    // 2026-11-21T00:00:01Z; Berlin's day began an hour before and ends 23 h later.
    let berlin = TakeOptions {
        calendar: Some(b"day@Europe/Berlin"),
        ..NONE
    };
    let reply = one(&mut rig, window(berlin, 5, 1));
    assert!(reply.admitted);
    assert_eq!(
        rig.core.counters().calendar_again,
        1,
        "it knew no time at first"
    );
    assert_eq!(reply.limits[0].reset_us, (23 * 3600 - 1) * 1_000_000);
    rig.core.handle_redis_time(rig.redis_us(), rig.now);
    let reply = one(&mut rig, window(berlin, 5, 4));
    assert_eq!((reply.admitted, reply.limits[0].available), (true, 0));
    assert_eq!(rig.core.counters().calendar_again, 1);
    let denied = one(&mut rig, window(berlin, 5, 1)).limits[0];
    assert_eq!(denied.state, TakeState::Denied);
    rig.now += Duration::from_micros(denied.retry_us - 1);
    assert!(!one(&mut rig, window(berlin, 5, 1)).admitted);
    rig.now += Duration::from_micros(1);
    assert!(one(&mut rig, window(berlin, 5, 1)).admitted);
}

#[test]
fn a_calendar_window_on_a_cluster_asks_only_that_call_again() {
    let mut rig = Rig::cluster();
    let day = TakeOptions {
        calendar: Some(b"day@UTC"),
        ..NONE
    };
    let takes = vec![window(day, 5, 1), take(&[2; 16], &[2; 8], 5)];
    let reply = read(&rig.post(&[Op::LimitTake(takes)])[0], 2);
    assert!(reply.admitted);
    assert_eq!(
        [reply.limits[0].available, reply.limits[1].available],
        [4, 4]
    );
}

#[test]
fn a_calendar_charge_goes_back_while_its_window_lasts() {
    let mut rig = Rig::new();
    let day = TakeOptions {
        calendar: Some(b"day@UTC"),
        ..NONE
    };
    let mark = one(&mut rig, window(day, 5, 3)).limits[0].mark;
    let back = Give {
        mark,
        take: window(day, 5, 3),
    };
    assert_eq!(give(&mut rig, 1, vec![back]), integers(&[3]));
    assert_eq!(one(&mut rig, window(day, 5, 5)).limits[0].available, 0);
    rig.now += Duration::from_secs(86_400);
    assert_eq!(give(&mut rig, 2, vec![back]), integers(&[0]));
}

fn override_at() -> Override {
    Override {
        name: "x".to_owned(),
        subject: [1; 16],
    }
}

#[test]
fn an_override_counts_from_the_next_call_on_and_is_shown() {
    let mut rig = Rig::new();
    let own = TakeOptions {
        overridable: Some(b"x"),
        ..NONE
    };
    assert!(one(&mut rig, window(own, 2, 2)).admitted);
    assert!(!one(&mut rig, window(own, 2, 1)).admitted);
    let set = OwnLimit {
        limit: 5,
        burst: None,
        ttl_ms: 60_000,
    };
    let answer = rig.admin(&AdminOp::OverrideSet(override_at(), set));
    assert_eq!(answer, AdminReply::Override(Some((b"5".to_vec(), 60_000))));
    let reply = one(&mut rig, window(own, 2, 1)).limits[0];
    assert_eq!(
        (reply.available, reply.limit),
        (2, 5),
        "what was used still is"
    );
    let peek = Limit {
        algorithm: "fixed_window".to_owned(),
        subject: [1; 16],
        id: [1; 8],
        limit: 2,
        window_us: 60_000_000,
        burst: 2,
        calendar: None,
        overridable: Some("x".to_owned()),
    };
    let AdminReply::Limit(reply) = rig.admin(&AdminOp::LimitPeek(peek)) else {
        panic!("no answer");
    };
    assert_eq!((reply.limits[0].available, reply.limits[0].limit), (2, 5));
    let answer = rig.admin(&AdminOp::OverrideRemove(override_at()));
    assert_eq!(answer, AdminReply::Override(None));
    assert_eq!(
        rig.admin(&AdminOp::OverrideGet(override_at())),
        AdminReply::Override(None)
    );
    let reply = one(&mut rig, window(own, 2, 1)).limits[0];
    assert_eq!((reply.state, reply.limit), (TakeState::Denied, 0));
}

#[test]
fn an_override_that_means_nothing_is_ignored_and_counted() {
    let mut rig = Rig::new();
    let own = TakeOptions {
        overridable: Some(b"x"),
        ..NONE
    };
    let key = b"tg:o:x:{01010101010101010101010101010101}".to_vec();
    for (n, text) in [&b"many"[..], b"0", b"5 burst=2", b""]
        .into_iter()
        .enumerate()
    {
        let entry = crate::model::Entry {
            data: crate::model::Data::Text(text.to_vec()),
            expires_ms: None,
        };
        rig.redis.store.entries.insert(key.clone(), entry);
        let reply = one(&mut rig, window(own, 100, 1)).limits[0];
        assert_eq!((reply.state, reply.limit), (TakeState::Ok, 0));
        assert_eq!(rig.core.counters().override_malformed, n as u64 + 1);
    }
}

#[test]
fn an_override_out_of_range_is_refused_before_redis() {
    let mut rig = Rig::new();
    let own = |limit, burst, ttl_ms| OwnLimit {
        limit,
        burst,
        ttl_ms,
    };
    for (own, name) in [
        (own(0, None, 1), "limit"),
        (own(1 << 53, None, 1), "limit"),
        (own(1, Some(0), 1), "burst"),
        (own(1, None, 0), "ttl"),
        (own(1, None, 367 * 86_400_000), "ttl"),
    ] {
        assert_eq!(
            rig.admin(&AdminOp::OverrideSet(override_at(), own)),
            AdminReply::Failed(Failure::Op(OpError::Argument(name)))
        );
    }
    assert_eq!(rig.core.counters().commands, 0);
}

#[test]
fn every_worker_is_told_to_forget() {
    let mut rig = Rig::new();
    let (a, b) = (rig.open(1), rig.open(2));
    rig.core.handle_open(crate::core::ConnId(3));
    rig.core.handle_forget(&[7; 16]);
    let told: Vec<_> = rig.collect();
    let frames = told.iter().map(|transmit| match transmit {
        Transmit::Stream { conn, message } => (*conn, FromBridge::decode_all(message).unwrap()),
        other => panic!("{other:?}"),
    });
    let forget = || vec![FromBridge::Forget { subject: &[7; 16] }];
    assert_eq!(
        frames.collect::<Vec<_>>(),
        [(a, forget()), (b, forget())],
        "not who has not said HELLO"
    );
    assert_eq!(rig.core.counters().forgotten, 1);
}

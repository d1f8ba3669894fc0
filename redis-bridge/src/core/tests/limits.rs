use super::rig::*;
use crate::core::{AdminOp, AdminReply, BackendError, Limit, Value};
use crate::model::Data;
use crate::script::Script;
use std::time::Duration;
use tidegate::wire::Op;
use tidegate::wire::reply::{LimitReply, TakeState};

pub(super) fn read(value: &Value, count: usize) -> LimitReply {
    let mut bytes = Vec::new();
    value.encode(&mut bytes);
    let values = tidegate::wire::resp::decode_all(&bytes).unwrap();
    LimitReply::parse(&values[0], count).unwrap()
}

fn used(rig: &Rig) -> Vec<(String, String)> {
    let entries = rig.redis.store.entries.iter();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    entries
        .filter(|(key, _)| !text(key).contains(":r:"))
        .filter_map(|(key, entry)| match &entry.data {
            Data::Text(value) => Some((text(key), text(value.split(|b| *b == b':').nth(1)?))),
            _ => None,
        })
        .collect()
}

#[test]
fn r1_exactly_the_limit_is_admitted() {
    let mut rig = Rig::new();
    let admitted = (0..30).filter(|_| {
        let answer = rig.post(&[Op::LimitTake(vec![take(&[1; 16], &[1; 8], 7)])]);
        read(&answer[0], 1).admitted
    });
    assert_eq!(admitted.count(), 7);
}

#[test]
fn r10_on_a_cluster_what_one_denies_the_others_get_back() {
    let mut rig = Rig::cluster();
    let (a, b) = ([1; 16], [2; 16]);
    let takes = |n: u64| vec![take(&a, &[1; 8], 100), take(&b, &[2; 8], n)];
    assert!(read(&rig.post(&[Op::LimitTake(takes(1))])[0], 2).admitted);
    let before = used(&rig);
    let denied = |rig: &mut Rig| read(&rig.post(&[Op::LimitTake(takes(1))])[0], 2).limits[1];
    let busy = denied(&mut rig);
    assert_eq!(
        busy.state,
        TakeState::Busy,
        "R12: what denies might be given back"
    );
    rig.now += Duration::from_secs(2);
    let reply = read(&rig.post(&[Op::LimitTake(takes(1))])[0], 2);
    assert!(!reply.admitted);
    assert_eq!(reply.limits[0].state, TakeState::Ok);
    assert_eq!(reply.limits[1].state, TakeState::Denied);
    assert_eq!(reply.limits[0].available, 99, "as if it had not been taken");
    assert_eq!(used(&rig), before);
    assert_eq!(rig.core.counters().returned, 2);
}

#[test]
fn r10_it_is_given_back_even_when_nobody_waits_any_more() {
    let mut rig = Rig::cluster();
    let takes = vec![take(&[1; 16], &[1; 8], 100), take(&[2; 16], &[2; 8], 1)];
    let op = Op::LimitTake(takes);
    rig.post(std::slice::from_ref(&op));
    let before = used(&rig);
    let conn = rig.open(1);
    rig.exchange(conn, 1, 100, std::slice::from_ref(&op));
    let batch = rig.core.poll_batch(rig.now).unwrap();
    let answers = rig.execute(&batch);
    assert_ne!(used(&rig), before);
    rig.core.handle_close(conn);
    rig.core.handle_replies(batch.id, Ok(answers), rig.now);
    assert_eq!(rig.run(), [1]);
    assert_eq!(used(&rig), before);
    assert!(rig.core.is_idle());
}

#[test]
fn a_group_that_failed_fails_the_take_and_the_others_get_theirs_back() {
    let mut rig = Rig::cluster();
    let takes = vec![take(&[1; 16], &[1; 8], 100), take(&[2; 16], &[2; 8], 1)];
    let conn = rig.open(1);
    rig.exchange(conn, 1, 100, &[Op::LimitTake(takes)]);
    let batch = rig.core.poll_batch(rig.now).unwrap();
    let mut answers = rig.execute(&batch);
    answers[1] = Value::error("CLUSTERDOWN The cluster is down");
    rig.core.handle_replies(batch.id, Ok(answers), rig.now);
    assert_eq!(rig.collect(), [], "the answer waits until all is undone");
    let back = rig.core.poll_batch(rig.now).unwrap();
    assert_eq!(back.commands[0].script, Script::LimitReturn);
    rig.core
        .handle_replies(back.id, Err(BackendError::Down), rig.now);
    assert_eq!(replies(&rig.collect())[0].2, [error("REDIS CLUSTERDOWN")]);
    assert_eq!(rig.core.counters().return_failed, 1);
}

#[test]
fn v4_all_keys_of_a_call_share_the_subjects_tag_and_none_is_empty() {
    let mut rig = Rig::cluster();
    let conn = rig.open(1);
    let (a, b) = ([1; 16], [2; 16]);
    let takes = vec![
        take(&a, &[1; 8], 9),
        take(&b, &[1; 8], 9),
        take(&a, &[2; 8], 9),
    ];
    rig.exchange(conn, 1, 100, &[Op::LimitTake(takes)]);
    let batch = rig.core.poll_batch(rig.now).unwrap();
    assert_eq!(
        batch
            .commands
            .iter()
            .map(|c| c.keys.len())
            .collect::<Vec<_>>(),
        [2, 1]
    );
    for command in &batch.commands {
        let tag = |key: &[u8]| {
            let (open, close) = (
                key.iter().position(|b| *b == b'{'),
                key.iter().position(|b| *b == b'}'),
            );
            key[open.unwrap() + 1..close.unwrap()].to_vec()
        };
        let first = tag(&command.keys[0]);
        assert_eq!(first.len(), 32);
        assert!(command.keys.iter().all(|key| tag(key) == first));
    }
    let answers = rig.execute(&batch);
    rig.core.handle_replies(batch.id, Ok(answers), rig.now);
    let reply = read(&replies(&rig.collect())[0].2[0], 3);
    assert!(reply.admitted && reply.limits.len() == 3);
}

#[test]
fn one_limit_twice_is_refused() {
    let mut rig = Rig::new();
    let takes = vec![take(&[1; 16], &[1; 8], 9), take(&[1; 16], &[1; 8], 9)];
    assert_eq!(
        rig.post(&[Op::LimitTake(takes)]),
        [error("ARGUMENT bad id")]
    );
}

#[test]
fn a_bucket_out_of_range_is_refused() {
    let mut rig = Rig::new();
    let bucket = |limit, window_us, burst| {
        let base = take(&[1; 16], &[1; 8], limit);
        let take = tidegate::wire::op::Take {
            algorithm: b"token_bucket",
            window_us,
            burst,
            ..base
        };
        vec![Op::LimitTake(vec![take])]
    };
    assert_eq!(rig.post(&bucket(11, 10, 1)), [error("ARGUMENT bad limit")]);
    assert_eq!(
        rig.post(&bucket(1, 86_400_000_000, 1 << 40)),
        [error("ARGUMENT bad burst")]
    );
    assert!(rig.post(&bucket(10, 10, 1))[0].as_array().is_some());
}

#[test]
fn peek_and_reset() {
    let mut rig = Rig::new();
    let limit = Limit {
        algorithm: "fixed_window".to_owned(),
        subject: [1; 16],
        id: [1; 8],
        limit: 7,
        window_us: 60_000_000,
        burst: 1,
        calendar: None,
        overridable: None,
    };
    rig.post(&[Op::LimitTake(vec![take(&[1; 16], &[1; 8], 7)])]);
    let peek = |rig: &mut Rig| match rig.admin(&AdminOp::LimitPeek(limit.clone())) {
        AdminReply::Limit(reply) => reply.limits[0].available,
        other => panic!("{other:?}"),
    };
    assert_eq!((peek(&mut rig), peek(&mut rig)), (6, 6));
    assert_eq!(
        rig.admin(&AdminOp::LimitReset(limit.clone())),
        AdminReply::Count(1)
    );
    assert_eq!(peek(&mut rig), 7);
}

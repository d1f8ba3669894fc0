//! What is told of exchanges that are traced.

use super::rig::*;
use crate::core::{
    BackendError, Carrier, ConnId, CoreConfig, RequestId, Role, Traced, TracedOp, Value, Verb,
};
use crate::script::Script;
use std::time::Duration;
use tidegate::wire::{Op, TraceParent, frame};

const MS: Duration = Duration::from_millis(1);

fn parent() -> TraceParent {
    TraceParent::from_bytes(b"the trace it is ofwhoasked"[..24].as_ref()).unwrap()
}

fn traced_rig() -> Rig {
    let mut config = CoreConfig::new("tg", "bridge-1");
    config.traces = true;
    Rig::with(config)
}

fn ask(rig: &mut Rig, conn: ConnId, id: u64, deadline_ms: u32, ops: &[Op<'_>]) {
    let mut body = Vec::new();
    ops.iter().for_each(|op| op.encode(&mut body));
    let mut message = Vec::new();
    frame::exchange(
        &mut message,
        id,
        deadline_ms,
        Some(&parent()),
        ops.len(),
        &body,
    );
    rig.message(conn, &message);
}

fn told(rig: &mut Rig) -> Vec<Traced> {
    std::iter::from_fn(|| rig.core.poll_trace()).collect()
}

fn op(verb: Verb, failure: Option<&str>) -> TracedOp {
    TracedOp {
        verb: Some(verb),
        failure: failure.map(str::to_owned),
    }
}

#[test]
fn an_exchange_its_operations_and_what_redis_was_asked() {
    let mut rig = traced_rig();
    let conn = rig.open(1);
    let begun = rig.now;
    let limits = vec![take(&[1; 16], &[1; 8], 3)];
    let ops = [session_get(&[1; 12], &[1; 18]), Op::LimitTake(limits)];
    ask(&mut rig, conn, 5, 100, &ops);
    rig.exchange(conn, 6, 100, &[cache_get(URL)]);
    rig.now += MS;
    let batch = rig.core.poll_batch(rig.now).unwrap();
    assert_eq!(told(&mut rig), []);
    rig.now += 2 * MS;
    let replies = rig.execute(&batch);
    rig.core.handle_replies(batch.id, Ok(replies), rig.now);

    let [traced] = &told(&mut rig)[..] else {
        panic!("one is traced, and the other is not");
    };
    assert_eq!(traced.parent, parent());
    assert_eq!(traced.carrier, Carrier::Stream);
    assert_eq!((traced.begun, traced.ended), (begun, begun + 3 * MS));
    assert_eq!(traced.patience, 100 * MS);
    assert!(traced.answered && traced.failure().is_none());
    let verbs = [op(Verb::SessionGet, None), op(Verb::LimitTake, None)];
    assert_eq!(traced.ops, verbs);
    let calls: Vec<_> = traced.calls.iter().map(|c| (c.verb, c.script)).collect();
    let wanted = [
        (Verb::SessionGet, Script::SessionGet),
        (Verb::LimitTake, Script::LimitTakePlain),
    ];
    assert_eq!(calls, wanted);
    for call in &traced.calls {
        assert_eq!(
            (call.role, call.commands, call.pipeline),
            (Role::State, 1, 3)
        );
        assert_eq!(call.since, begun + MS);
        assert_eq!(call.until, Some(begun + 3 * MS));
        assert_eq!(call.failure, None);
    }
    assert_eq!(told(&mut rig), []);
}

#[test]
fn a_unary_exchange_is_told_too() {
    let mut rig = traced_rig();
    let mut body = Vec::new();
    cache_get(URL).encode(&mut body);
    let request = RequestId(900);
    rig.core
        .handle_request(request, &body, 250, Some(parent()), rig.now);
    rig.run();
    let all = told(&mut rig);
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].carrier, Carrier::Unary);
    assert_eq!(all[0].patience, 250 * MS);
}

#[test]
fn nothing_is_remembered_unless_somebody_wants_it() {
    let mut rig = Rig::new();
    let conn = rig.open(1);
    ask(&mut rig, conn, 5, 100, &[cache_get(URL)]);
    rig.run();
    assert_eq!(replies(&rig.collect()).len(), 1);
    assert_eq!(told(&mut rig), []);
}

/// Redis is still asked when whoever waited has been told: that call is part of the trace, so it is waited
/// for.
#[test]
fn a_deadline_that_passes_is_told_when_redis_has_answered() {
    let mut rig = traced_rig();
    let conn = rig.open(1);
    ask(&mut rig, conn, 5, 10, &[cache_get(URL)]);
    let batch = rig.core.poll_batch(rig.now).unwrap();
    rig.now += 10 * MS;
    rig.core.handle_timeout(rig.now);
    assert_eq!(told(&mut rig), []);
    rig.now += 5 * MS;
    rig.core
        .handle_replies(batch.id, Err(BackendError::Timeout), rig.now);
    let all = told(&mut rig);
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].failure(), Some("TIMEOUT"));
    assert_eq!(all[0].ended, rig.now - 5 * MS);
    assert_eq!(all[0].calls[0].until, Some(rig.now));
    assert_eq!(all[0].calls[0].failure.as_deref(), Some("TIMEOUT"));
}

#[test]
fn who_goes_away_is_not_answered_and_that_is_told() {
    let mut rig = traced_rig();
    let conn = rig.open(1);
    ask(&mut rig, conn, 5, 100, &[cache_get(URL)]);
    rig.core.handle_close(conn);
    rig.run();
    let all = told(&mut rig);
    assert_eq!(all.len(), 1);
    assert!(!all[0].answered && all[0].calls.is_empty());
}

#[test]
fn what_redis_refuses_is_told_by_its_code_word_alone() {
    let mut rig = traced_rig();
    let conn = rig.open(1);
    ask(&mut rig, conn, 5, 100, &[cache_get(URL)]);
    let batch = rig.core.poll_batch(rig.now).unwrap();
    let line = Value::error("OOM command not allowed, key tg:secret");
    rig.core.handle_replies(batch.id, Ok(vec![line]), rig.now);
    let all = told(&mut rig);
    assert_eq!(all[0].ops, [op(Verb::CacheGet, Some("OOM"))]);
    assert_eq!(all[0].calls[0].failure.as_deref(), Some("OOM"));
    assert!(!format!("{all:?}").contains("secret"));
}

#[test]
fn what_is_no_operation_has_no_verb() {
    let mut rig = traced_rig();
    let conn = rig.open(1);
    let mut message = Vec::new();
    let nope = b"*1\r\n$4\r\nNOPE\r\n";
    frame::exchange(&mut message, 5, 100, Some(&parent()), 1, nope);
    rig.message(conn, &message);
    let all = told(&mut rig);
    let wanted = TracedOp {
        verb: None,
        failure: Some("VERB".to_owned()),
    };
    assert_eq!(all[0].ops, [wanted]);
    assert!(all[0].calls.is_empty());
}

/// On a Cluster the limits of two subjects are two commands.
#[test]
fn the_commands_of_one_operation_in_one_pipeline_are_one_call() {
    let mut config = CoreConfig::new("tg", "bridge-1");
    (config.cluster, config.traces) = (true, true);
    let mut rig = Rig::with(config);
    let conn = rig.open(1);
    let limits = vec![take(&[1; 16], &[1; 8], 3), take(&[2; 16], &[2; 8], 3)];
    ask(&mut rig, conn, 5, 100, &[Op::LimitTake(limits)]);
    rig.run();
    let all = told(&mut rig);
    let [call] = &all[0].calls[..] else {
        panic!("{all:?}");
    };
    assert_eq!((call.commands, call.pipeline), (2, 2));
}

#[test]
fn the_calls_of_one_exchange_that_are_remembered_are_bounded() {
    let mut rig = traced_rig();
    let conn = rig.open(1);
    let ops = vec![cache_get(URL); 40];
    ask(&mut rig, conn, 5, 100, &ops);
    rig.run();
    let all = told(&mut rig);
    assert_eq!((all[0].calls.len(), all[0].more_commands), (32, 8));
    assert_eq!(all[0].ops.len(), 40);
}

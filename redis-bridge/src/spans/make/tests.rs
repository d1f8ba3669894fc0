use super::*;
use crate::core::{Carrier, Verb};
use crate::script::Script;
use std::collections::HashMap;
use tidegate::wire::TraceParent;

const MS: Duration = Duration::from_millis(1);

pub(in crate::spans) fn traced() -> Traced {
    let op = |verb, failure: Option<&str>| TracedOp {
        verb,
        failure: failure.map(str::to_owned),
    };
    Traced {
        parent: TraceParent::from_bytes(&[7; 24]).unwrap(),
        carrier: Carrier::Stream,
        begun: 10 * MS,
        ended: 15 * MS,
        patience: 100 * MS,
        answered: true,
        ops: vec![op(Some(Verb::LimitTake), None), op(None, Some("VERB"))],
        calls: vec![TracedCall {
            verb: Verb::LimitTake,
            script: Script::LimitTakePlain,
            role: Role::State,
            commands: 1,
            pipeline: 9,
            since: 11 * MS,
            until: Some(14 * MS),
            failure: None,
        }],
        more_commands: 0,
    }
}

fn made(traced: &Traced) -> Vec<SpanData> {
    let places = Places {
        state: Some(("redis.example".to_owned(), Some(6379))),
        cache: None,
    };
    let mut out = Vec::new();
    spans(traced, SystemTime::UNIX_EPOCH, &places, &mut out);
    out
}

fn attributes(span: &SpanData) -> HashMap<String, String> {
    let all = span.attributes.iter();
    all.map(|pair| (pair.key.to_string(), pair.value.to_string()))
        .collect()
}

#[test]
fn the_exchange_is_a_child_of_whoever_asked_and_its_call_a_child_of_it() {
    let all = made(&traced());
    let [whole, call] = &all[..] else {
        panic!("{all:?}");
    };
    for span in [whole, call] {
        assert_eq!(span.span_context.trace_id().to_bytes(), [7; 16]);
        assert!(span.span_context.is_sampled() && span.span_context.is_valid());
    }
    assert_eq!(whole.parent_span_id.to_bytes(), [7; 8]);
    assert!(whole.parent_span_is_remote && !call.parent_span_is_remote);
    assert_eq!(call.parent_span_id, whole.span_context.span_id());
    assert_ne!(call.span_context.span_id(), whole.span_context.span_id());
    assert_eq!(whole.span_kind, SpanKind::Server);
    assert_eq!(call.span_kind, SpanKind::Client);
    let times = [whole, call].map(|span| (span.start_time, span.end_time));
    let at = |ms: u32| SystemTime::UNIX_EPOCH + ms * MS;
    assert_eq!(times, [(at(10), at(15)), (at(11), at(14))]);
}

#[test]
fn attributes_are_those_of_the_conventions() {
    let all = made(&traced());
    let call = attributes(&all[1]);
    for (name, value) in [
        ("db.system.name", "redis"),
        ("db.operation.name", "LIMIT.TAKE"),
        ("db.stored_procedure.name", "limit_take_plain"),
        ("server.address", "redis.example"),
        ("server.port", "6379"),
        ("tidegate.pipeline.commands", "9"),
    ] {
        assert_eq!(call[name], value, "{name}");
    }
    let whole = attributes(&all[0]);
    assert_eq!(whole["tidegate.carrier"], "stream");
    assert_eq!(whole["tidegate.deadline_ms"], "100");
    assert_eq!(whole["tidegate.verbs"], "[\"LIMIT.TAKE\",\"none\"]");
    assert_eq!(whole["tidegate.results"], "[\"ok\",\"VERB\"]");
    assert_eq!(whole["error.type"], "VERB");
    assert_eq!(all[0].status, Status::error("VERB"));
    assert_eq!(all[1].status, Status::Unset);
}

#[test]
fn who_went_away_is_no_error() {
    let mut gone = traced();
    gone.answered = false;
    gone.ops.iter_mut().for_each(|op| op.failure = None);
    let all = made(&gone);
    assert_eq!(
        attributes(&all[0])["tidegate.results"],
        "[\"gone\",\"gone\"]"
    );
    assert_eq!(all[0].status, Status::Unset);
}

/// Redis had not answered when everything was over: the span ends, and not before it began.
#[test]
fn a_call_without_an_answer_has_an_end() {
    let mut open = traced();
    open.calls[0].until = None;
    assert_eq!(made(&open)[1].end_time, SystemTime::UNIX_EPOCH + 15 * MS);
    open.calls[0].since = 20 * MS;
    assert_eq!(made(&open)[1].end_time, SystemTime::UNIX_EPOCH + 20 * MS);
}

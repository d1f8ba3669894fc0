//! First phase: which policy, what can be refused at once, what has to be asked.

use super::cache_phase::Question;
use super::request::{self, Asked, Cached, Request, Session};
use super::{Ctx, Output, Property, RequestHead, State, Verdict};
use super::{cache_phase, decide, limit_phase, session_phase};
use crate::exchange::Terms;
use crate::http::problem::{Problem, Reason};
use crate::metrics::{Metric, RequestEvent};
use crate::policy::Routed;
use crate::session::{is_reserved, path};
use crate::vm::Complaint;
use crate::wire::{Op, TraceParent};
use std::rc::Rc;

/// Decides what becomes of a request's headers.
pub(super) fn admit(head: RequestHead, ctx: &mut Ctx<'_>, output: &mut Output) -> State {
    let RequestHead {
        mut headers,
        end,
        peer,
        routed,
    } = head;
    // Whatever happens to the request after this, no such field reaches the upstream (S6).
    let edited = headers.remove_if(|name, _| is_reserved(name));
    let config = Rc::clone(&ctx.vm.config);

    // A path that another server may read differently could miss the rule that protects it and match
    // an open one. So it is refused whatever it matches, as soon as anything is protected.
    let path = headers.only(":path").unwrap_or_default();
    if let Some(ambiguity) = path::ambiguity(path).filter(|_| ctx.vm.protects) {
        ctx.vm
            .metrics
            .count(Metric::Request(RequestEvent::BadRequest));
        let mut problem = Problem::new(Reason::AmbiguousPath);
        problem.detail = ambiguity.name();
        request::refuse(&problem, &[], output);
        return State::Answered;
    }
    let target = match routed {
        Routed::To(target) => Some(target),
        Routed::Nowhere => None,
        Routed::Unknown(name) => {
            ctx.vm
                .metrics
                .count(Metric::Request(RequestEvent::UnknownPolicy));
            if let Some(more) = ctx.vm.complaints.tell(Complaint::UnknownPolicy, ctx.now) {
                log::error!(
                    "route metadata names the policy {:?}, which does not exist{more}",
                    String::from_utf8_lossy(&name)
                );
            }
            request::refuse(&Problem::new(Reason::UnknownPolicy), &[], output);
            return State::Answered;
        }
    };
    let Some((target, policy)) =
        target.and_then(|target| Some((target, config.policies.get(target.policy)?)))
    else {
        output.request = edited.then_some(headers);
        return State::Passing;
    };

    let post = headers.only(":method") == Some(b"POST");
    // Several are none (W3C Trace Context, 3.2): nobody could say whose it is.
    let trace = headers.only("traceparent").and_then(TraceParent::parse);
    let mut request = Box::new(Request {
        headers,
        edited,
        policy: target.policy,
        session: Session::Unused,
        claims: Vec::new(),
        limited: false,
        sent: ctx.now,
        limit_fields: Vec::new(),
        cache: Cached::Unused,
        asked: Vec::new(),
        token: None,
        data: None,
        nonce: String::new(),
        post,
        trace,
    });

    if let Some(used) = &policy.session
        && session_phase::present(used, &mut request, ctx, output).is_err()
    {
        return State::Answered;
    }
    if limit_phase::claim(policy, target, &peer, &mut request, ctx, output).is_err() {
        return State::Answered;
    }
    cache_phase::prepare(policy, &config, end, &mut request, ctx);
    ask(request, ctx, output)
}

/// Sends what has to be asked, in one exchange; decides at once when there is nothing.
pub(super) fn ask(mut request: Box<Request>, ctx: &mut Ctx<'_>, output: &mut Output) -> State {
    let config = Rc::clone(&ctx.vm.config);
    let calendars = Rc::clone(&ctx.vm.calendars);
    limit_phase::aside(&mut request, ctx);
    limit_phase::spend(&mut request, ctx);
    let question = cache_phase::question(&mut request, &config, ctx);
    let mut ops: Vec<Op<'_>> = Vec::new();
    let mut asked = Vec::new();
    if let Some(op) = session_phase::op(&request, &config) {
        ops.push(op);
        asked.push(Asked::Session);
    }
    limit_phase::ops(&request, &config, &calendars, &mut ops, &mut asked);
    if let Some(op) = question
        .as_ref()
        .and_then(|question| cache_phase::op(&request, question))
    {
        ops.push(op);
        asked.push(Asked::Cache);
    }
    if ops.is_empty() {
        drop(ops);
        return decide::decide(request, Ok(Vec::new()), ctx, output);
    }
    let terms = Terms {
        hold: limit_phase::hold(&request, &config),
        trace: request.trace,
        waits: question.as_ref().is_some_and(Question::waits),
    };
    let client = &mut ctx.vm.client;
    let submitted = client.submit_with(ctx.context, &ops, terms, ctx.now);
    drop(ops);
    limit_phase::asked(&mut request, submitted.is_ok(), ctx);
    request.asked = asked;
    match submitted {
        Ok(call) => {
            output.verdict = Verdict::Pause;
            State::Asking { request, call }
        }
        Err(error) => decide::decide(request, Err(error), ctx, output),
    }
}

/// Lets the request go upstream.
pub(super) fn forward(mut request: Box<Request>, ctx: &mut Ctx<'_>, output: &mut Output) -> State {
    session_phase::tell(&mut request, ctx);
    ctx.held.forwarded(&request.claims);
    cache_phase::before_forward(&mut request, ctx);
    output.verdict = Verdict::Continue;
    if request.edited {
        output.request = Some(core::mem::take(&mut request.headers));
    }
    if let Some(policy) = ctx.vm.config.policies.get(request.policy) {
        output
            .properties
            .push((Property::Policy, policy.name.as_bytes().to_vec()));
    }
    State::Forwarded(request)
}

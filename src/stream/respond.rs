//! Third phase: the upstream's answer on its way to the client.

use super::cache_phase::{self, Judged};
use super::request::{Cached, Request};
use super::session_change::{Answer, Fields};
use super::{Ctx, LocalReply, Output, Property, State, Verdict, limit_phase, session_change};
use crate::cache::status::Status;
use crate::cache::{Url, groups, invalidate, tidy};
use crate::exchange::{CallError, Terms};
use crate::http::{Headers, cookie};
use crate::metrics::{CacheEvent, Metric};
use crate::policy::{Config, Credential, Policy};
use crate::session::is_reserved;
use crate::vm::Complaint;
use crate::wire::{Op, Value, reply};
use std::rc::Rc;

/// The headers without reserved fields; `None` when there were none.
pub(super) fn without_reserved(mut headers: Headers) -> Option<Headers> {
    headers
        .remove_if(|name, _| is_reserved(name))
        .then_some(headers)
}

/// Decides what becomes of the response's headers.
pub(super) fn respond(
    request: Box<Request>,
    headers: Headers,
    end: bool,
    ctx: &mut Ctx<'_>,
    output: &mut Output,
) -> State {
    let status = status_of(&headers);
    limit_phase::answered(status, &headers, ctx);
    let answer = Answer { headers, end };
    session_change::begin(request, answer, status, ctx, output)
}

/// For the access log.
fn tell(told: Status, output: &mut Output) {
    let what = told.to_string();
    let what = what.strip_prefix("tidegate; ").unwrap_or(&what);
    output
        .properties
        .push((Property::Cache, what.as_bytes().to_vec()));
}

/// The client gets what is stored in the place of the upstream's answer, with what that did to the session.
fn replace(mut reply: LocalReply, fields: Fields, output: &mut Output) {
    if fields.changed {
        reply.headers.retain(|(name, _)| name != "cache-control");
        let private = ("cache-control".to_owned(), b"no-store".to_vec());
        reply.headers.push(private);
    }
    if let Some(cookie) = fields.set_cookie {
        let line = ("set-cookie".to_owned(), cookie.into_bytes());
        reply.headers.push(line);
    }
    output.verdict = Verdict::Reply(reply);
}

/// The same, once what the answer does to a session is done.
pub(super) fn finish(
    request: Box<Request>,
    answer: Answer,
    fields: Fields,
    ctx: &mut Ctx<'_>,
    output: &mut Output,
) -> State {
    let Answer { mut headers, end } = answer;
    let config = Rc::clone(&ctx.vm.config);
    let status = status_of(&headers);
    let mut edited = false;
    let mut next = State::Answered;
    let policy = config.policies.get(request.policy);

    if let Some((policy, index)) = policy.and_then(|policy| Some((policy, policy.cache?))) {
        // As it is stored. A cache that fails grants no lease, and changes nothing (invariant C11).
        if request.fills() {
            edited |= tidy(&mut headers);
        }
        // Judged on what the upstream sent, before anything of ours is added or taken away.
        let told = match &request.cache {
            Cached::Unused => None,
            Cached::Bypassed(why) => Some(Status::Bypass(*why)),
            Cached::Unsafe(url) => {
                let on = request.terms();
                if let Some(call) = invalidate(url, status, &headers, index, on, ctx) {
                    next = State::Purging {
                        call,
                        cache: index,
                        headers: None,
                    };
                    output.verdict = Verdict::Pause;
                }
                Some(Status::Method)
            }
            Cached::Lookup(lookup) => {
                let how = (end, fields.changed);
                let judged = cache_phase::judge(
                    &request, lookup, policy, &config, status, &headers, how, ctx,
                );
                match judged {
                    Judged::Pass(told, state) => {
                        next = state;
                        Some(told)
                    }
                    Judged::Replace(reply, told) => {
                        tell(told, output);
                        replace(reply, fields, output);
                        return State::Answered;
                    }
                }
            }
        };
        if let Some(told) = told {
            told.append_to(&mut headers);
            tell(told, output);
            edited = true;
        }
    }
    edited |= headers.remove_if(|name, _| is_reserved(name));
    edited |= drop_own_cookie(policy, &config, &mut headers);
    for (name, value) in &request.limit_fields {
        headers.append(name, value.as_bytes());
        edited = true;
    }
    if fields.changed {
        headers.set("cache-control", "no-store");
        edited = true;
    }
    if let Some(cookie) = fields.set_cookie {
        headers.append("set-cookie", cookie);
    }
    match &mut next {
        State::Purging { headers: held, .. } => *held = edited.then_some(headers),
        _ => output.response = edited.then_some(headers),
    }
    next
}

/// Takes an invalidation's answer and lets the response go: whoever sees it sees no older body after.
pub(super) fn purged(
    cache: usize,
    headers: Option<Headers>,
    result: Result<Vec<Value<'_>>, CallError>,
    ctx: &mut Ctx<'_>,
    output: &mut Output,
) -> State {
    let done = result.is_ok_and(|values| {
        let mut values = values.iter();
        values.len() > 0 && values.all(|value| reply::parse_removed(value).is_ok())
    });
    let event = if done {
        CacheEvent::Purged
    } else {
        CacheEvent::Error
    };
    ctx.vm.metrics.count(Metric::Cache(cache, event));
    if !done && let Some(more) = (ctx.vm.complaints).tell(Complaint::InvalidationLost, ctx.now) {
        log::error!(
            "an invalidation did not reach Redis: answers may be served until their TTL ends{more}"
        );
    }
    output.response = headers;
    output.verdict = Verdict::Continue;
    State::Answered
}

/// Asks for the invalidation of what an unsafe request has changed.
fn invalidate(
    url: &Url,
    status: u16,
    headers: &Headers,
    cache: usize,
    terms: Terms,
    ctx: &mut Ctx<'_>,
) -> Option<crate::exchange::CallId> {
    let targets = invalidate::targets(url, status, headers);
    if targets.is_empty() {
        return None;
    }
    let urls = targets.iter().map(Url::as_bytes).collect();
    let tags = groups::invalidated(url, status, headers);
    let mut ops = vec![Op::CacheInvalidate { urls }];
    ops.extend(tags.iter().map(|tag| Op::CachePurge { tag }));
    match (ctx.vm.client).submit_with(ctx.context, &ops, terms, ctx.now) {
        Ok(call) => Some(call),
        Err(error) => {
            if let Some(more) = (ctx.vm.complaints).tell(Complaint::InvalidationUnsent, ctx.now) {
                log::error!("an invalidation could not be sent: {error}{more}");
            }
            ctx.vm
                .metrics
                .count(Metric::Cache(cache, CacheEvent::Error));
            None
        }
    }
}

/// The realm's cookie is set by us alone.
fn drop_own_cookie(policy: Option<&Policy>, config: &Config, headers: &mut Headers) -> bool {
    let realm = policy
        .and_then(|policy| policy.session.as_ref())
        .and_then(|used| config.sessions.get(used.realm));
    let Some(Credential::Cookie(own)) = realm.map(|realm| &realm.credential) else {
        return false;
    };
    headers.remove_if(|name, line| name == "set-cookie" && cookie::set_name(line) == own.as_bytes())
}

pub(super) fn status_of(headers: &Headers) -> u16 {
    let status = headers
        .only(":status")
        .and_then(|text| core::str::from_utf8(text).ok());
    status.and_then(|text| text.parse().ok()).unwrap_or(0)
}

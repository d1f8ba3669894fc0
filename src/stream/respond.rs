//! Third phase: the upstream's answer on its way to the client.

use super::request::{Cached, Lookup, Request};
use super::session_change::Fields;
use super::{
    Ctx, Output, Property, State, Verdict, cache_phase, fill, limit_phase, session_change,
};
use crate::cache::freshness::Timing;
use crate::cache::status::Status;
use crate::cache::store::ResponseMeta;
use crate::cache::{NotStored, Storing, Url, invalidate, storable};
use crate::exchange::CallError;
use crate::http::{Headers, cookie};
use crate::metrics::{CacheEvent, Metric};
use crate::policy::{Config, Credential, Policy};
use crate::session::is_reserved;
use crate::vm::Work;
use crate::wire::op::CachePut;
use crate::wire::{Op, Value, reply};
use core::time::Duration;
use std::rc::Rc;

/// An answer that is being copied.
#[derive(Debug)]
pub(super) struct Capture {
    cache: usize,
    storing: Storing,
    lease: [u8; 16],
    /// The variant that was looked up.
    asked: [u8; 16],
    arrived: Duration,
    body: Vec<u8>,
}

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
    session_change::begin(request, headers, end, status, ctx, output)
}

/// The same, once what the answer does to a session is done.
pub(super) fn finish(
    request: Box<Request>,
    mut headers: Headers,
    end: bool,
    fields: Fields,
    ctx: &mut Ctx<'_>,
    output: &mut Output,
) -> State {
    let config = Rc::clone(&ctx.vm.config);
    let status = status_of(&headers);
    let mut edited = false;
    let mut next = State::Answered;
    let policy = config.policies.get(request.policy);

    if let Some((policy, index)) = policy.and_then(|policy| Some((policy, policy.cache?))) {
        // Judged on what the upstream sent, before anything of ours is added or taken away.
        let told = match &request.cache {
            Cached::Unused => None,
            Cached::Bypassed(why) => Some(Status::Bypass(*why)),
            Cached::Unsafe(url) => {
                if let Some(call) = invalidate(url, status, &headers, index, ctx) {
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
                let stored = if fields.changed {
                    Err(NotStored::Session)
                } else {
                    begin_store(&request, lookup, policy, &config, &headers, end, ctx)
                };
                let result = match stored {
                    Ok(capture) => {
                        next = capture.begin(index, end, ctx);
                        Ok(())
                    }
                    Err(why) => {
                        fill::not_stored(why, status, ctx);
                        Err(why)
                    }
                };
                Some(match (lookup.failed, lookup.stale) {
                    (true, _) => Status::Unavailable,
                    (false, true) => Status::Stale(result),
                    (false, false) => Status::Miss(result),
                })
            }
        };
        if let Some(told) = told {
            told.append_to(&mut headers);
            let what = told.to_string();
            let what = what.strip_prefix("tidegate; ").unwrap_or(&what);
            output
                .properties
                .push((Property::Cache, what.as_bytes().to_vec()));
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
    let done = matches!(result.as_deref(), Ok([value]) if reply::parse_removed(value).is_ok());
    let event = if done {
        CacheEvent::Purged
    } else {
        CacheEvent::Error
    };
    ctx.vm.metrics.count(Metric::Cache(cache, event));
    if !done {
        log::error!(
            "an invalidation did not reach Redis: answers may be served until their TTL ends"
        );
    }
    output.response = headers;
    output.verdict = Verdict::Continue;
    State::Answered
}

impl Capture {
    /// The headers have passed; `end`: they are all of it.
    fn begin(self, cache: usize, end: bool, ctx: &mut Ctx<'_>) -> State {
        let capture = Self { cache, ..self };
        if end {
            capture.store(ctx);
            return State::Answered;
        }
        State::Receiving(Box::new(capture))
    }

    /// Copies a piece of the body; stores when it was the last.
    pub(super) fn body(mut self: Box<Self>, chunk: &[u8], end: bool, ctx: &mut Ctx<'_>) -> State {
        if self.body.len().saturating_add(chunk.len()) > self.storing.max_body {
            fill::not_stored(NotStored::TooLarge, 200, ctx);
            return State::Answered;
        }
        self.body.extend_from_slice(chunk);
        if end {
            self.store(ctx);
            return State::Answered;
        }
        State::Receiving(self)
    }

    fn store(&self, ctx: &mut Ctx<'_>) {
        let elapsed = ctx.now.saturating_sub(self.arrived).as_millis();
        let elapsed_ms = u64::try_from(elapsed).unwrap_or(u64::MAX);
        let stored = self.storing.times(elapsed_ms).and_then(|(age_ms, ttl_ms)| {
            let record = self.storing.encode(&self.body)?;
            Ok((age_ms, ttl_ms, record))
        });
        let Ok((age_ms, ttl_ms, record)) = stored else {
            return;
        };
        let vary = self.storing.vary.to_wire();
        let op = Op::CachePut(CachePut {
            url: &self.storing.url,
            field: &self.storing.field,
            vary: vary.as_bytes(),
            lease: &self.lease,
            asked: &self.asked,
            age_ms,
            ttl_ms,
            record: &record,
            tags: self.storing.tags.iter().map(Vec::as_slice).collect(),
        });
        ctx.vm.vary.learn(&self.storing.url, &self.storing.vary);
        let tag = Work::Store(self.cache).tag();
        if ctx.vm.client.submit_background(tag, &op, ctx.now) {
            fill::stored(ctx);
        } else {
            ctx.vm
                .metrics
                .count(Metric::Cache(self.cache, CacheEvent::Error));
        }
    }
}

fn begin_store(
    request: &Request,
    lookup: &Lookup,
    policy: &Policy,
    config: &Config,
    headers: &Headers,
    end: bool,
    ctx: &Ctx<'_>,
) -> Result<Capture, NotStored> {
    let (Some(lease), Some(selecting)) = (lookup.lease, &lookup.selecting) else {
        return Err(NotStored::Lease);
    };
    let cache = policy.cache.and_then(|index| config.caches.get(index));
    let cache = cache.ok_or(NotStored::Lease)?;
    let meta = cache_phase::meta(policy, config, &lookup.url, selecting, &request.session);
    let response = ResponseMeta {
        status: status_of(headers),
        headers,
        end_of_stream: end,
        self_framed: false,
    };
    let delay = ctx.now.saturating_sub(lookup.sent).as_millis();
    let timing = Timing {
        response_delay_ms: u64::try_from(delay).unwrap_or(u64::MAX),
        wall_ms: ctx.vm.client.fleet_time_us(ctx.now).map(|us| us / 1000),
    };
    let storing = storable(&meta, &response, &timing, cache)?;
    // A variant is named before its session is known, so every request would match this one.
    if storing.vary.names().any(is_reserved) {
        return Err(NotStored::Session);
    }
    let capacity = storing
        .content_length
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(0);
    let body = Vec::with_capacity(capacity.min(storing.max_body));
    Ok(Capture {
        cache: 0,
        storing,
        lease,
        asked: lookup.field,
        arrived: ctx.now,
        body,
    })
}

/// Asks for the invalidation of what an unsafe request has changed.
fn invalidate(
    url: &Url,
    status: u16,
    headers: &Headers,
    cache: usize,
    ctx: &mut Ctx<'_>,
) -> Option<crate::exchange::CallId> {
    let targets = invalidate::targets(url, status, headers);
    if targets.is_empty() {
        return None;
    }
    let urls = targets.iter().map(Url::as_bytes).collect();
    let op = Op::CacheInvalidate { urls };
    match ctx.vm.client.submit(ctx.context, &[op], ctx.now) {
        Ok(call) => Some(call),
        Err(error) => {
            log::error!("an invalidation could not be sent: {error}");
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

fn status_of(headers: &Headers) -> u16 {
    let status = headers
        .only(":status")
        .and_then(|text| core::str::from_utf8(text).ok());
    status.and_then(|text| text.parse().ok()).unwrap_or(0)
}

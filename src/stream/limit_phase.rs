//! Limits on a request's way: which apply, what they said, what the client is told.

use super::request::{Asked, Claim, Request, Session};
use super::session_phase::Refused;
use super::{Ctx, Output};
use crate::http::problem::{Problem, Reason};
use crate::limit::key::resolve;
use crate::limit::{Client, LocalTake, RequestView, SessionKey, fields};
use crate::metrics::{LimitEvent, Metric};
use crate::policy::{Config, Cost, Limit, OnError, Policy, Target};
use crate::wire::op::{Take, TakeOptions};
use crate::wire::reply::{LimitReply, TakeState, Taken};
use crate::wire::{Op, Value};
use std::rc::Rc;

/// Finds out which of the policy's limits apply, and whom they count.
pub(super) fn claim(
    policy: &Policy,
    target: Target,
    peer: &[u8],
    request: &mut Request,
    ctx: &mut Ctx<'_>,
) {
    if policy.limits.is_empty() {
        return;
    }
    let config = Rc::clone(&ctx.vm.config);
    let headers = &request.headers;
    let forwarded: Vec<&[u8]> = headers.all("x-forwarded-for").collect();
    let client = if peer.is_empty() {
        None
    } else {
        Client::find(&config.client_ip, peer, forwarded.iter().copied())
    };
    let route = match target.route {
        usize::MAX => policy.name.clone(),
        route => route.to_string(),
    };
    let hash;
    let session = match &request.session {
        Session::Presented(token) => {
            hash = token.key_hash();
            Some(SessionKey {
                user: &token.user,
                id: &hash,
            })
        }
        _ => None,
    };
    let view = RequestView {
        method: headers.only(":method").unwrap_or_default(),
        host: headers.only(":authority").unwrap_or_default(),
        path: headers.only(":path").unwrap_or_default(),
        headers,
        client_ip: client.map(|client| client.key()),
        route: Some(&route),
        session,
    };
    let mut claims = Vec::with_capacity(policy.limits.len());
    for &index in &policy.limits {
        let Some(limit) = config.limits.get(index) else {
            continue;
        };
        match resolve(&limit.key, &view) {
            Ok(subject) => claims.push(Claim {
                limit: index,
                subject,
                asked: false,
                taken: None,
            }),
            Err(_) => ctx
                .vm
                .metrics
                .count(Metric::Limit(index, LimitEvent::Skipped)),
        }
    }
    request.claims = claims;
}

/// The operations: all enforced limits together, because they are charged all or none; each shadow
/// limit alone, because it must not keep the others from being charged.
pub(super) fn ops<'a>(
    request: &'a Request,
    config: &'a Config,
    ops: &mut Vec<Op<'a>>,
    asked: &mut Vec<Asked>,
) {
    let mut enforced = Vec::new();
    for (at, claim) in request.claims.iter().enumerate() {
        let Some(limit) = config.limits.get(claim.limit).filter(|_| !claim.asked) else {
            continue;
        };
        let take = take(limit, claim);
        if limit.shadow {
            ops.push(Op::LimitTake(vec![take]));
            asked.push(Asked::Shadow(at));
        } else {
            enforced.push(take);
        }
    }
    if !enforced.is_empty() {
        ops.push(Op::LimitTake(enforced));
        asked.push(Asked::Limits);
    }
}

/// What [`ops`] has named is not named again.
pub(super) fn asked(request: &mut Request) {
    for claim in &mut request.claims {
        claim.asked = true;
    }
}

/// Takes a shadow limit's answer: counted, nothing else.
pub(super) fn shadowed(
    at: usize,
    value: Option<&Value<'_>>,
    request: &mut Request,
    ctx: &mut Ctx<'_>,
) {
    let Some(claim) = request.claims.get_mut(at) else {
        return;
    };
    let event = match value.map(|value| LimitReply::parse(value, 1)) {
        Some(Ok(reply)) => {
            claim.taken = reply.limits.first().copied();
            if reply.admitted {
                LimitEvent::Allowed
            } else {
                LimitEvent::ShadowDenied
            }
        }
        _ => LimitEvent::Error,
    };
    ctx.vm.metrics.count(Metric::Limit(claim.limit, event));
}

/// Takes the enforced limits' answer; `None`: there was none.
pub(super) fn answered(
    value: Option<&Value<'_>>,
    request: &mut Request,
    ctx: &mut Ctx<'_>,
    output: &mut Output,
) -> Result<(), Refused> {
    let config = Rc::clone(&ctx.vm.config);
    let is_enforced = |claim: &Claim| {
        config
            .limits
            .get(claim.limit)
            .is_some_and(|limit| !limit.shadow)
    };
    let count = request
        .claims
        .iter()
        .filter(|claim| is_enforced(claim))
        .count();
    let reply = value.and_then(|value| LimitReply::parse(value, count).ok());
    let admitted = match reply {
        Some(reply) => {
            let enforced = request.claims.iter_mut().filter(|claim| is_enforced(claim));
            for (claim, taken) in enforced.zip(reply.limits) {
                claim.taken = Some(taken);
            }
            reply.admitted
        }
        None => return without_answer(&config, request, ctx, output),
    };
    for claim in request.claims.iter().filter(|claim| is_enforced(claim)) {
        let denied = claim
            .taken
            .is_some_and(|taken| taken.state != TakeState::Ok);
        match (admitted, denied) {
            (true, _) => ctx
                .vm
                .metrics
                .count(Metric::Limit(claim.limit, LimitEvent::Allowed)),
            (false, true) => ctx
                .vm
                .metrics
                .count(Metric::Limit(claim.limit, LimitEvent::Denied)),
            (false, false) => {}
        }
    }
    request.limit_fields = fields::fields(spoken(&request.claims, &config));
    if admitted {
        Ok(())
    } else {
        deny(&config, request, output)
    }
}

/// Redis could not be asked: each limit's `on_error` decides.
fn without_answer(
    config: &Config,
    request: &mut Request,
    ctx: &mut Ctx<'_>,
    output: &mut Output,
) -> Result<(), Refused> {
    let now_us = u64::try_from(ctx.now.as_micros()).unwrap_or(u64::MAX);
    let mut unavailable = false;
    let mut shares = Vec::new();
    let mut shared = Vec::new();
    for (at, claim) in request.claims.iter().enumerate() {
        let Some(limit) = config.limits.get(claim.limit).filter(|limit| !limit.shadow) else {
            continue;
        };
        ctx.vm
            .metrics
            .count(Metric::Limit(claim.limit, LimitEvent::Error));
        match limit.on_error {
            OnError::Allow => {}
            OnError::Deny => unavailable = true,
            OnError::Local { peers } => {
                shares.push(LocalTake {
                    limit,
                    cost: cost(limit),
                    peers,
                    subject: claim.subject,
                });
                shared.push(at);
            }
        }
    }
    if unavailable {
        request.refuse(Problem::new(Reason::LimitUnavailable), config, output);
        return Err(Refused);
    }
    if shares.is_empty() {
        return Ok(());
    }
    let reply = ctx.vm.local.take(&shares, now_us);
    for (at, taken) in shared.into_iter().zip(reply.limits) {
        let Some(claim) = request.claims.get_mut(at) else {
            continue;
        };
        if taken.state != TakeState::Ok {
            ctx.vm
                .metrics
                .count(Metric::Limit(claim.limit, LimitEvent::DeniedLocal));
        }
        claim.taken = Some(taken);
    }
    request.limit_fields = fields::fields(spoken(&request.claims, config));
    if reply.admitted {
        Ok(())
    } else {
        deny(config, request, output)
    }
}

fn deny(config: &Config, request: &Request, output: &mut Output) -> Result<(), Refused> {
    let spoken = || spoken(&request.claims, config);
    let denied = spoken().filter(|(_, taken)| taken.state != TakeState::Ok);
    let violated: Vec<&str> = denied.map(|(limit, _)| limit.name.as_str()).collect();
    let never = spoken().any(|(_, taken)| taken.state == TakeState::Never);
    let reason = if never {
        Reason::CostExceedsLimit
    } else {
        Reason::QuotaExceeded
    };
    let mut problem = Problem::new(reason);
    problem.violated = violated;
    problem.retry_after_s = fields::retry_after_s(spoken());
    request.refuse(problem, config, output);
    Err(Refused)
}

fn spoken<'a>(
    claims: &'a [Claim],
    config: &'a Config,
) -> impl Iterator<Item = (&'a Limit, &'a Taken)> {
    claims.iter().filter_map(|claim| {
        let limit = config
            .limits
            .get(claim.limit)
            .filter(|limit| !limit.shadow)?;
        Some((limit, claim.taken.as_ref()?))
    })
}

fn take<'a>(limit: &'a Limit, claim: &'a Claim) -> Take<'a> {
    Take {
        algorithm: limit.algorithm.name().as_bytes(),
        subject: &claim.subject,
        id: &limit.id,
        limit: limit.limit,
        window_us: limit.window_us,
        burst: limit.burst,
        cost: cost(limit),
        options: TakeOptions::default(),
    }
}

fn cost(limit: &Limit) -> u64 {
    match limit.cost {
        Cost::Fixed(units) => units,
        Cost::RequestHeader { default, .. } => default,
        Cost::ResponseHeader { reserve, .. } => reserve,
    }
}

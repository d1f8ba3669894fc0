//! What a denied client gets, and what is remembered of a denial.

use super::super::request::{Claim, Request, Session, Source};
use super::super::session_phase::Refused;
use super::super::{Ctx, Output, Verdict};
use super::answer::spoken;
use crate::http::problem::{Problem, Reason};
use crate::limit::{Denied, fields};
use crate::metrics::{LimitEvent, Metric};
use crate::policy::{Config, KeyPart, Limit, OnDenied};
use crate::wire::reply::TakeState;

/// Refuses the request: every limit that said no is named.
pub(super) fn deny(
    config: &Config,
    request: &Request,
    ctx: &mut Ctx<'_>,
    output: &mut Output,
) -> Result<(), Refused> {
    let denied = || {
        let denied = request
            .claims
            .iter()
            .filter(|claim| claim.enforced && claim.is_denied());
        denied.filter_map(|claim| Some((config.limits.get(claim.limit)?, claim)))
    };
    let never = denied().any(|(_, claim)| says(claim, TakeState::Never));
    let mut problem = Problem::new(if never {
        Reason::CostExceedsLimit
    } else {
        Reason::QuotaExceeded
    });
    problem.violated = denied().map(|(limit, _)| limit.name.as_str()).collect();
    let jitter_s = denied().map(|(limit, _)| limit.retry_jitter_s).max();
    problem.retry_after_s =
        fields::retry_after_s(spoken(&request.claims, config)).map(|seconds| match jitter_s {
            None | Some(0) => seconds,
            Some(most) => seconds.saturating_add(ctx.vm.rng.below(most.saturating_add(1))),
        });
    let on_denied = denied().map(|(limit, _)| &limit.on_denied).next();
    problem.status = on_denied.and_then(|on_denied| on_denied.status);
    request.refuse(problem, config, output);
    if let (Some(on_denied), Verdict::Reply(reply)) = (on_denied, &mut output.verdict) {
        dress(on_denied, &mut reply.headers, &mut reply.body);
    }
    Err(Refused)
}

/// Puts the first limit's own words in place of the problem.
fn dress(on_denied: &OnDenied, headers: &mut Vec<(String, Vec<u8>)>, body: &mut Vec<u8>) {
    if let Some(own) = &on_denied.body {
        *body = own.as_bytes().to_vec();
        headers.retain(|(name, _)| name != "content-type");
    }
    let own = on_denied.headers.iter();
    headers.extend(own.map(|(name, value)| (name.clone(), value.as_bytes().to_vec())));
}

/// Remembers for how long each limit that denied will go on denying.
pub(super) fn remember(config: &Config, request: &Request, ctx: &mut Ctx<'_>) {
    for claim in request.claims.iter().filter(|claim| claim.is_asked()) {
        let (Some(limit), Some(taken)) = (config.limits.get(claim.limit), claim.taken) else {
            continue;
        };
        let denied = Denied {
            need: claim.need,
            taken,
            asked: request.sent,
        };
        let key = (claim.limit, claim.subject);
        ctx.vm.denied.remember(limit, key, denied, ctx.now);
    }
}

/// Refuses what is known to be over a limit, without an exchange. See the module's documentation for
/// when this comes before the session.
pub(super) fn from_memory(
    config: &Config,
    request: &mut Request,
    ctx: &mut Ctx<'_>,
    output: &mut Output,
) -> Result<(), Refused> {
    ctx.vm.heed(ctx.now);
    if ctx.vm.denied.is_empty() {
        return Ok(());
    }
    let looks_up = matches!(request.session, Session::Presented(_));
    let mut known = false;
    for claim in request.claims.iter_mut().filter(|claim| claim.enforced) {
        let Some(limit) = config.limits.get(claim.limit) else {
            continue;
        };
        if looks_up && counts_sessions(limit) {
            continue;
        }
        let key = (claim.limit, claim.subject);
        if let Some(taken) = ctx.vm.denied.find(key, claim.need, ctx.now) {
            claim.taken = Some(taken);
            claim.source = Source::Memory;
            known = true;
            let event = Metric::Limit(claim.limit, LimitEvent::DeniedLocal);
            ctx.vm.metrics.count(event);
        }
    }
    if !known {
        return Ok(());
    }
    request.limit_fields = fields::fields(spoken(&request.claims, config));
    deny(config, request, ctx, output)
}

fn counts_sessions(limit: &Limit) -> bool {
    let of_session = |part: &KeyPart| matches!(part, KeyPart::SessionId | KeyPart::SessionUser);
    limit.key.iter().any(of_session)
}

fn says(claim: &Claim, state: TakeState) -> bool {
    claim.taken.is_some_and(|taken| taken.state == state)
}

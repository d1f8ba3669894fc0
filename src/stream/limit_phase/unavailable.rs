//! Redis could not be asked: each limit's `on_error` decides.

use super::super::request::{Request, Source};
use super::super::session_phase::Refused;
use super::super::{Ctx, Output};
use super::answer::spoken;
use super::deny;
use crate::http::problem::{Problem, Reason};
use crate::limit::{LocalTake, fields};
use crate::metrics::{LimitEvent, Metric};
use crate::policy::{Config, OnError};

/// Decides without an answer. Leased units are this worker's own and stay spent.
pub(super) fn decide(
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
        let Some(limit) = config.limits.get(claim.limit).filter(|_| claim.is_asked()) else {
            continue;
        };
        let event = Metric::Limit(claim.limit, LimitEvent::Error);
        ctx.vm.metrics.count(event);
        match limit.on_error {
            OnError::Allow => {}
            OnError::Deny => unavailable = true,
            OnError::Local { peers } => {
                shares.push(LocalTake {
                    limit,
                    cost: claim.charge,
                    need: claim.need,
                    force: false,
                    peers,
                    subject: claim.subject,
                });
                shared.push(at);
            }
        }
    }
    if unavailable {
        let mut problem = Problem::new(Reason::LimitUnavailable);
        problem.retry_after_s = Some(ctx.vm.retry_after_s());
        request.refuse(problem, config, output);
        return Err(Refused);
    }
    if shares.is_empty() {
        count_leased(request, ctx);
        request.limit_fields = fields::fields(spoken(&request.claims, config));
        return Ok(());
    }
    let reply = ctx.vm.local.take(&shares, now_us);
    for (at, taken) in shared.into_iter().zip(reply.limits) {
        let Some(claim) = request.claims.get_mut(at) else {
            continue;
        };
        claim.taken = Some(taken);
        claim.source = Source::Memory;
        claim.admitted = reply.admitted;
        if claim.is_denied() {
            let event = Metric::Limit(claim.limit, LimitEvent::DeniedLocal);
            ctx.vm.metrics.count(event);
        }
        ctx.held.heard(claim);
    }
    request.limit_fields = fields::fields(spoken(&request.claims, config));
    if reply.admitted {
        count_leased(request, ctx);
        Ok(())
    } else {
        deny::deny(config, request, ctx, output)
    }
}

fn count_leased(request: &Request, ctx: &mut Ctx<'_>) {
    for claim in &request.claims {
        if let Source::Lease(_) = claim.source {
            let event = Metric::Limit(claim.limit, LimitEvent::Leased);
            ctx.vm.metrics.count(event);
        }
    }
}

//! What the limits said.

use super::super::request::{Asked, Claim, Request, Source};
use super::super::session_phase::Refused;
use super::super::{Ctx, Output};
use super::{deny, unavailable};
use crate::limit::fields;
use crate::metrics::{LimitEvent, Metric};
use crate::policy::{Config, Limit};
use crate::wire::Value;
use crate::wire::reply::{LimitReply, TakeState, Taken};
use std::rc::Rc;

/// Takes down what the bridge said of the limits, before anything is decided by it: what was charged is
/// charged, whatever becomes of the request.
pub(in super::super) fn learn(
    asked: &[Asked],
    values: Option<&[Value<'_>]>,
    request: &mut Request,
    ctx: &mut Ctx<'_>,
) {
    for (index, asked) in asked.iter().enumerate() {
        let value = values.and_then(|values| values.get(index));
        match *asked {
            Asked::Limits => hear(&mut request.claims, Claim::is_asked, value, ctx),
            Asked::Shadow(at) => {
                if let Some(claim) = request.claims.get_mut(at) {
                    hear(core::slice::from_mut(claim), |_| true, value, ctx);
                }
            }
            Asked::Cache | Asked::Session => {}
        }
    }
}

/// One `LIMIT.TAKE`'s answer; `None`: there was none.
fn hear(
    claims: &mut [Claim],
    is_meant: impl Fn(&Claim) -> bool,
    value: Option<&Value<'_>>,
    ctx: &mut Ctx<'_>,
) {
    let count = claims.iter().filter(|claim| is_meant(claim)).count();
    let Some(Ok(reply)) = value.map(|value| LimitReply::parse(value, count)) else {
        return;
    };
    let meant = claims.iter_mut().filter(|claim| is_meant(claim));
    for (claim, taken) in meant.zip(reply.limits) {
        claim.taken = Some(taken);
        claim.admitted = reply.admitted;
        ctx.held.heard(claim);
    }
}

/// Counts what was said, and decides by the enforced limits.
pub(in super::super) fn decide(
    request: &mut Request,
    ctx: &mut Ctx<'_>,
    output: &mut Output,
) -> Result<(), Refused> {
    if request.claims.is_empty() || core::mem::replace(&mut request.limited, true) {
        return Ok(());
    }
    let config = Rc::clone(&ctx.vm.config);
    for claim in request.claims.iter().filter(|claim| !claim.enforced) {
        let event = match (&claim.taken, claim.admitted) {
            (Some(_), true) => LimitEvent::Allowed,
            (Some(_), false) => LimitEvent::ShadowDenied,
            // Asked aside: counted when it is answered.
            (None, _) if is_paced(claim, &config) => continue,
            (None, _) => LimitEvent::Error,
        };
        ctx.vm.metrics.count(Metric::Limit(claim.limit, event));
    }
    let unanswered = |claim: &Claim| claim.is_asked() && claim.taken.is_none();
    if request.claims.iter().any(unanswered) {
        return unavailable::decide(&config, request, ctx, output);
    }
    let admitted = enforced(request).all(|claim| claim.admitted);
    for claim in enforced(request) {
        let event = match (admitted, claim.source, claim.is_denied()) {
            (true, Source::Lease(_), _) => LimitEvent::Leased,
            (true, ..) => LimitEvent::Allowed,
            (false, Source::Memory, true) => LimitEvent::DeniedLocal,
            (false, _, true) => LimitEvent::Denied,
            (false, _, false) => continue,
        };
        ctx.vm.metrics.count(Metric::Limit(claim.limit, event));
    }
    request.limit_fields = fields::fields(spoken(&request.claims, &config));
    if admitted {
        return Ok(());
    }
    deny::remember(&config, request, ctx);
    deny::deny(&config, request, ctx, output)
}

/// Enforced limits that said something.
pub(super) fn spoken<'a>(
    claims: &'a [Claim],
    config: &'a Config,
) -> impl Iterator<Item = (&'a Limit, &'a Taken)> {
    claims.iter().filter_map(|claim| {
        let limit = config.limits.get(claim.limit).filter(|_| claim.enforced)?;
        Some((limit, claim.taken.as_ref()?))
    })
}

fn enforced(request: &Request) -> impl Iterator<Item = &Claim> {
    request.claims.iter().filter(|claim| claim.enforced)
}

fn is_paced(claim: &Claim, config: &Config) -> bool {
    let limit = config.limits.get(claim.limit);
    limit.is_some_and(|limit| limit.algorithm == crate::policy::Algorithm::LeakyBucket)
}

impl Claim {
    /// Whether it is one of those that are charged together.
    pub(in super::super) fn is_asked(&self) -> bool {
        self.enforced && self.source == Source::Redis
    }

    /// Whether it said no.
    pub(super) fn is_denied(&self) -> bool {
        self.taken.is_some_and(|taken| taken.state != TakeState::Ok)
    }
}

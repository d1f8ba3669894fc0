//! What is asked of Redis.

use super::super::Ctx;
use super::super::request::{Asked, Claim, Request, Source};
use crate::policy::{Algorithm, Config, Limit};
use crate::vm::Work;
use crate::wire::Op;
use crate::wire::op::{Take, TakeOptions};
use core::time::Duration;
use std::rc::Rc;

/// Asks for what nobody may wait for: a paced limit that is not enforced, whose answer a bridge holds
/// back all the same.
pub(in super::super) fn aside(request: &mut Request, ctx: &mut Ctx<'_>) {
    let config = Rc::clone(&ctx.vm.config);
    for claim in request.claims.iter_mut().filter(|claim| !claim.asked) {
        let Some(limit) = config.limits.get(claim.limit).filter(|_| !claim.enforced) else {
            continue;
        };
        if limit.algorithm == Algorithm::LeakyBucket {
            claim.asked = true;
            let op = Op::LimitTake(vec![take(limit, claim, None)]);
            ctx.vm.settle(Work::Shadow(claim.limit), &op, ctx.now);
        }
    }
}

/// Spends what this worker holds of a limit's units, and asks for more where they run low.
pub(in super::super) fn spend(request: &mut Request, ctx: &mut Ctx<'_>) {
    if ctx.now < ctx.vm.exact_until {
        return;
    }
    let config = Rc::clone(&ctx.vm.config);
    for claim in request.claims.iter_mut() {
        let limit = config.limits.get(claim.limit);
        let Some(limit) = limit.filter(|limit| limit.lease_max > 0) else {
            continue;
        };
        let plain = claim.enforced && !claim.settles && claim.slot.is_none() && claim.charge > 0;
        if claim.asked || !plain {
            continue;
        }
        let key = (claim.limit, claim.subject);
        if let Some(spent) = ctx.vm.leases.spend(key, claim.charge, ctx.now) {
            claim.source = Source::Lease(spent.grant);
            claim.taken = Some(spent.taken);
            claim.admitted = true;
            claim.asked = true;
        }
        if let Some(ask) = ctx.vm.leases.ask(limit, key, ctx.now) {
            let calendars = Rc::clone(&ctx.vm.calendars);
            let calendar = calendars.get(claim.limit).and_then(Option::as_deref);
            let plain = limit.take(&claim.subject, calendar);
            let op = Op::LimitTake(vec![Take {
                options: TakeOptions {
                    lease: Some(ask.units),
                    ..plain.options
                },
                ..plain
            }]);
            ctx.vm.lease(ask.ticket, &op, ctx.now);
        }
    }
}

/// The request is refused: leased units it has spent are free again.
pub(in super::super) fn withdraw(request: &Request, ctx: &mut Ctx<'_>) {
    let config = Rc::clone(&ctx.vm.config);
    for claim in &request.claims {
        let Source::Lease(grant) = claim.source else {
            continue;
        };
        let Some(limit) = config.limits.get(claim.limit) else {
            continue;
        };
        let (key, leases) = ((claim.limit, claim.subject), &mut ctx.vm.leases);
        if let Some(surplus) = leases.put_back(limit, key, grant, claim.charge, ctx.now) {
            ctx.vm.give_back(surplus, ctx.now);
        }
    }
}

/// The operations: all enforced limits together, because they are charged all or none; each other
/// limit alone, because it must not keep those from being charged.
pub(in super::super) fn ops<'a>(
    request: &'a Request,
    config: &'a Config,
    calendars: &'a [Option<String>],
    ops: &mut Vec<Op<'a>>,
    asked: &mut Vec<Asked>,
) {
    let mut enforced = Vec::new();
    for (at, claim) in request.claims.iter().enumerate() {
        let Some(limit) = config.limits.get(claim.limit).filter(|_| !claim.asked) else {
            continue;
        };
        let calendar = calendars.get(claim.limit).and_then(Option::as_deref);
        let take = take(limit, claim, calendar);
        if claim.enforced {
            enforced.push(take);
        } else {
            ops.push(Op::LimitTake(vec![take]));
            asked.push(Asked::Shadow(at));
        }
    }
    if !enforced.is_empty() {
        ops.push(Op::LimitTake(enforced));
        asked.push(Asked::Limits);
    }
}

/// How long a bridge may hold the answer back: the longest wait of the limits that pace.
pub(in super::super) fn hold(request: &Request, config: &Config) -> Duration {
    let delays = request.claims.iter().filter_map(|claim| {
        let limit = config.limits.get(claim.limit).filter(|_| !claim.asked)?;
        (limit.algorithm == Algorithm::LeakyBucket).then_some(limit.burst)
    });
    Duration::from_micros(delays.max().unwrap_or(0))
}

/// What [`ops`] has named is not named again, and a slot may be held from now on. `sent`: it went out.
pub(in super::super) fn asked(request: &mut Request, sent: bool, ctx: &mut Ctx<'_>) {
    request.sent = ctx.now;
    for claim in request.claims.iter_mut().filter(|claim| !claim.asked) {
        claim.asked = true;
        if let Some(slot) = claim.slot.filter(|_| sent && claim.source == Source::Redis) {
            ctx.held.slot(claim.limit, claim.subject, slot);
        }
    }
}

fn take<'a>(limit: &'a Limit, claim: &'a Claim, calendar: Option<&'a str>) -> Take<'a> {
    let plain = limit.take(&claim.subject, calendar);
    Take {
        cost: claim.charge,
        options: TakeOptions {
            need: (claim.need != claim.charge).then_some(claim.need),
            slot: claim.slot.as_ref(),
            ..plain.options
        },
        ..plain
    }
}

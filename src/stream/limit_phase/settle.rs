//! What is owed when a request is over: slots that were taken, and costs that are known only then.
//!
//! Kept beside the stream's state rather than in it, so that it is settled in whatever way the stream
//! ends: answered by the upstream, by us or by Envoy, reset, timed out. Nobody waits for it.

use super::super::Ctx;
use super::super::request::{Claim, Source};
use crate::http::Headers;
use crate::limit::{LocalTake, cost};
use crate::metrics::{LimitEvent, Metric};
use crate::policy::{Apply, Cost, Limit, OnError};
use crate::vm::Work;
use crate::wire::Op;
use crate::wire::op::{Give, Take, TakeOptions};
use std::rc::Rc;

/// What a stream owes.
#[derive(Debug, Default)]
pub(in super::super) struct Held {
    /// Empty for almost every request: nothing is allocated then.
    dues: Vec<Due>,
    /// The request went upstream.
    forwarded: bool,
}

/// What is owed to one limit's key.
#[derive(Debug)]
struct Due {
    /// Index of the limit.
    limit: usize,
    subject: [u8; 16],
    what: What,
}

#[derive(Debug)]
enum What {
    /// A cost that is known when the request is answered.
    Cost {
        /// What the request itself is known to cost (`apply: response_status`).
        units: u64,
        /// Charged already, and the mark of that charge.
        charged: Option<(u64, u64)>,
        /// Where it was counted.
        source: Source,
    },
    /// A slot at Redis; `sure`: we were told that it is held.
    Slot { id: [u8; 16], sure: bool },
    /// A slot in this worker's memory, and when its key's count began.
    LocalSlot { since_us: u64 },
}

impl Held {
    /// A slot is being asked for. Until something else is known it may be held.
    pub(super) fn slot(&mut self, limit: usize, subject: [u8; 16], id: [u8; 16]) {
        self.dues.push(Due {
            limit,
            subject,
            what: What::Slot { id, sure: false },
        });
    }

    /// A limit has answered.
    pub(super) fn heard(&mut self, claim: &Claim) {
        if claim.settles && claim.admitted && claim.source == Source::Redis {
            self.cost(claim);
        }
        let Some(slot) = claim.slot else { return };
        let mine = |due: &Due| matches!(due.what, What::Slot { id, .. } if id == slot);
        match (claim.source, claim.admitted) {
            (Source::Redis, true) => {
                for due in self.dues.iter_mut().filter(|due| mine(due)) {
                    due.what = What::Slot {
                        id: slot,
                        sure: true,
                    };
                }
            }
            (Source::Redis, false) => self.dues.retain(|due| !mine(due)),
            (Source::Memory, true) => self.dues.push(Due {
                limit: claim.limit,
                subject: claim.subject,
                what: What::LocalSlot {
                    since_us: claim.taken.map_or(0, |taken| taken.mark),
                },
            }),
            (Source::Memory, false) | (Source::Lease(_), _) => {}
        }
    }

    /// The request goes upstream: from now on it costs something, whoever has counted it.
    pub(in super::super) fn forwarded(&mut self, claims: &[Claim]) {
        self.forwarded = true;
        let noted = |claim: &Claim| claim.admitted && claim.source == Source::Redis;
        for claim in claims.iter().filter(|claim| claim.settles && !noted(claim)) {
            self.cost(claim);
        }
    }

    fn cost(&mut self, claim: &Claim) {
        let charged = claim.taken.filter(|_| claim.admitted);
        self.dues.push(Due {
            limit: claim.limit,
            subject: claim.subject,
            what: What::Cost {
                units: claim.units,
                charged: charged.map(|taken| (claim.charge, taken.mark)),
                source: claim.source,
            },
        });
    }

    fn take(&mut self, which: impl Fn(&Due) -> bool) -> Vec<Due> {
        let (taken, kept) = core::mem::take(&mut self.dues)
            .into_iter()
            .partition(|due| which(due));
        self.dues = kept;
        taken
    }
}

/// The response's headers are here, as the upstream sent them.
pub(in super::super) fn answered(status: u16, headers: &Headers, ctx: &mut Ctx<'_>) {
    if ctx.held.dues.is_empty() {
        return;
    }
    let config = Rc::clone(&ctx.vm.config);
    let costs = ctx.held.take(|due| matches!(due.what, What::Cost { .. }));
    for due in costs {
        let Some(limit) = config.limits.get(due.limit) else {
            continue;
        };
        let units = match (&limit.cost, &limit.apply) {
            (
                Cost::ResponseHeader {
                    name, default, max, ..
                },
                _,
            ) => Some(cost::of_response(headers, name, *default, *max)),
            (_, Apply::ResponseStatus(rules)) => {
                let charged = rules.iter().any(|rule| rule.matches(status));
                (!charged).then_some(0)
            }
            (_, Apply::Request) => Some(0),
        };
        settle(&due, limit, units, ctx);
    }
}

/// The stream is over.
pub(in super::super) fn ended(ctx: &mut Ctx<'_>) {
    if ctx.held.dues.is_empty() {
        return;
    }
    let config = Rc::clone(&ctx.vm.config);
    let forwarded = ctx.held.forwarded;
    for due in ctx.held.take(|_| true) {
        let Some(limit) = config.limits.get(due.limit) else {
            continue;
        };
        // A request that went upstream and was not answered has cost the upstream something, nobody
        // knows what; one that was refused or answered here has not.
        let units = match &limit.cost {
            Cost::ResponseHeader { default, .. } if forwarded => *default,
            _ => 0,
        };
        settle(&due, limit, Some(units), ctx);
    }
}

/// Settles one due; `units`: what the request has cost, `None`: what it was known to cost.
fn settle(due: &Due, limit: &Limit, units: Option<u64>, ctx: &mut Ctx<'_>) {
    match &due.what {
        What::Cost {
            units: known,
            charged,
            source,
        } => {
            let units = units.unwrap_or(*known);
            let (paid, mark) = charged.unwrap_or((0, 0));
            if *source == Source::Memory {
                settle_here(due, limit, units.saturating_sub(paid), ctx);
            } else if units > paid {
                charge(due, limit, units.saturating_sub(paid), ctx);
            } else if paid > units {
                give_back(due, limit, mark, paid.saturating_sub(units), ctx);
            }
        }
        What::Slot { id, sure } => release(due, limit, id, *sure, ctx),
        What::LocalSlot { since_us } => {
            ctx.vm.local.release(limit, due.subject, *since_us);
        }
    }
}

/// Charges what has been used, whatever is left.
fn charge(due: &Due, limit: &Limit, units: u64, ctx: &mut Ctx<'_>) {
    let calendars = Rc::clone(&ctx.vm.calendars);
    let calendar = calendars.get(due.limit).and_then(Option::as_deref);
    let plain = limit.take(&due.subject, calendar);
    let take = Take {
        cost: units,
        options: TakeOptions {
            force: true,
            ..plain.options
        },
        ..plain
    };
    let op = Op::LimitTake(vec![take]);
    ctx.vm.settle(Work::Charge(due.limit), &op, ctx.now);
}

fn give_back(due: &Due, limit: &Limit, mark: u64, units: u64, ctx: &mut Ctx<'_>) {
    let calendars = Rc::clone(&ctx.vm.calendars);
    let calendar = calendars.get(due.limit).and_then(Option::as_deref);
    let take = Take {
        cost: units,
        ..limit.take(&due.subject, calendar)
    };
    let work = Work::Return(due.limit);
    ctx.vm.send_back(work, Give { mark, take }, ctx.now);
}

fn release(due: &Due, limit: &Limit, id: &[u8; 16], sure: bool, ctx: &mut Ctx<'_>) {
    let plain = limit.take(&due.subject, None);
    let take = Take {
        cost: 1,
        options: TakeOptions {
            slot: Some(id),
            ..plain.options
        },
        ..plain
    };
    let work = if sure {
        Work::Slot(due.limit)
    } else {
        Work::Uncounted
    };
    ctx.vm.send_back(work, Give { mark: 0, take }, ctx.now);
}

/// What was counted in memory is settled there. A surplus stays charged: it is this worker's share of an
/// outage, and small.
fn settle_here(due: &Due, limit: &Limit, units: u64, ctx: &mut Ctx<'_>) {
    let OnError::Local { peers } = limit.on_error else {
        return;
    };
    if units == 0 {
        return;
    }
    let now_us = u64::try_from(ctx.now.as_micros()).unwrap_or(u64::MAX);
    let take = LocalTake {
        limit,
        cost: units,
        need: 0,
        force: true,
        peers,
        subject: due.subject,
    };
    ctx.vm.local.take(&[take], now_us);
    let event = Metric::Limit(due.limit, LimitEvent::Settled);
    ctx.vm.metrics.count(event);
}

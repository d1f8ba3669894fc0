//! What a request costs, and what goes with it.

use super::super::super::at::At;
use super::super::super::field::Field::{self, Absent, Bad, Given};
use super::super::super::raw::{self, Algorithm as Raw};
use super::super::super::scalar::Whole;
use super::super::value::{header, within};
use super::number;
use crate::policy::Cost;

pub(super) fn cost(raw: &Field<raw::Cost>, at: &At<'_>) -> Option<Cost> {
    raw.value(Cost::Fixed(1), |cost| match cost {
        raw::Cost::Units(Whole(units)) => Some(Cost::Fixed(*units)),
        raw::Cost::From(from) => of_header(from, at),
    })
}

/// Most units of one request.
pub(super) fn largest(cost: &Cost) -> u64 {
    match *cost {
        Cost::Fixed(units) => units,
        Cost::RequestHeader { max, .. } | Cost::ResponseHeader { max, .. } => max,
    }
}

fn of_header(raw: &raw::CostFrom, at: &At<'_>) -> Option<Cost> {
    let (at_min, at_reserve) = (at.key("min"), at.key("reserve"));
    let max = raw.max.required(&at.key("max"));
    let max = max.and_then(|&Whole(max)| match max {
        0 => at.key("max").fail("must be > 0, got 0"),
        max => Some(max),
    });
    match (&raw.header, &raw.response_header) {
        (Bad, _) | (_, Bad) => None,
        (Absent, Absent) => at.fail("needs header: NAME or response_header: NAME"),
        (Given(_), Given(_)) => at.fail("header and response_header exclude each other"),
        (Given(name), Absent) => {
            let name = header(name, &at.key("header"));
            let min = number(&raw.min, 1);
            let reserve = absent(&raw.reserve, "only with response_header", &at_reserve);
            let (max, min) = (max?, min?);
            if min > max {
                return at_min.fail(format!("must be at most max ({max}), got {min}"));
            }
            let default = within(&raw.default, min.max(1), min..=max, &at.key("default"));
            reserve?;
            Some(Cost::RequestHeader {
                name: name?,
                default: default?,
                min,
                max,
            })
        }
        (Absent, Given(name)) => {
            let name = header(name, &at.key("response_header"));
            let min = absent(&raw.min, "only with header", &at_min);
            let max = max?;
            let default = within(&raw.default, 1, 0..=max, &at.key("default"));
            let reserve = within(&raw.reserve, 0, 0..=max, &at_reserve);
            min?;
            Some(Cost::ResponseHeader {
                name: name?,
                default: default?,
                max,
                reserve: reserve?,
            })
        }
    }
}

fn absent<T>(field: &Field<T>, reason: &str, at: &At<'_>) -> Option<()> {
    match field {
        Absent => Some(()),
        Bad => None,
        Given(_) => at.fail(reason),
    }
}

/// What cannot go together: units that are known only afterwards can neither be taken in advance nor
/// make a request wait, and a slot is a slot.
pub(super) fn check(raw: &raw::Limit, at: &At<'_>) -> Option<()> {
    let (at_apply, at_cost, at_lease) = (at.key("apply"), at.key("cost"), at.key("lease"));
    let algorithm = raw.algorithm.given().copied();
    let afterwards = matches!(raw.apply.given(), Some(raw::Apply::To(_)));
    let (answered, free, single) = match raw.cost.given() {
        Some(raw::Cost::From(from)) => (!matches!(from.response_header, Absent), false, false),
        Some(raw::Cost::Units(Whole(units))) => (false, *units == 0, *units == 1),
        None => (false, false, true),
    };
    let mut result = Some(());
    let mut refuse = |at: &At<'_>, reason: &str| result = at.fail(reason);
    match algorithm {
        Some(Raw::Concurrency) => {
            if !single {
                refuse(
                    &at_cost,
                    "must be 1 with concurrency: a request is one slot",
                );
            }
            if afterwards {
                refuse(
                    &at_apply,
                    "must be request with concurrency: a slot is taken before",
                );
            }
        }
        Some(Raw::LeakyBucket) => {
            if answered {
                refuse(
                    &at_cost,
                    "response_header not with leaky_bucket: a request that has been answered cannot wait",
                );
            }
            if afterwards {
                refuse(
                    &at_apply,
                    "response_status not with leaky_bucket: a request that has been answered cannot wait",
                );
            }
        }
        _ => {}
    }
    if afterwards && answered {
        refuse(
            &at_apply,
            "response_status excludes cost: {response_header}",
        );
    }
    if afterwards && free {
        refuse(&at_apply, "response_status charges nothing with cost: 0");
    }
    if raw.lease.given().is_some() {
        match algorithm {
            Some(Raw::Concurrency) => {
                refuse(
                    &at_lease,
                    "not with concurrency: a slot belongs to its request",
                );
            }
            Some(Raw::LeakyBucket) => {
                refuse(
                    &at_lease,
                    "not with leaky_bucket: units taken in advance are not paced",
                );
            }
            Some(Raw::SlidingWindowLog) => refuse(
                &at_lease,
                "not with sliding_window_log, which is exact about when a unit was used",
            ),
            _ => {}
        }
        if answered {
            refuse(
                &at_lease,
                "not with cost: {response_header}, which is known afterwards",
            );
        }
        if afterwards {
            refuse(
                &at_lease,
                "not with apply: {response_status}, which is known afterwards",
            );
        }
        if free {
            refuse(&at_lease, "not with cost: 0, which takes nothing");
        }
    }
    result
}

//! Which limits apply, whom they count, and how much.

use super::super::request::{Claim, Request, Session, Source};
use super::super::session_phase::Refused;
use super::super::{Ctx, Output};
use super::deny;
use crate::http::Headers;
use crate::http::problem::{Problem, Reason};
use crate::limit::key::resolve;
use crate::limit::{Client, RequestView, SessionKey, cost};
use crate::metrics::{LimitEvent, Metric};
use crate::policy::{Algorithm, Apply, Config, Cost, Limit, Policy, Target};
use std::rc::Rc;

/// Finds out which of the policy's limits apply, whom they count, and what the request costs.
pub(in super::super) fn claim(
    policy: &Policy,
    target: Target,
    peer: &[u8],
    request: &mut Request,
    ctx: &mut Ctx<'_>,
    output: &mut Output,
) -> Result<(), Refused> {
    if policy.limits.is_empty() {
        return Ok(());
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
        let Ok(subject) = resolve(&limit.key, &view) else {
            let event = Metric::Limit(index, LimitEvent::Skipped);
            ctx.vm.metrics.count(event);
            continue;
        };
        let enforced = is_enforced(limit, &subject);
        let (charge, need, units) = match costs(limit, headers) {
            Ok(costs) => costs,
            Err(bad) => {
                let event = Metric::Limit(index, LimitEvent::CostInvalid);
                ctx.vm.metrics.count(event);
                if enforced {
                    return refuse(limit, bad, request, &config, output);
                }
                continue;
            }
        };
        let slot = (limit.algorithm == Algorithm::Concurrency).then(|| ctx.vm.random_id());
        claims.push(Claim {
            limit: index,
            subject,
            enforced,
            charge,
            need,
            units,
            settles: is_settled_later(limit),
            slot,
            source: Source::Redis,
            asked: false,
            admitted: false,
            taken: None,
        });
    }
    request.claims = claims;
    deny::from_memory(&config, request, ctx, output)
}

/// Whether a denial counts for this key.
fn is_enforced(limit: &Limit, subject: &[u8; 16]) -> bool {
    !limit.shadow && limit.enforces(subject)
}

/// Units charged before the request goes upstream, units that must be available then, and what the
/// request itself is known to cost.
fn costs(limit: &Limit, headers: &Headers) -> Result<(u64, u64, u64), cost::Bad> {
    let units = match &limit.cost {
        Cost::Fixed(units) => *units,
        Cost::RequestHeader {
            name,
            default,
            min,
            max,
        } => cost::of_request(headers, name, *default, *min, *max)?,
        Cost::ResponseHeader { reserve, .. } => {
            return Ok((*reserve, (*reserve).max(1), 0));
        }
    };
    Ok(match limit.apply {
        Apply::Request => (units, units, units),
        Apply::ResponseStatus(_) => (0, units, units),
    })
}

/// Whether the request's cost is known only when it is answered.
fn is_settled_later(limit: &Limit) -> bool {
    matches!(limit.cost, Cost::ResponseHeader { .. })
        || matches!(limit.apply, Apply::ResponseStatus(_))
}

fn refuse(
    limit: &Limit,
    bad: cost::Bad,
    request: &Request,
    config: &Config,
    output: &mut Output,
) -> Result<(), Refused> {
    let name = match &limit.cost {
        Cost::RequestHeader { name, .. } => name.as_str(),
        _ => "",
    };
    let detail = format!("{name}: {bad}");
    let mut problem = Problem::new(Reason::CostInvalid);
    problem.detail = &detail;
    request.refuse(problem, config, output);
    Err(Refused)
}

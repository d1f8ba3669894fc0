//! Limits of a key's own: `GET`, `PUT` and `DELETE /v1/limits/{name}/override?key=...`.

use super::query::Query;
use super::{Admin, Answer, Json, StatusCode, json, unexpected};
use crate::core::{AdminOp, AdminReply, Override, OwnLimit};
use crate::listener::problem::Problem;
use serde::Deserialize;
use tidegate::config::Duration;
use tidegate::policy::{Algorithm, Limit};
use tidegate::wire::op::{MAX_LOGGED, MAX_REFILL_US};

/// How long one holds that does not say: it is configuration, not a counter, but every key in Redis has a
/// TTL. Written again it holds as long again.
const TTL_MS: u64 = 366 * 86_400_000;

/// Body of the `PUT`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Own {
    limit: u64,
    burst: Option<u64>,
    ttl: Option<Duration>,
}

impl Admin {
    pub(super) async fn get_override(&self, name: &str, query: &Query) -> Answer {
        let (_, at) = self.own(name, query)?;
        self.answer_override(AdminOp::OverrideGet(at)).await
    }

    pub(super) async fn put_override(&self, name: &str, query: &Query, own: Own) -> Answer {
        let (limit, at) = self.own(name, query)?;
        if !limit.overridable {
            let detail = format!("limit {name} is not configured with `override: true`");
            return Err(Problem::new(StatusCode::CONFLICT, detail));
        }
        let ttl_ms = own.ttl.as_ref().map_or(TTL_MS, |ttl| ttl.us / 1000);
        if !(1..=TTL_MS).contains(&ttl_ms) {
            return Err(bad("ttl: must be from 1ms to 366d"));
        }
        check(&limit, &own).map_err(bad)?;
        let own = OwnLimit {
            limit: own.limit,
            burst: own.burst,
            ttl_ms,
        };
        self.answer_override(AdminOp::OverrideSet(at, own)).await
    }

    pub(super) async fn delete_override(&self, name: &str, query: &Query) -> Answer {
        let (_, at) = self.own(name, query)?;
        match self.ask(AdminOp::OverrideRemove(at)).await? {
            AdminReply::Override(None) => Ok((StatusCode::OK, json!({ "override": Json::Null }))),
            _ => Err(unexpected()),
        }
    }

    async fn answer_override(&self, op: AdminOp) -> Answer {
        let AdminReply::Override(own) = self.ask(op).await? else {
            return Err(unexpected());
        };
        let Some((value, ttl_ms)) = own else {
            let detail = "this key has no limit of its own";
            return Err(Problem::new(StatusCode::NOT_FOUND, detail));
        };
        let value = String::from_utf8_lossy(&value);
        Ok((
            StatusCode::OK,
            json!({ "override": value, "ttl_ms": ttl_ms }),
        ))
    }

    fn own(&self, name: &str, query: &Query) -> Result<(Limit, Override), Problem> {
        let (limit, target) = self.target(name, query)?;
        let at = Override {
            name: limit.name.clone(),
            subject: target.subject,
        };
        Ok((limit, at))
    }
}

/// What the scripts would ignore as malformed is refused here, with the reason.
fn check(limit: &Limit, own: &Own) -> Result<(), String> {
    if !(1..1 << 53).contains(&own.limit) {
        return Err(format!("limit: must be > 0 and < 2^53, got {}", own.limit));
    }
    let bucket = limit.algorithm == Algorithm::TokenBucket;
    if own.burst.is_some() && !bucket {
        return Err("burst: only a token_bucket has one".to_owned());
    }
    if own.burst == Some(0) {
        return Err("burst: must be > 0".to_owned());
    }
    match limit.algorithm {
        Algorithm::SlidingWindowLog if own.limit > MAX_LOGGED => Err(format!(
            "limit: a sliding_window_log keeps every unit, so at most {MAX_LOGGED}"
        )),
        Algorithm::LeakyBucket | Algorithm::TokenBucket if own.limit > limit.window_us => {
            Err("limit: at most one unit per microsecond".to_owned())
        }
        Algorithm::TokenBucket => {
            let unit = limit.window_us.div_ceil(own.limit);
            let refill = unit.checked_mul(own.burst.unwrap_or(limit.burst));
            match refill {
                Some(refill) if refill <= MAX_REFILL_US => Ok(()),
                _ => Err("burst: would take more than 71 years to refill".to_owned()),
            }
        }
        _ => Ok(()),
    }
}

fn bad(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

/// For [`crate::fuzz`].
#[cfg(any(test, fuzzing))]
pub(super) fn fuzz_body(body: &[u8]) {
    drop(super::parse::<Own>(body));
}

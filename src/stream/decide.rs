//! Second phase: what the answers mean. Session first, then limits, then the cache: a hit never skips
//! authorization (invariant C9).

use super::request::{Asked, Request};
use super::{Ctx, Output, State, Verdict};
use super::{admit, cache_phase, fill, limit_phase, session_phase};
use crate::exchange::CallError;
use crate::wire::Value;

/// Decides with one value per question, or with none at all.
pub(super) fn decide(
    mut request: Box<Request>,
    result: Result<Vec<Value<'_>>, CallError>,
    ctx: &mut Ctx<'_>,
    output: &mut Output,
) -> State {
    let asked = core::mem::take(&mut request.asked);
    let values = result.ok();
    let value_of = |wanted: Asked| {
        let at = asked.iter().position(|asked| *asked == wanted)?;
        values.as_ref()?.get(at)
    };
    fill::heard(value_of(Asked::Cache), &request, ctx);
    limit_phase::learn(&asked, values.as_deref(), &mut request, ctx);
    if asked.contains(&Asked::Session)
        && session_phase::answered(value_of(Asked::Session), &mut request, ctx, output).is_err()
    {
        limit_phase::withdraw(&request, ctx);
        return State::Answered;
    }
    if limit_phase::decide(&mut request, ctx, output).is_err() {
        limit_phase::withdraw(&request, ctx);
        return State::Answered;
    }
    if asked.contains(&Asked::Cache) || request.remembers() {
        match cache_phase::answered(value_of(Asked::Cache), &mut request, ctx) {
            cache_phase::Found::AskAgain => return admit::ask(request, ctx, output),
            cache_phase::Found::Hit {
                reply,
                refresh,
                what,
            } => {
                let policy = ctx.vm.config.policies.get(request.policy);
                cache_phase::mark_hit(policy.map_or("", |policy| &policy.name), what, output);
                output.refresh = refresh;
                output.verdict = Verdict::Reply(reply);
                return State::Answered;
            }
            cache_phase::Found::Nothing => {}
        }
    }
    admit::forward(request, ctx, output)
}

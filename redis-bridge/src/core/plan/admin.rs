//! Which plan an admin operation is.

use super::soft_tag::SoftTag;
use super::{Begun, Context, Round, limit, purge, session};
use crate::core::admin::{AdminOp, Limit};
use crate::core::failure::Failure;
use crate::core::types::{Command, Role};
use crate::script::Script;
use tidegate::wire::OpError;
use tidegate::wire::op::{MAX_EXACT, MAX_TTL_MS, Take, TakeOptions};

pub(super) fn begin(op: &AdminOp, cx: &mut Context<'_>) -> Result<Begun, Failure> {
    match op {
        AdminOp::CreateSession(new) => session::Create::begin(new, None, session::Asked::Admin, cx),
        AdminOp::Forget => Ok(purge::Forget::begin(cx)),
        AdminOp::LimitPeek(limit) => peek(limit, cx),
        AdminOp::LimitReset(limit) => Ok(reset(limit, cx)),
        AdminOp::OverrideGet(at) => Ok(limit::Own::get(at, cx)),
        AdminOp::OverrideRemove(at) => Ok(limit::Own::remove(at, cx)),
        AdminOp::OverrideSet(at, own) => limit::Own::set(at, *own, cx),
        AdminOp::ListSessions { realm, uid } => session::List::begin(realm, uid, cx),
        AdminOp::PurgeTag { tag } => purge::Tag::begin(tag, cx, purge::Answer::Admin),
        AdminOp::PurgeUrl { url } => purge::Urls::begin_admin(url, cx),
        AdminOp::Soften(hashes) => Ok(purge::Urls::soften(hashes, cx)),
        AdminOp::SoftenTag { tag } => SoftTag::begin(tag, cx),
        AdminOp::Repeat(what) => session::Revoke::repeat(what, cx),
        AdminOp::RevokeSession { handle } => session::Revoke::session(handle, cx),
        AdminOp::RevokeUser { realm, uid } => session::Revoke::user(realm, uid, cx),
        AdminOp::RotateSession(wanted) => {
            session::Rotate::begin(wanted.clone(), session::Asked::Admin, cx)
        }
    }
}

/// A take of cost 0.
fn peek(limit: &Limit, cx: &mut Context<'_>) -> Result<Begun, Failure> {
    let in_range = |n: u64, max: u64, name| {
        let fits = (1..=max).contains(&n);
        if fits {
            Ok(n)
        } else {
            Err(Failure::Op(OpError::Argument(name)))
        }
    };
    let take = Take {
        algorithm: limit.algorithm.as_bytes(),
        subject: &limit.subject,
        id: &limit.id,
        limit: in_range(limit.limit, MAX_EXACT, "limit")?,
        window_us: in_range(limit.window_us, MAX_TTL_MS * 1000, "window_us")?,
        burst: limit.burst.min(MAX_EXACT),
        cost: 0,
        options: TakeOptions {
            calendar: limit.calendar.as_ref().map(String::as_bytes),
            overridable: limit.overridable.as_ref().map(String::as_bytes),
            ..TakeOptions::default()
        },
    };
    limit::Takes::begin(&[take], cx, limit::Answer::Admin)
}

fn reset(limit: &Limit, cx: &mut Context<'_>) -> Begun {
    let command = Command {
        script: Script::LimitReset,
        keys: vec![cx.keys.limit(&limit.subject, &limit.id)],
        args: vec![cx.keys.forget(&limit.subject)],
    };
    let round = Round::new(Role::State, vec![command]);
    (Box::new(session::Counted), round)
}

//! Who is told to the upstream is whose token came (S12); what was ended stays ended (S2); what is not known is
//! not an end (S4).

use super::{Losses, Verdict};
use crate::history::{Answer, Asked, History, Record, Session};

pub(super) fn judge(history: &History, losses: Losses, verdict: &mut Verdict) {
    for record in &history.records {
        let Asked::Session(number) = record.asked else {
            continue;
        };
        let session = usize::try_from(number)
            .ok()
            .and_then(|index| history.sessions.get(index));
        if let (Some(session), Some(answer)) = (session, record.answer()) {
            one(history, record, (session, answer), losses, verdict);
        }
    }
}

/// Whether it was created while a fault lasted, or after it.
fn created_in(history: &History, session: &Session) -> bool {
    let first = history.faults.first();
    first.is_some_and(|fault| session.created_ns >= fault.begun_ns)
}

fn one(
    history: &History,
    record: &Record,
    (session, answer): (&Session, &Answer),
    losses: Losses,
    verdict: &mut Verdict,
) {
    let user = &session.user;
    match answer.status {
        200 => {
            let told = answer.user.as_deref();
            let other = (told != Some(user)).then(|| format!("{user} was told as {told:?}"));
            verdict.check("S12", other);
            let ended = session.revoked.iter().find_map(|act| {
                let done_ns = act.done_ns?;
                (done_ns < record.sent_ns).then_some(done_ns)
            });
            let back = ended.map(|done_ns| {
                format!(
                    "{user} was served {} ms after its end was acknowledged",
                    (record.sent_ns - done_ns) / 1_000_000
                )
            });
            verdict.check("S2", back);
        }
        401 => {
            let known = session
                .revoked
                .iter()
                .any(|act| act.begun_ns < record.end_ns);
            // Replication is asynchronous: what a primary acknowledged last, a failover may take with it.
            let fresh = losses.increments && created_in(history, session);
            verdict.lost_sessions += u64::from(!known && fresh && !losses.sessions);
            let logged_out = !known && !losses.sessions && !fresh;
            verdict.check("S4", logged_out.then(|| format!("{user} was told 401")));
        }
        status => {
            let touched = answer.sets_cookie;
            let text = format!("the cookie of {user} was changed by a {status}");
            verdict.check("S4", touched.then_some(text));
        }
    }
}

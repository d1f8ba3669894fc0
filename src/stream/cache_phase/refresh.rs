//! Refreshing what was answered stale, or is about to be, in the background.
//!
//! The client has its answer already, so the request to the origin cannot be this stream's: Envoy ends a
//! stream that is answered. It is a callout to the cluster that the route chose for this request, with this
//! request's own fields, so it is judged by the same rules as the request would have been. What a callout
//! misses is what comes after this filter: other filters, and what the route does to a request. Where the
//! route changes the path or the host, the callout would fetch another resource; so a fill looks at what
//! was sent in the end ([`crate::cache::sent`]), and where that differs, or is not known, the record is not
//! refreshed this way: the one request that is to refresh it waits for the origin, as for any stale answer,
//! while the others are answered at once.

use super::super::request::{Cached, Request};
use super::super::{Ctx, session_phase};
use super::kept::Kept;
use super::origin::{Origin, Slot, freshen, timing};
use super::{Capture, Lease, carries_session};
use crate::cache::clock::RedisClock;
use crate::cache::{Record, RequestMeta, Url, validate};
use crate::http::Headers;
use crate::vm::Vm;
use core::time::Duration;
use std::rc::Rc;

/// Refreshes under way in one VM, at most; beyond, the next request tries again.
pub const MAX_REFRESHES: usize = 64;
/// How long the origin may take: as long as the claim to refresh holds.
pub const REFRESH_TIMEOUT: Duration = Duration::from_secs(15);

/// A request to the origin that no client waits for.
#[derive(Debug)]
pub struct Refresh {
    /// What is sent.
    pub headers: Headers,
    /// An answer with a longer body is not stored, so it need not be read. Bytes.
    pub max_body: usize,
    /// The request's fields without our conditions: Vary selects by these.
    selecting: Headers,
    policy: usize,
    url: Url,
    extras: Vec<Option<Vec<u8>>>,
    session: bool,
    lease: Lease,
    /// The variant that was looked up.
    asked: [u8; 16],
    /// What is stored, when it can be validated.
    kept: Option<Kept>,
    sent: Duration,
}

/// The refresh of a record by this request; `None`: it cannot be stored.
pub(super) fn of(
    record: &Record<'_>,
    (bytes, born_us, now_us): &(&[u8], u64, u64),
    request: &Request,
    ctx: &Ctx<'_>,
) -> Option<Box<Refresh>> {
    let Cached::Lookup(lookup) = &request.cache else {
        return None;
    };
    let lease = lookup.lease?;
    let config = &ctx.vm.config;
    let cache = config.policies.get(request.policy)?.cache?;
    let max_body = config.caches.get(cache)?.max_body;
    let mut selecting = request.headers.clone();
    // As the request itself would have been; without a nonce, since nobody gets what its answer does to a session.
    session_phase::introduce(request, &mut selecting);
    // A part, or an answer to somebody's condition, is not what others can use.
    selecting.set(":method", "GET");
    selecting.remove_if(|name, _| {
        matches!(
            name,
            "range" | "if-range" | "if-none-match" | "if-modified-since"
        )
    });
    let mut headers = selecting.clone();
    let conditional = validate::make_conditional(record, &mut headers);
    let kept = conditional
        .then(|| {
            let clock = RedisClock::told(*now_us, ctx.now);
            ctx.vm.kept.keep(bytes, *born_us, clock)
        })
        .flatten();
    if kept.is_none() {
        headers = selecting.clone();
    }
    Some(Box::new(Refresh {
        headers,
        max_body,
        selecting,
        policy: request.policy,
        url: lookup.url.clone(),
        extras: lookup.extras.clone(),
        session: carries_session(&request.session),
        lease,
        asked: lookup.field,
        kept,
        sent: ctx.now,
    }))
}

/// The origin answered a refresh, completely. Anything but something to store changes nothing: what is
/// stored goes on being used for as long as it says, and another request tries again.
pub(crate) fn refreshed(
    refresh: &Refresh,
    headers: &Headers,
    body: &[u8],
    vm: &mut Vm,
    now: Duration,
) {
    let config = Rc::clone(&vm.config);
    let Some(policy) = config.policies.get(refresh.policy) else {
        return;
    };
    let Some((index, cache)) = policy
        .cache
        .and_then(|index| Some((index, config.caches.get(index)?)))
    else {
        return;
    };
    let status = super::super::respond::status_of(headers);
    let realm = policy
        .session
        .as_ref()
        .and_then(|used| config.sessions.get(used.realm));
    let origin = Origin {
        request: RequestMeta {
            method: b"GET",
            url: &refresh.url,
            policy: &policy.name,
            headers: &refresh.selecting,
            session: refresh.session,
            extras: &refresh.extras,
            credential: realm.map(|realm| &realm.credential),
        },
        status,
        headers,
        end: false,
        framed: true,
        timing: timing(vm, refresh.sent, now),
        // Only what was direct is refreshed this way.
        direct: true,
        cache,
    };
    if status == 304 {
        if let Some(record) = refresh.kept.as_ref().and_then(Kept::record) {
            let slot = Slot {
                lease: Some(refresh.lease),
                asked: refresh.asked,
                index,
            };
            let _ = freshen(&record, &origin, slot, vm, now);
        }
        return;
    }
    if let Ok((storing, lease)) = origin.storing(Some(refresh.lease)) {
        let capture = Capture {
            cache: index,
            storing,
            lease,
            asked: refresh.asked,
            arrived: now,
            body: body.to_vec(),
        };
        capture.store(vm, now);
    }
}

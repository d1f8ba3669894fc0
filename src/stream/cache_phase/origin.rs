//! What the origin's answer is to the cache: a validation, a failure that something stored stands in for, or
//! something new to store.

use super::super::request::{Lookup, Request, Why};
use super::super::{Ctx, LocalReply, State, fill};
use super::{Capture, Lease, carries_session, meta, remove, reply};
use crate::cache::freshness::Timing;
use crate::cache::reuse::{self, Age};
use crate::cache::status::{Forward, Forwarded, Status};
use crate::cache::store::ResponseMeta;
use crate::cache::{NotStored, Record, RequestMeta, Storing, sent, stale, storable, validate};
use crate::http::Headers;
use crate::metrics::{CacheEvent, Metric};
use crate::policy::{Cache, Config, Policy};
use crate::session::is_reserved;
use crate::vm::Vm;
use core::time::Duration;

/// What becomes of the answer.
pub(in crate::stream) enum Judged {
    /// It goes to the client, with this said of it.
    Pass(Status, State),
    /// The client gets this in its place; said for the access log.
    Replace(LocalReply, Status),
}

/// An answer of the origin, and what it was asked.
pub(super) struct Origin<'a> {
    pub(super) request: RequestMeta<'a>,
    pub(super) status: u16,
    pub(super) headers: &'a Headers,
    /// It has no body.
    pub(super) end: bool,
    /// Its end is known without a length.
    pub(super) framed: bool,
    pub(super) timing: Timing,
    /// Path and host were not changed on the way to it.
    pub(super) direct: bool,
    pub(super) cache: &'a Cache,
}

/// Where something is stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) lease: Option<Lease>,
    /// The variant that was looked up.
    pub(super) asked: [u8; 16],
    /// The policy's cache.
    pub(super) index: usize,
}

/// Judges an answer to a request that could use the cache. `changed`: it does something to a session, so it
/// is nobody else's.
#[expect(clippy::too_many_arguments, reason = "the parts of one request")]
pub(in crate::stream) fn judge(
    request: &Request,
    lookup: &Lookup,
    policy: &Policy,
    config: &Config,
    status: u16,
    headers: &Headers,
    (end, changed): (bool, bool),
    ctx: &mut Ctx<'_>,
) -> Judged {
    let index = policy.cache.unwrap_or_default();
    let nothing = Forwarded::new(lookup.why.forward());
    let (Some(cache), Some(selecting)) = (config.caches.get(index), &lookup.selecting) else {
        let status = match lookup.why {
            Why::Failed => Status::Unavailable,
            _ => Status::Forwarded(nothing.storing(Err(NotStored::Lease))),
        };
        return Judged::Pass(status, State::Answered);
    };
    let session = carries_session(&request.session);
    let origin = Origin {
        request: meta(policy, config, lookup, selecting, session),
        status,
        headers,
        end,
        framed: false,
        timing: timing(ctx.vm, lookup.sent, ctx.now),
        direct: sent::is_as_seen(headers, selecting),
        cache,
    };
    let slot = Slot {
        lease: lookup.lease,
        asked: lookup.field,
        index,
    };
    let kept = lookup.kept.as_ref();
    if let Some((kept, record)) = kept.and_then(|kept| Some((kept, kept.record()?))) {
        let age = kept.age(&record, ctx.now);
        if status == 304 && lookup.conditional {
            return validated(
                &record,
                age,
                &origin,
                lookup,
                &request.limit_fields,
                slot,
                ctx,
            );
        }
        let usable = reuse::on_error(&record, age) || reuse::while_revalidating(&record, age);
        if stale::is_failure(status) && usable {
            let told = Status::Forwarded(Forwarded {
                status: Some(status),
                ttl_s: Some(age.ttl_s()),
                detail: Some("stale-if-error"),
                ..nothing
            });
            count(index, CacheEvent::Stale, ctx);
            fill::not_stored(NotStored::Status, status, ctx);
            let answer = reuse::answer(&record, &origin.request, age, told);
            return Judged::Replace(reply(answer, &request.limit_fields), told);
        }
        if !lookup.fill && status == 200 {
            let stored = freshen_by_head(&record, &origin, lookup, slot, ctx);
            let told = nothing.storing(stored);
            return Judged::Pass(Status::Forwarded(told), State::Answered);
        }
    }
    let stored = if changed {
        Err(NotStored::Session)
    } else {
        origin.storing(lookup.lease)
    };
    let (result, next) = match stored {
        Ok((storing, lease)) => {
            let capture = Capture {
                cache: index,
                storing,
                lease,
                asked: lookup.field,
                arrived: ctx.now,
                body: Vec::new(),
            };
            (Ok(()), capture.begin(end, ctx))
        }
        Err(why) => {
            fill::not_stored(why, status, ctx);
            (Err(why), State::Answered)
        }
    };
    // What was stored is superseded by an answer that is not (RFC 9111, 4.3.3).
    let late = result == Err(NotStored::Lease);
    if result.is_err() && !late && lookup.kept.is_some() && status < 500 && lookup.fill {
        remove(&lookup.url, ctx);
    }
    let told = match lookup.why {
        Why::Failed => Status::Unavailable,
        _ => Status::Forwarded(nothing.storing(result)),
    };
    Judged::Pass(told, next)
}

/// The stored answer is still good (RFC 9111, 4.3.3 and 4.3.4).
fn validated(
    record: &Record<'_>,
    age: Age,
    origin: &Origin<'_>,
    lookup: &Lookup,
    fields: &[(&'static str, String)],
    slot: Slot,
    ctx: &mut Ctx<'_>,
) -> Judged {
    let told = |result, ttl_s| {
        Status::Forwarded(Forwarded {
            status: Some(304),
            ttl_s: Some(ttl_s),
            ..Forwarded::new(lookup.why.forward()).storing(result)
        })
    };
    count(slot.index, CacheEvent::Validated, ctx);
    let (stored, headers) = freshen(record, origin, slot, ctx.vm, ctx.now);
    match stored {
        Ok(storing) => {
            fill::stored(ctx);
            let record = storing.record(record.body);
            let age = Age::of(&record, 0, storing.age_ms.saturating_mul(1000));
            let told = told(Ok(()), age.ttl_s());
            let answer = reuse::answer(&record, &origin.request, age, told);
            Judged::Replace(reply(answer, fields), told)
        }
        Err(why) => {
            fill::not_stored(why, origin.status, ctx);
            // It may be given to this client, and to no other (unless it only came too late).
            if why != NotStored::Lease {
                remove(&lookup.url, ctx);
            }
            let told = told(Err(why), age.ttl_s());
            let record = match &headers {
                Some(headers) => Record {
                    headers: headers.iter().collect(),
                    ..record.clone()
                },
                None => record.clone(),
            };
            let answer = reuse::answer(&record, &origin.request, age, told);
            Judged::Replace(reply(answer, fields), told)
        }
    }
}

/// Stores what a 304 makes of a record; also its fields, where the 304 is about it.
pub(super) fn freshen(
    record: &Record<'_>,
    origin: &Origin<'_>,
    slot: Slot,
    vm: &mut Vm,
    now: Duration,
) -> (Result<Storing, NotStored>, Option<Headers>) {
    let Some(merged) = validate::freshened(record, origin.headers) else {
        return (Err(NotStored::Lease), None);
    };
    let stored = put_merged(record, &merged, origin, slot, vm, now);
    (stored, Some(merged))
}

fn freshen_by_head(
    record: &Record<'_>,
    origin: &Origin<'_>,
    lookup: &Lookup,
    slot: Slot,
    ctx: &mut Ctx<'_>,
) -> Result<(), NotStored> {
    let Some(merged) = validate::freshened_by_head(record, origin.headers) else {
        remove(&lookup.url, ctx);
        return Err(NotStored::Stale);
    };
    put_merged(record, &merged, origin, slot, ctx.vm, ctx.now).map(|_| ())
}

/// Stores the record's body under other fields.
fn put_merged(
    record: &Record<'_>,
    merged: &Headers,
    origin: &Origin<'_>,
    slot: Slot,
    vm: &mut Vm,
    now: Duration,
) -> Result<Storing, NotStored> {
    // Stored fields have no Age; the new answer's is how old the validation is.
    let mut fields = merged.clone();
    for age in origin.headers.all("age") {
        fields.append("age", age);
    }
    let origin = Origin {
        request: RequestMeta {
            method: b"GET",
            ..origin.request
        },
        status: record.status,
        headers: &fields,
        end: false,
        framed: true,
        ..*origin
    };
    let (storing, lease) = origin.storing(slot.lease)?;
    let capture = Capture {
        cache: slot.index,
        storing,
        lease,
        asked: slot.asked,
        arrived: now,
        body: record.body.to_vec(),
    };
    capture.store(vm, now);
    Ok(capture.storing)
}

impl Origin<'_> {
    /// What is stored of it, and the lease for that.
    pub(super) fn storing(&self, lease: Option<Lease>) -> Result<(Storing, Lease), NotStored> {
        let response = ResponseMeta {
            status: self.status,
            headers: self.headers,
            end_of_stream: self.end,
            self_framed: self.framed,
        };
        let lease = lease.ok_or(NotStored::Lease)?;
        let mut storing = storable(&self.request, &response, &self.timing, self.cache)?;
        storing.usage.direct = self.direct;
        // A variant is named before its session is known, so every request would match this one.
        if storing.vary.names().any(is_reserved) {
            return Err(NotStored::Session);
        }
        Ok((storing, lease))
    }
}

/// When an answer to what was sent then arrived now.
pub(super) fn timing(vm: &mut Vm, sent: Duration, now: Duration) -> Timing {
    let delay = now.saturating_sub(sent).as_millis();
    Timing {
        response_delay_ms: u64::try_from(delay).unwrap_or(u64::MAX),
        wall_ms: vm.client.fleet_time_us(now).map(|us| us / 1000),
        roll: vm.roll(),
    }
}

impl Why {
    /// For Cache-Status.
    pub(super) fn forward(self) -> Forward {
        match self {
            Self::Failed | Self::Miss => Forward::Miss,
            Self::Request => Forward::Request,
            Self::Stale => Forward::Stale,
        }
    }
}

fn count(index: usize, event: CacheEvent, ctx: &mut Ctx<'_>) {
    ctx.vm.metrics.count(Metric::Cache(index, event));
}

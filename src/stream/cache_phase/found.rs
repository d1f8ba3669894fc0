//! What a look-up came to.

use super::super::request::{Cached, Lookup, Request, Session, Why};
use super::super::{Ctx, LocalReply, fill};
use super::refresh::{self, Refresh};
use super::{Lease, carries_session, memory, meta, remove, reply};
use crate::cache::clock::RedisClock;
use crate::cache::record::RecordError;
use crate::cache::reuse::{self, Age, Reuse};
use crate::cache::status::{Forwarded, Status};
use crate::cache::{Record, Vary};
use crate::metrics::{CacheEvent, Metric};
use crate::policy::Cache;
use crate::wire::Value;
use crate::wire::op::Want;
use crate::wire::reply::CacheReply;
use std::rc::Rc;

/// What a look-up came to.
pub(in crate::stream) enum Found {
    /// The stored answers vary by other fields than guessed, or the look-up has to say that it refreshes.
    AskAgain,
    /// Answer with this, and do that in the background.
    Hit {
        reply: LocalReply,
        refresh: Option<Box<Refresh>>,
        /// For the access log.
        what: &'static str,
    },
    /// Forward it.
    Nothing,
}

/// A record as it came.
pub(super) struct Stored<'a> {
    pub(super) born_us: u64,
    pub(super) now_us: u64,
    pub(super) bytes: &'a [u8],
    /// Redis says it is not fresh, or was told to take it for that; whether this request is the one to
    /// refresh it.
    stale: Option<bool>,
    /// What it counts as when it is used fresh.
    event: CacheEvent,
}

/// Takes the look-up's answer; `None`: there was none. Whatever is wrong with it, the request goes
/// upstream: a cache failure never fails a request (invariant C11).
pub(in crate::stream) fn answered(
    value: Option<&Value<'_>>,
    request: &mut Request,
    ctx: &mut Ctx<'_>,
) -> Found {
    let config = Rc::clone(&ctx.vm.config);
    let policy = config.policies.get(request.policy);
    let Some((policy, index)) = policy.and_then(|policy| Some((policy, policy.cache?))) else {
        return Found::Nothing;
    };
    let Some(cache) = config.caches.get(index) else {
        return Found::Nothing;
    };
    let session = carries_session(&request.session);
    let waits = fill::patience_ms(request, &config, ctx) > 0;
    // A token that names a user whose session does not live names nobody.
    let nobody =
        cache.by_user() && !matches!(request.session, Session::Valid { .. } | Session::Unused);
    let Request {
        cache: Cached::Lookup(lookup),
        headers,
        limit_fields,
        token,
        ..
    } = request
    else {
        return Found::Nothing;
    };
    if nobody && token.is_some() {
        lookup.why = Why::Failed;
        return Found::Nothing;
    }
    let remembered = lookup.memory.take();
    let stored = match value.map(CacheReply::parse) {
        None if let Some(remembered) = &remembered => Stored {
            born_us: remembered.born_us,
            now_us: remembered.clock.now_us(ctx.now),
            bytes: &remembered.record,
            stale: None,
            event: CacheEvent::HitL1,
        },
        Some(Ok(
            ref said @ (CacheReply::Hit {
                born_us,
                now_us,
                record,
            }
            | CacheReply::Filled {
                born_us,
                now_us,
                record,
            }),
        )) => {
            if let CacheReply::Filled { .. } = said {
                count(index, CacheEvent::Collapsed, ctx);
            }
            Stored {
                born_us,
                now_us,
                bytes: record,
                stale: None,
                event: CacheEvent::HitL2,
            }
        }
        Some(Ok(CacheReply::Stale {
            born_us,
            now_us,
            record,
            lease,
            claimed,
        })) => {
            lookup.lease = Some(Lease::granted(lease, now_us, ctx.now));
            Stored {
                born_us,
                now_us,
                bytes: record,
                stale: Some(claimed),
                event: CacheEvent::HitL2,
            }
        }
        Some(Ok(CacheReply::Fill { now_us, lease })) => {
            let lease = Lease::granted(lease, now_us, ctx.now);
            lookup.lease = Some(lease).filter(|_| lookup.fill);
            count(index, CacheEvent::Miss, ctx);
            return missed(lookup);
        }
        Some(Ok(CacheReply::Miss { now_us, lease })) => {
            let lease = lease.map(|lease| Lease::granted(lease, now_us, ctx.now));
            lookup.lease = lease.filter(|_| lookup.fill);
            if lookup.why == Why::Stale {
                lookup.why = Why::Miss;
            }
            count(index, CacheEvent::Miss, ctx);
            return missed(lookup);
        }
        Some(Ok(CacheReply::Vary(list))) => {
            return match Vary::from_wire(list) {
                Ok(vary) if !lookup.asked_again => {
                    ctx.vm.vary.learn(lookup.url.as_bytes(), &vary);
                    lookup.vary = vary;
                    lookup.asked_again = true;
                    Found::AskAgain
                }
                _ => {
                    count(index, CacheEvent::Miss, ctx);
                    missed(lookup)
                }
            };
        }
        Some(Err(_)) | None => {
            lookup.why = Why::Failed;
            count(index, CacheEvent::Error, ctx);
            return Found::Nothing;
        }
    };
    let decoded = match remembered {
        Some(_) => Record::decode_known(stored.bytes),
        None => Record::decode(stored.bytes),
    };
    let found = decoded.map(|record| {
        let meta = meta(policy, &config, lookup, headers, session);
        let times = (stored.born_us, stored.now_us);
        let reuse = reuse::check(&record, times.0, times.1, &meta, lookup.asked.as_ref());
        (record, reuse)
    });
    if remembered.is_some() && !matches!(found, Ok((_, Reuse::Fresh(_)))) {
        memory::discard(lookup, index, ctx);
        return Found::AskAgain;
    }
    let (record, reuse) = match found {
        Ok((_, Reuse::Mismatch)) => return unusable(true, index, lookup, ctx),
        // Written by a newer filter of this fleet: it is good for those.
        Err(RecordError::Version(_)) => return unusable(false, index, lookup, ctx),
        // Truncated or flipped.
        Err(_) => return unusable(true, index, lookup, ctx),
        Ok(found) => found,
    };
    let fresh = matches!(reuse, Reuse::Fresh(_)) && stored.stale.is_none();
    if fresh && remembered.is_none() {
        memory::learn(lookup, index, &stored, ctx);
    }
    let next = decide(&record, reuse, &stored, lookup, (cache, waits), ctx);
    let (age, refreshes, event) = match next {
        Next::AskAgain => return Found::AskAgain,
        Next::Forward => {
            let clock = RedisClock::told(stored.now_us, ctx.now);
            lookup.kept = ctx.vm.kept.keep(stored.bytes, stored.born_us, clock);
            count(index, CacheEvent::Miss, ctx);
            return missed(lookup);
        }
        Next::Answer {
            age,
            refresh,
            event,
        } => (age, refresh, event),
    };
    let meta = meta(policy, &config, lookup, headers, session);
    let ttl_s = age.ttl_s();
    let status = match remembered {
        Some(_) => Status::Remembered { ttl_s },
        None => Status::Hit { ttl_s },
    };
    let answer = reply(reuse::answer(&record, &meta, age, status), limit_fields);
    let background = refreshes
        .then(|| refresh::of(&record, &stored_times(&stored), request, ctx))
        .flatten();
    if background.is_some() {
        // The turn is the refresh's now, and ends with its time.
        fill::stored(ctx);
    }
    count(index, event, ctx);
    Found::Hit {
        reply: answer,
        refresh: background,
        what: if event == CacheEvent::Stale {
            "stale"
        } else {
            "hit"
        },
    }
}

/// What is done with a record.
enum Next {
    /// Once more, saying that it is to be refreshed.
    AskAgain,
    Answer {
        age: Age,
        /// This request is the one that refreshes it.
        refresh: bool,
        event: CacheEvent,
    },
    /// The origin has to be asked first.
    Forward,
}

fn decide(
    record: &Record<'_>,
    reuse: Reuse,
    stored: &Stored<'_>,
    lookup: &mut Lookup,
    (cache, waits): (&Cache, bool),
    ctx: &mut Ctx<'_>,
) -> Next {
    let hit = |age, refresh| Next::Answer {
        age,
        refresh,
        event: stored.event,
    };
    match (reuse, stored.stale) {
        // Purged softly: what the record says of its freshness holds no more.
        (Reuse::Fresh(age), Some(_)) if lookup.want != Want::Refresh && age.left_ms > 0 => {
            stale(record, age, stored, lookup, waits, ctx)
        }
        // Asked for ahead of time: one of those that did is to refresh it.
        (Reuse::Fresh(age), Some(claimed)) => hit(age, claimed && lookup.early),
        (Reuse::Fresh(age), None) => {
            let again = cache.early_refresh && !lookup.early && can_refresh(record, ctx);
            if again && reuse::early(record, age, ctx.vm.roll()) {
                lookup.early = true;
                lookup.want = Want::Refresh;
                return Next::AskAgain;
            }
            hit(age, false)
        }
        (Reuse::Stale(_), None) if lookup.want != Want::Refresh => {
            // Fresh, but not fresh enough for this request.
            lookup.want = Want::Refresh;
            lookup.why = Why::Request;
            Next::AskAgain
        }
        (Reuse::Stale(age), _) => stale(record, age, stored, lookup, waits, ctx),
        (Reuse::Mismatch, _) => Next::Forward,
    }
}

fn stale(
    record: &Record<'_>,
    age: Age,
    stored: &Stored<'_>,
    lookup: &mut Lookup,
    waits: bool,
    ctx: &Ctx<'_>,
) -> Next {
    // What the client wants fresher than it is, is not given to it stale.
    let demanded = lookup.asked.as_ref().is_some_and(|asked| {
        asked.no_cache || asked.max_age.is_some() || asked.min_fresh.is_some()
    });
    if demanded {
        lookup.why = Why::Request;
    } else {
        lookup.why = Why::Stale;
        let claimed = stored.stale == Some(true);
        if reuse::while_revalidating(record, age) && (!claimed || can_refresh(record, ctx)) {
            return Next::Answer {
                age,
                refresh: claimed,
                event: CacheEvent::Stale,
            };
        }
        // Somebody else refreshes it: what he gets is good for this one too.
        if waits && !claimed && lookup.want == Want::Fill {
            lookup.want = Want::Wait;
            return Next::AskAgain;
        }
    }
    Next::Forward
}

/// Whether it can be refreshed beside a request that has its answer.
fn can_refresh(record: &Record<'_>, ctx: &Ctx<'_>) -> bool {
    record.usage.direct && ctx.vm.refreshes
}

/// Forwards it, unless the client wants nothing but what is stored (RFC 9111, 5.2.1.7).
fn missed(lookup: &Lookup) -> Found {
    let only = lookup
        .asked
        .as_ref()
        .is_some_and(|asked| asked.only_if_cached);
    if !only {
        return Found::Nothing;
    }
    let status = Status::Forwarded(Forwarded {
        detail: Some("only-if-cached"),
        ..Forwarded::new(lookup.why.forward())
    });
    Found::Hit {
        reply: LocalReply {
            status: 504,
            headers: vec![("cache-status".to_owned(), status.to_string().into_bytes())],
            body: Vec::new(),
        },
        refresh: None,
        what: "only-if-cached",
    }
}

/// A record that cannot be used; `bad`: it would stand in the way of a good one until its TTL ends.
fn unusable(bad: bool, index: usize, lookup: &Lookup, ctx: &mut Ctx<'_>) -> Found {
    count(index, CacheEvent::Error, ctx);
    count(index, CacheEvent::Miss, ctx);
    if bad {
        remove(&lookup.url, ctx);
    }
    missed(lookup)
}

fn stored_times<'a>(stored: &Stored<'a>) -> (&'a [u8], u64, u64) {
    (stored.bytes, stored.born_us, stored.now_us)
}

fn count(index: usize, event: CacheEvent, ctx: &mut Ctx<'_>) {
    ctx.vm.metrics.count(Metric::Cache(index, event));
}

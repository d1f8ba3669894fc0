//! The cache on a request's way: what is looked up, and what was found.

use super::request::{Cached, Lookup, Request, Session};
use super::{Ctx, LocalReply, Output, Property, fill};
use crate::cache::{self, Record, RequestMeta, Url, Vary, request as rules, reuse};
use crate::metrics::{CacheEvent, Metric};
use crate::policy::{Config, Credential, Policy};
use crate::vm::Work;
use crate::wire::op::CacheGet;
use crate::wire::reply::CacheReply;
use crate::wire::{Op, Value};
use std::rc::Rc;

/// How long a fill may take before its store is refused, milliseconds.
const LEASE_MS: u64 = 60_000;

/// What a look-up came to.
pub(super) enum Found {
    /// The stored answers vary by other fields than guessed.
    AskAgain,
    /// Answer with this.
    Hit(LocalReply),
    /// Forward it.
    Nothing,
}

/// Decides what the request may do with its policy's cache. `end`: it has no body.
pub(super) fn prepare(policy: &Policy, end: bool, request: &mut Request, ctx: &mut Ctx<'_>) {
    if policy.cache.is_none() {
        return;
    }
    let headers = &request.headers;
    let [scheme, authority, path] =
        [":scheme", ":authority", ":path"].map(|name| headers.only(name).unwrap_or_default());
    let url = Url::new(scheme, authority, path);
    let lookup = rules::lookup(headers.only(":method").unwrap_or_default(), headers, end);
    request.cache = match (lookup, url) {
        (cache::Lookup::Bypass(why), _) => Cached::Bypassed(why),
        (_, Err(_)) => Cached::Bypassed(rules::Bypass::Url),
        (cache::Lookup::Unsafe, Ok(url)) => Cached::Unsafe(Box::new(url)),
        (cache::Lookup::Use { fill }, Ok(url)) => {
            if rules::strip_overrides(&mut request.headers) {
                request.edited = true;
            }
            let vary = ctx.vm.vary.guess(url.as_bytes());
            let proposed = ctx.vm.random_id();
            Cached::Lookup(Box::new(Lookup {
                url,
                vary,
                fill,
                since: ctx.now,
                field: [0; 16],
                asked_again: false,
                stale: false,
                failed: false,
                proposed,
                lease: None,
                selecting: None,
                sent: ctx.now,
            }))
        }
    };
    if let Some(cache) = policy
        .cache
        .filter(|_| matches!(request.cache, Cached::Bypassed(_)))
    {
        ctx.vm
            .metrics
            .count(Metric::Cache(cache, CacheEvent::Bypass));
    }
}

/// What a look-up is sent with, beside what the request itself holds.
pub(super) struct Question {
    vary: String,
    wait_ms: u64,
}

/// Prepares the look-up's variable parts.
pub(super) fn question(
    request: &mut Request,
    config: &Config,
    now: core::time::Duration,
) -> Option<Question> {
    let wait_ms = fill::wait_ms(request, config, now);
    let policy = config.policies.get(request.policy)?;
    let Cached::Lookup(lookup) = &mut request.cache else {
        return None;
    };
    lookup.field = lookup.vary.field(&policy.name, &request.headers);
    Some(Question {
        vary: lookup.vary.to_wire(),
        wait_ms,
    })
}

/// The look-up.
pub(super) fn op<'a>(request: &'a Request, question: &'a Question) -> Option<Op<'a>> {
    let Cached::Lookup(lookup) = &request.cache else {
        return None;
    };
    Some(Op::CacheGet(CacheGet {
        url: lookup.url.as_bytes(),
        field: &lookup.field,
        vary: question.vary.as_bytes(),
        lease: &lookup.proposed,
        // Who cannot store must not keep others from it; a look-up without a lease cannot be said.
        lease_ms: if lookup.fill { LEASE_MS } else { 1 },
        wait_ms: question.wait_ms,
    }))
}

/// Takes the look-up's answer; `None`: there was none. Whatever is wrong with it, the request goes
/// upstream: a cache failure never fails a request (invariant C11).
pub(super) fn answered(
    value: Option<&Value<'_>>,
    request: &mut Request,
    ctx: &mut Ctx<'_>,
) -> Found {
    let config = Rc::clone(&ctx.vm.config);
    let Some(policy) = config.policies.get(request.policy) else {
        return Found::Nothing;
    };
    let Some(index) = policy.cache else {
        return Found::Nothing;
    };
    let mut count = |event| ctx.vm.metrics.count(Metric::Cache(index, event));
    let Request {
        cache: Cached::Lookup(lookup),
        headers,
        session,
        ..
    } = request
    else {
        return Found::Nothing;
    };
    match value.map(CacheReply::parse) {
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
                count(CacheEvent::Collapsed);
            }
            let meta = meta(policy, &config, &lookup.url, headers, session);
            let found = Record::decode(record).map(|record| {
                let reuse = reuse::check(&record, born_us, now_us, &meta);
                (record, reuse)
            });
            match found {
                Ok((record, reuse::Reuse::Fresh { age_s, ttl_s })) => {
                    count(CacheEvent::HitL2);
                    let answer = reuse::answer(&record, &meta, age_s, ttl_s);
                    Found::Hit(reply(answer, &request.limit_fields))
                }
                Ok((_, reuse::Reuse::Expired)) => {
                    lookup.stale = true;
                    count(CacheEvent::Miss);
                    Found::Nothing
                }
                // Foreign, truncated, flipped, or of a version not known here: it would stand in the
                // way of a good one until its TTL ends.
                Ok((_, reuse::Reuse::Mismatch)) | Err(_) => {
                    count(CacheEvent::Error);
                    count(CacheEvent::Miss);
                    let urls = vec![lookup.url.as_bytes()];
                    let op = Op::CacheInvalidate { urls };
                    ctx.vm
                        .client
                        .submit_background(Work::Uncounted.tag(), &op, ctx.now);
                    Found::Nothing
                }
            }
        }
        Some(Ok(CacheReply::Fill { lease })) => {
            lookup.lease = Some(lease).filter(|_| lookup.fill);
            count(CacheEvent::Miss);
            Found::Nothing
        }
        Some(Ok(CacheReply::Miss { lease })) => {
            lookup.lease = lease.filter(|_| lookup.fill);
            count(CacheEvent::Miss);
            Found::Nothing
        }
        Some(Ok(CacheReply::Vary(list))) => match Vary::from_wire(list) {
            Ok(vary) if !lookup.asked_again => {
                ctx.vm.vary.learn(lookup.url.as_bytes(), &vary);
                lookup.vary = vary;
                lookup.asked_again = true;
                Found::AskAgain
            }
            _ => {
                count(CacheEvent::Miss);
                Found::Nothing
            }
        },
        Some(Err(_)) | None => {
            lookup.failed = true;
            count(CacheEvent::Error);
            Found::Nothing
        }
    }
}

/// The request goes to the origin now.
pub(super) fn before_forward(request: &mut Request, ctx: &mut Ctx<'_>) {
    let headers = &request.headers;
    if let Cached::Lookup(lookup) = &mut request.cache {
        lookup.sent = ctx.now;
        lookup.selecting = lookup.lease.is_some().then(|| headers.clone());
    }
}

/// What the rules want to know of a request.
pub(super) fn meta<'a>(
    policy: &'a Policy,
    config: &'a Config,
    url: &'a Url,
    headers: &'a crate::http::Headers,
    session: &Session,
) -> RequestMeta<'a> {
    let credential: Option<&'a Credential> = policy
        .session
        .as_ref()
        .and_then(|used| config.sessions.get(used.realm))
        .map(|realm| &realm.credential);
    RequestMeta {
        method: headers.only(":method").unwrap_or_default(),
        url,
        policy: &policy.name,
        headers,
        session: !matches!(session, Session::Unused | Session::None),
        credential,
    }
}

fn reply(answer: reuse::Answer<'_>, fields: &[(&'static str, String)]) -> LocalReply {
    let mut headers = answer.headers.into_pairs();
    headers.extend(
        fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone().into_bytes())),
    );
    LocalReply {
        status: answer.status,
        headers,
        body: answer.body.to_vec(),
    }
}

/// Notes a hit for the access log.
pub(super) fn mark_hit(policy: &str, output: &mut Output) {
    output
        .properties
        .push((Property::Policy, policy.as_bytes().to_vec()));
    output.properties.push((Property::Cache, b"hit".to_vec()));
}

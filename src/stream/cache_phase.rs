//! The cache: what is looked up on a request's way, what was found, and what the origin's answer is used
//! for.

mod capture;
mod found;
mod kept;
mod lease;
mod memory;
mod origin;
mod refresh;

use super::request::{Cached, Lookup, Request, Session, Why};
use super::{Ctx, LocalReply, Output, Property, fill};
use crate::cache::{self, RequestMeta, Url, query, request as rules, reuse, validate};
use crate::http::{Headers, cookie};
use crate::metrics::{CacheEvent, Metric};
use crate::policy::{Cache, Config, Credential, KeyPart, Policy};
use crate::wire::Op;
use crate::wire::op::{CacheGet, Want};

pub(super) use capture::Capture;
pub(super) use found::{Found, answered};
pub(super) use kept::Kept;
pub use kept::KeptBytes;
pub(super) use lease::Lease;
pub(super) use origin::{Judged, judge};
pub(crate) use refresh::refreshed;
pub use refresh::{MAX_REFRESHES, REFRESH_TIMEOUT, Refresh};

/// How long a fill may take before its store is refused, milliseconds.
const LEASE_MS: u64 = 60_000;

/// Decides what the request may do with its policy's cache. `end`: it has no body.
pub(super) fn prepare(
    policy: &Policy,
    config: &Config,
    end: bool,
    request: &mut Request,
    ctx: &mut Ctx<'_>,
) {
    let Some((index, cache)) = policy
        .cache
        .and_then(|index| Some((index, config.caches.get(index)?)))
    else {
        return;
    };
    let headers = &request.headers;
    let lookup = rules::lookup(headers.only(":method").unwrap_or_default(), headers, end);
    let path = headers.only(":path").unwrap_or_default();
    let other_path = query::normalised(path, &cache.query);
    let [scheme, authority] =
        [":scheme", ":authority"].map(|name| headers.only(name).unwrap_or_default());
    let url = Url::new(scheme, authority, other_path.as_deref().unwrap_or(path));
    request.cache = match (lookup, url) {
        (cache::Lookup::Bypass(why), _) => Cached::Bypassed(why),
        (_, Err(_)) => Cached::Bypassed(rules::Bypass::Url),
        (cache::Lookup::Unsafe, Ok(url)) => Cached::Unsafe(Box::new(url)),
        (cache::Lookup::Use { fill }, Ok(url)) => {
            if rules::strip_overrides(&mut request.headers, cache) {
                request.edited = true;
            }
            if let Some(path) = other_path {
                request.headers.set(":path", path);
                request.edited = true;
            }
            let asked = rules::directives(&request.headers, cache);
            let refresh = asked.as_ref().is_some_and(|asked| asked.no_cache);
            Cached::Lookup(Box::new(Lookup {
                vary: ctx.vm.vary.guess(url.as_bytes()),
                extras: extras(cache, request),
                url,
                fill,
                since: ctx.now,
                field: [0; 16],
                want: match (fill, refresh) {
                    (_, true) => Want::Refresh,
                    (true, false) => Want::Fill,
                    (false, false) => Want::Read,
                },
                asked,
                memory: None,
                past_memory: false,
                told: None,
                asked_again: false,
                early: false,
                why: Why::Miss,
                proposed: ctx.vm.random_id(),
                lease: None,
                selecting: None,
                kept: None,
                conditional: false,
                sent: ctx.now,
            }))
        }
    };
    if matches!(request.cache, Cached::Bypassed(_)) {
        ctx.vm
            .metrics
            .count(Metric::Cache(index, CacheEvent::Bypass));
    }
}

/// The values of the policy's own key. Whose session it is, is in its token, which was found genuine; that
/// it lives is known before anything stored is used.
fn extras(cache: &Cache, request: &Request) -> Vec<Option<Vec<u8>>> {
    let headers = &request.headers;
    let value = |part: &KeyPart| match part {
        KeyPart::Header(name) => cache::vary::normalised(name, headers),
        KeyPart::Cookie(name) => {
            let lines = headers.all("cookie");
            let values = lines.flat_map(|line| cookie::values(line, name.as_bytes()));
            let values: Vec<&[u8]> = values.collect();
            (!values.is_empty()).then(|| values.join(&b"; "[..]))
        }
        KeyPart::SessionUser => request.token.as_ref().map(|token| token.user.to_vec()),
        _ => None,
    };
    cache.key.iter().map(value).collect()
}

/// What a look-up is sent with, beside what the request itself holds.
pub(super) struct Question {
    vary: String,
    wait_ms: u64,
}

impl Question {
    /// Whether the answer may be held until another request has filled the object.
    pub(super) fn waits(&self) -> bool {
        self.wait_ms > 0
    }
}

/// Prepares the look-up's variable parts; `None`: there is none, or nobody needs to be asked.
pub(super) fn question(
    request: &mut Request,
    config: &Config,
    ctx: &mut Ctx<'_>,
) -> Option<Question> {
    let policy = config.policies.get(request.policy)?;
    let Cached::Lookup(lookup) = &mut request.cache else {
        return None;
    };
    lookup.field = lookup
        .vary
        .field(&policy.name, &request.headers, &lookup.extras);
    if let Some(cache) = policy.cache {
        memory::recall(lookup, cache, ctx);
        if lookup.memory.is_some() {
            return None;
        }
    }
    Some(Question {
        vary: lookup.vary.to_wire(),
        wait_ms: fill::patience_ms(request, config, ctx),
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
        lease_ms: LEASE_MS,
        wait_ms: question.wait_ms,
        want: lookup.want,
    }))
}

/// The request goes to the origin now.
pub(super) fn before_forward(request: &mut Request, ctx: &mut Ctx<'_>) {
    let Cached::Lookup(lookup) = &mut request.cache else {
        return;
    };
    lookup.sent = ctx.now;
    if lookup.lease.is_none() && lookup.kept.is_none() {
        return;
    }
    lookup.selecting = Some(request.headers.clone());
    // A HEAD says what there is to say without a condition.
    if let Some(record) = lookup.kept.as_ref().filter(|_| lookup.fill)
        && let Some(record) = record.record()
        && validate::make_conditional(&record, &mut request.headers)
    {
        lookup.conditional = true;
        request.edited = true;
    }
}

/// What the rules want to know of a request.
pub(super) fn meta<'a>(
    policy: &'a Policy,
    config: &'a Config,
    lookup: &'a Lookup,
    headers: &'a Headers,
    session: bool,
) -> RequestMeta<'a> {
    let credential: Option<&'a Credential> = policy
        .session
        .as_ref()
        .and_then(|used| config.sessions.get(used.realm))
        .map(|realm| &realm.credential);
    RequestMeta {
        method: headers.only(":method").unwrap_or_default(),
        url: &lookup.url,
        policy: &policy.name,
        headers,
        session,
        extras: &lookup.extras,
        credential,
    }
}

/// Whether the request carried a credential of our realm.
pub(super) fn carries_session(session: &Session) -> bool {
    !matches!(session, Session::Unused | Session::None)
}

pub(super) fn reply(answer: reuse::Answer<'_>, fields: &[(&'static str, String)]) -> LocalReply {
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

/// Removes what is stored for a URL in the background: it is no good, or no longer true.
fn remove(url: &Url, ctx: &mut Ctx<'_>) {
    let urls = vec![url.as_bytes()];
    let op = Op::CacheInvalidate { urls };
    let tag = crate::vm::Work::Uncounted.tag();
    ctx.vm.client.submit_background(tag, &op, ctx.now);
}

/// Notes a hit for the access log.
pub(super) fn mark_hit(policy: &str, what: &'static str, output: &mut Output) {
    output
        .properties
        .push((Property::Policy, policy.as_bytes().to_vec()));
    output
        .properties
        .push((Property::Cache, what.as_bytes().to_vec()));
}

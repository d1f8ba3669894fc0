//! Who fills a cached object, and what it owes those who wait for it.
//!
//! A look-up that misses is told to fill the object, or it is held by the bridge until somebody else has.
//! Whoever fills it says as soon as it knows that nobody may have its answer, and gives the turn up in
//! whatever way its stream ends: kept beside the stream's state for that reason. Nobody waits for that, and
//! a word that is lost costs the waiters their patience, never more.

use super::Ctx;
use super::request::{Cached, Request, Session};
use crate::cache::NotStored;
use crate::policy::Config;
use crate::vm::Work;
use crate::wire::op::CachePass;
use crate::wire::reply::CacheReply;
use crate::wire::{Op, Value};
use core::time::Duration;

/// How long nobody is held for a URL whose answer could not be shared, milliseconds.
const PASS_MS: u64 = 120_000;
/// The same of an error: it is not the URL's nature.
const ERROR_PASS_MS: u64 = 1_000;

/// The turn at what is stale of somebody who does not wait, as the bridge gives it, and a third more:
/// milliseconds.
const LONE_MS: u64 = 20_000;

/// What a stream owes those who wait for what it fills.
#[derive(Debug, Default)]
pub(super) struct Fill(Option<Box<Turn>>);

#[derive(Debug)]
struct Turn {
    url: Vec<u8>,
    field: [u8; 16],
    lease: [u8; 16],
    /// Afterwards another one has the turn.
    until: Duration,
}

/// How long the look-up is held now, milliseconds: not at all while too many others are. It goes to the origin then, and
/// what is decided for other requests is still decided.
pub(super) fn patience_ms(request: &Request, config: &Config, ctx: &Ctx<'_>) -> u64 {
    match ctx.vm.client.has_room_to_wait() {
        true => wait_ms(request, config, ctx.now),
        false => 0,
    }
}

/// How long the look-up may be held, milliseconds. Whoever shows who it is gets an answer that others seldom
/// may have: it neither waits for one nor lets others wait for its own.
fn wait_ms(request: &Request, config: &Config, now: Duration) -> u64 {
    let Cached::Lookup(lookup) = &request.cache else {
        return 0;
    };
    let cache = config
        .policies
        .get(request.policy)
        .and_then(|policy| config.caches.get(policy.cache?));
    let Some(cache) = cache.filter(|_| lookup.fill) else {
        return 0;
    };
    let anonymous = matches!(request.session, Session::Unused | Session::None);
    if request.headers.contains("authorization") || !(anonymous || cache.shared) {
        return 0;
    }
    let waited = now.saturating_sub(lookup.since).as_millis();
    cache
        .collapse_ms
        .saturating_sub(u64::try_from(waited).unwrap_or(u64::MAX))
}

/// Notes that the request was told to fill what it looked for, whatever becomes of it now.
pub(super) fn heard(value: Option<&Value<'_>>, request: &Request, ctx: &mut Ctx<'_>) {
    let (
        Some(Ok(
            CacheReply::Fill { lease, .. }
            | CacheReply::Stale {
                lease,
                claimed: true,
                ..
            },
        )),
        Cached::Lookup(lookup),
    ) = (value.map(CacheReply::parse), &request.cache)
    else {
        return;
    };
    let ms = match wait_ms(request, &ctx.vm.config, lookup.since) {
        0 => LONE_MS,
        ms => ms,
    };
    let turn = Duration::from_millis(ms.saturating_mul(3) / 4);
    ctx.fill.0 = Some(Box::new(Turn {
        url: lookup.url.as_bytes().to_vec(),
        field: lookup.field,
        lease,
        until: ctx.now.saturating_add(turn),
    }));
}

/// The answer is on its way to the store, which tells those who wait.
pub(super) fn stored(ctx: &mut Ctx<'_>) {
    ctx.fill.0 = None;
}

/// The answer is not stored: those who wait get their own, at once.
pub(super) fn not_stored(why: NotStored, status: u16, ctx: &mut Ctx<'_>) {
    let lasting = match (why, status) {
        (NotStored::Lease, _) => return,
        (_, 500..) => ERROR_PASS_MS,
        _ => PASS_MS,
    };
    if let Some(turn) = ctx.fill.0.take() {
        pass(&turn, lasting, ctx);
    }
}

/// The stream is over. Whatever it has not filled, it will not: the next one does.
pub(super) fn ended(ctx: &mut Ctx<'_>) {
    if let Some(turn) = ctx.fill.0.take().filter(|turn| ctx.now < turn.until) {
        pass(&turn, 0, ctx);
    }
}

fn pass(turn: &Turn, ttl_ms: u64, ctx: &mut Ctx<'_>) {
    let op = Op::CachePass(CachePass {
        url: &turn.url,
        field: &turn.field,
        lease: &turn.lease,
        ttl_ms,
    });
    let tag = Work::Uncounted.tag();
    ctx.vm.client.submit_settlement(tag, &op, None, ctx.now);
}

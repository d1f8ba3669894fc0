//! What this worker remembers of stored answers: looked at before anybody is asked, learnt from what is found.

use super::super::Ctx;
use super::super::request::Lookup;
use super::found::Stored;
use crate::cache::clock::RedisClock;
use crate::cache::l1::Remembered;
use crate::wire::op::Want;

/// Looks into this worker's memory; notes from when on what is found elsewhere may be remembered.
pub(super) fn recall(lookup: &mut Lookup, cache: usize, ctx: &mut Ctx<'_>) {
    lookup.memory = None;
    lookup.told = None;
    if !ctx.vm.l1.holds(cache) {
        return;
    }
    ctx.vm.heed(ctx.now);
    lookup.told = ctx.vm.client.is_told().then(|| ctx.vm.l1.generation());
    let wanted = matches!(lookup.want, Want::Fill | Want::Read) && !lookup.past_memory;
    if wanted && ctx.vm.client.remembers(ctx.now) {
        let url = lookup.url.as_bytes();
        lookup.memory = ctx.vm.l1.get(cache, url, &lookup.field);
    }
}

/// What is remembered is no longer fresh, or no good: Redis may have something newer.
pub(super) fn discard(lookup: &mut Lookup, cache: usize, ctx: &mut Ctx<'_>) {
    lookup.past_memory = true;
    let url = lookup.url.as_bytes();
    ctx.vm.l1.remove(cache, url, &lookup.field);
}

/// Remembers what Redis had, which is fresh.
pub(super) fn learn(lookup: &Lookup, cache: usize, stored: &Stored<'_>, ctx: &mut Ctx<'_>) {
    let Some(told) = lookup.told else {
        return;
    };
    ctx.vm.heed(ctx.now);
    let found = Remembered {
        record: stored.bytes.into(),
        born_us: stored.born_us,
        clock: RedisClock::told(stored.now_us, ctx.now),
    };
    let url = lookup.url.as_bytes();
    ctx.vm.l1.put(cache, url, &lookup.field, found, told);
}

//! `limit/concurrency.lua`.

use super::{At, Settled, Store, WrongType, ttl};

pub(super) struct Seen {
    live: u64,
    /// When the first of them ends by itself; 0: there is none.
    first: u64,
    mine: bool,
}

pub(super) fn look(store: &mut Store, at: &At<'_>) -> Result<(i64, Seen), WrongType> {
    let members = store.zrange(at.key)?;
    let live = members
        .iter()
        .filter(|(_, ends)| *ends > at.now.cast_signed());
    let live: Vec<&(Vec<u8>, i64)> = live.collect();
    let first = live.first().map_or(0, |(_, ends)| *ends);
    let seen = Seen {
        live: live.len() as u64,
        first: u64::try_from(first).unwrap_or(0),
        mine: live.iter().any(|(slot, _)| slot == at.burst_text()),
    };
    let state = match at.limit.checked_sub(at.need) {
        None => -1,
        Some(_) if at.need == 0 || seen.mine => 1,
        Some(rest) if seen.live <= rest => 1,
        Some(_) => -2,
    };
    Ok((state, seen))
}

impl Seen {
    pub(super) fn settle(
        mut self,
        store: &mut Store,
        at: &At<'_>,
        state: i64,
        charge: u64,
    ) -> Result<Settled, WrongType> {
        let ends = at.now + at.window;
        if charge > 0 {
            self.live += u64::from(!self.mine);
            if self.first == 0 {
                self.first = ends;
            }
            for (slot, ended) in store.zrange(at.key)? {
                if ended <= at.now.cast_signed() {
                    store.zrem(at.key, &slot)?;
                }
            }
            store.zadd(at.key, at.burst_text(), ends.cast_signed())?;
            store.extend(at.key, ttl(at.window));
        } else {
            at.repair(store, at.window);
        }
        let reset = at.left(self.first);
        Ok(Settled {
            available: at.limit.saturating_sub(self.live),
            reset,
            retry: if state == -2 { reset } else { 0 },
            mark: 0,
            leased: 0,
        })
    }
}

pub(super) fn give_back(store: &mut Store, at: &At<'_>) -> Result<u64, WrongType> {
    let members = store.zrange(at.key)?;
    let mine = members.iter().find(|(slot, _)| slot == at.burst_text());
    if mine.is_none_or(|(_, ends)| *ends <= at.now.cast_signed()) {
        return Ok(0);
    }
    store.zrem(at.key, at.burst_text())?;
    at.repair(store, at.window);
    Ok(1)
}

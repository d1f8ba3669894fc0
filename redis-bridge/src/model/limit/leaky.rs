//! `limit/leaky_bucket.lua`.

use super::bucket::Moment;
use super::{At, Settled, Store, WrongType};

pub(super) struct Seen {
    next: Moment,
}

pub(super) fn look(store: &mut Store, at: &At<'_>) -> Result<(i64, Seen), WrongType> {
    let next = Moment::read(store, at)?;
    let state = match at.need > 0 && at.left(next.at) > at.burst() {
        true => at.denied(next.held),
        false => 1,
    };
    Ok((state, Seen { next }))
}

impl Seen {
    pub(super) fn settle(self, store: &mut Store, at: &At<'_>, state: i64, charge: u64) -> Settled {
        let mut next = self.next;
        let wait = at.left(next.at);
        let mut retry = at.retry(state, next.held, || wait - at.burst());
        if charge > 0 {
            retry = wait;
            next.add(charge, at.unit());
            next.write(store, at);
        } else if next.found {
            at.repair(store, wait);
        }
        let left = at.left(next.at);
        let room = at.burst().checked_sub(left);
        Settled {
            available: room.map_or(0, |room| room / at.unit() + 1),
            reset: left,
            retry,
            mark: next.at,
            leased: 0,
        }
    }
}

pub(super) fn give_back(
    store: &mut Store,
    at: &At<'_>,
    cost: u64,
    mark: u64,
) -> Result<u64, WrongType> {
    let mut next = Moment::read(store, at)?;
    let give = cost.saturating_mul(at.unit()).min(at.left(mark));
    if !next.found || next.at != mark || give == 0 {
        return Ok(0);
    }
    next.at -= give;
    next.write(store, at);
    Ok(give / at.unit())
}

//! `limit/token_bucket.lua` and `limit/moment.lua`.

use super::{At, MOMENT_MAX, REFILL_MAX, Settled, Store, WrongType, granted, numbers};

pub(super) struct Seen {
    moment: Moment,
}

/// A moment, as it is stored.
pub(super) struct Moment {
    pub(super) found: bool,
    /// At least now.
    pub(super) at: u64,
    pub(super) held: u64,
}

impl Moment {
    pub(super) fn read(store: &mut Store, at: &At<'_>) -> Result<Self, WrongType> {
        let stored = store.get(at.key)?;
        let read = stored
            .as_deref()
            .and_then(|value| numbers(value, *b":").filter(|_| !value.ends_with(b":")));
        let read = read.filter(|([moment], _)| *moment <= MOMENT_MAX);
        let ([moment], held) = read.unwrap_or(([0], 0));
        Ok(Self {
            found: stored.is_some(),
            at: moment.max(at.now),
            held,
        })
    }

    pub(super) fn add(&mut self, cost: u64, unit: u64) {
        let by = cost.saturating_mul(unit).min(REFILL_MAX);
        self.at = (self.at + by).min(MOMENT_MAX);
    }

    pub(super) fn write(&self, store: &mut Store, at: &At<'_>) {
        let tail = at.marked(self.held);
        at.set(store, format!("{}{tail}", self.at), self.at);
    }
}

pub(super) fn look(store: &mut Store, at: &At<'_>) -> Result<(i64, Seen), WrongType> {
    let moment = Moment::read(store, at)?;
    let state = match at.burst().checked_sub(at.need) {
        None => -1,
        Some(_) if at.need == 0 => 1,
        Some(rest) if at.left(moment.at) <= rest.saturating_mul(at.unit()) => 1,
        Some(_) => at.denied(moment.held),
    };
    Ok((state, Seen { moment }))
}

impl Seen {
    pub(super) fn settle(
        self,
        store: &mut Store,
        at: &At<'_>,
        state: i64,
        charge: u64,
        lease: u64,
    ) -> Settled {
        let mut tat = self.moment;
        let unit = i128::from(at.unit());
        let room = |tat: &Moment| i128::from(at.burst()) * unit - i128::from(at.left(tat.at));
        tat.add(charge, at.unit());
        let leased = granted(lease, room(&tat).div_euclid(unit));
        tat.held = at.lent(tat.held, leased);
        tat.at += leased * at.unit();
        if charge + leased > 0 {
            tat.write(store, at);
        } else if tat.found {
            at.repair(store, at.left(tat.at));
        }
        let room = room(&tat);
        let positive = |n: i128| u64::try_from(n).unwrap_or(0);
        let available = positive(room.div_euclid(unit));
        Settled {
            available,
            reset: match available {
                0 => positive(unit - room),
                some => some * at.unit(),
            },
            retry: at.retry(state, tat.held, || {
                positive(i128::from(at.need) * unit - room)
            }),
            mark: tat.at,
            leased,
        }
    }
}

pub(super) fn give_back(
    store: &mut Store,
    at: &At<'_>,
    cost: u64,
    mark: u64,
) -> Result<u64, WrongType> {
    let mut tat = Moment::read(store, at)?;
    let most = at.left(mark).min(at.left(tat.at));
    let give = cost.saturating_mul(at.unit()).min(most);
    if !tat.found || give == 0 {
        return Ok(0);
    }
    tat.at -= give;
    tat.write(store, at);
    Ok(give / at.unit())
}

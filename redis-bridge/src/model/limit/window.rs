//! `limit/fixed_window.lua`.

use super::{At, EXACT, Settled, Store, WrongType, granted, numbers};

pub(super) struct Seen {
    found: bool,
    id: u64,
    used: u64,
    held: u64,
}

pub(super) fn look(store: &mut Store, at: &At<'_>) -> Result<(i64, Seen), WrongType> {
    let stored = store.get(at.key)?;
    let current = at.now / at.window;
    let read = stored.as_deref().and_then(|value| {
        // A tail, if there is one, is a number.
        numbers(value, *b"::").filter(|_| !value.ends_with(b":"))
    });
    let read = read.filter(|([id, _], _)| {
        let ends = (id + 1).checked_mul(at.window);
        *id >= current && ends.is_some_and(|ends| ends <= EXACT)
    });
    let ([id, used], held) = read.unwrap_or(([current, 0], 0));
    let seen = Seen {
        found: stored.is_some(),
        id,
        used,
        held,
    };
    Ok((at.verdict(used, held), seen))
}

impl Seen {
    pub(super) fn settle(
        mut self,
        store: &mut Store,
        at: &At<'_>,
        state: i64,
        charge: u64,
        lease: u64,
    ) -> Settled {
        let ends = (self.id + 1) * at.window;
        let left = at.left(ends);
        let free = i128::from(at.limit) - i128::from(self.used) - i128::from(charge);
        let leased = granted(lease, free);
        self.held = at.lent(self.held, leased);
        if charge + leased > 0 {
            self.used = (self.used + charge + leased).min(EXACT);
            self.write(store, at);
        } else if self.found {
            at.repair(store, left);
        }
        Settled {
            available: at.limit.saturating_sub(self.used),
            reset: left,
            retry: at.retry(state, self.held, || left),
            mark: ends,
            leased,
        }
    }

    fn write(&self, store: &mut Store, at: &At<'_>) {
        let tail = at.marked(self.held);
        let value = format!("{}:{}{tail}", self.id, self.used);
        at.set(store, value, (self.id + 1) * at.window);
    }
}

pub(super) fn give_back(
    store: &mut Store,
    at: &At<'_>,
    cost: u64,
    mark: u64,
) -> Result<u64, WrongType> {
    let (_, mut seen) = look(store, at)?;
    let give = cost.min(seen.used);
    if !seen.found || (seen.id + 1) * at.window != mark || give == 0 {
        return Ok(0);
    }
    seen.used -= give;
    seen.write(store, at);
    Ok(give)
}

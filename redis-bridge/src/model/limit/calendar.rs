//! `limit/calendar_window.lua`.

use super::{At, EXACT, MOMENT_MAX, Settled, Store, WrongType, granted, integer, numbers};

pub(super) struct Seen {
    found: bool,
    starts: u64,
    ends: u64,
    used: u64,
    held: u64,
}

pub(super) fn look(store: &mut Store, at: &At<'_>) -> Result<Option<(i64, Seen)>, WrongType> {
    let stored = store.get(at.key)?;
    let read = stored.as_deref().and_then(|value| numbers(value, *b"-::"));
    let read = read
        .filter(|([starts, ends, _], _)| starts < ends && *ends > at.now && *ends <= MOMENT_MAX);
    let ([starts, ends, used], held) = match read {
        Some(read) => read,
        None => match named(at) {
            Some([starts, ends]) => ([starts, ends, 0], 0),
            None => return Ok(None),
        },
    };
    let seen = Seen {
        found: stored.is_some(),
        starts,
        ends,
        used,
        held,
    };
    Ok(Some((at.verdict(used, held), seen)))
}

/// The window of those that were named that contains now.
fn named(at: &At<'_>) -> Option<[u64; 2]> {
    let bounds = at.burst_text().split(|b| !b.is_ascii_digit());
    let bounds: Vec<u64> = bounds.filter_map(integer).collect();
    let mut pairs = bounds.array_windows::<2>().copied();
    pairs.find(|[starts, ends]| (*starts..*ends).contains(&at.now))
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
        let left = at.left(self.ends);
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
            mark: self.ends,
            leased,
        }
    }

    fn write(&self, store: &mut Store, at: &At<'_>) {
        let tail = at.marked(self.held);
        let value = format!("{}-{}:{}{tail}", self.starts, self.ends, self.used);
        at.set(store, value, self.ends);
    }
}

pub(super) fn give_back(
    store: &mut Store,
    at: &At<'_>,
    cost: u64,
    mark: u64,
) -> Result<u64, WrongType> {
    // No window is named: only one that is stored counts.
    let Some((_, mut seen)) = look(store, at)? else {
        return Ok(0);
    };
    let give = cost.min(seen.used);
    if seen.ends != mark || give == 0 {
        return Ok(0);
    }
    seen.used -= give;
    seen.write(store, at);
    Ok(give)
}

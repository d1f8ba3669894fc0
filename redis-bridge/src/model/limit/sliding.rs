//! `limit/sliding_window.lua`.

use super::{At, EXACT, Settled, Store, WrongType, granted, numbers};

pub(super) struct Seen {
    found: bool,
    id: u64,
    previous: u64,
    current: u64,
    held: u64,
}

pub(super) fn look(store: &mut Store, at: &At<'_>) -> Result<(i64, Seen), WrongType> {
    let stored = store.get(at.key)?;
    let now = at.now / at.window;
    let read = stored.as_deref().and_then(|value| numbers(value, *b":::"));
    let read = read.filter(|([id, ..], _)| {
        let ends = (id + 2).checked_mul(at.window);
        id + 1 >= now && ends.is_some_and(|ends| ends <= EXACT)
    });
    let mut seen = Seen {
        found: stored.is_some(),
        id: now,
        previous: 0,
        current: 0,
        held: 0,
    };
    if let Some(([id, previous, current], held)) = read {
        seen.held = held;
        if id >= now {
            (seen.id, seen.previous, seen.current) = (id, previous, current);
        } else {
            seen.previous = current;
        }
    }
    Ok((at.verdict(seen.used(at), seen.held), seen))
}

impl Seen {
    fn starts(&self, at: &At<'_>) -> u64 {
        self.id * at.window
    }

    fn used(&self, at: &At<'_>) -> u64 {
        let elapsed = at.now.saturating_sub(self.starts(at));
        self.current + weighed(at.window, elapsed, self.previous)
    }

    /// The first microsecond at which no more than `room` units count.
    fn first(&self, at: &At<'_>, room: u64) -> u64 {
        let (starts, previous, rest) = match room.checked_sub(self.current) {
            Some(rest) => (self.starts(at), self.previous, rest),
            None => (self.starts(at) + at.window, self.current, room),
        };
        if previous <= rest {
            return starts;
        }
        let gone = (float(rest) * float(at.window) / float(previous)).floor();
        let mut elapsed = (float(at.window) - gone - 1.0).max(0.0) as u64;
        while weighed(at.window, elapsed, previous) > rest {
            elapsed += 1;
        }
        starts + elapsed
    }

    pub(super) fn settle(
        mut self,
        store: &mut Store,
        at: &At<'_>,
        state: i64,
        charge: u64,
        lease: u64,
    ) -> Settled {
        let mut used = self.used(at);
        let free = i128::from(at.limit) - i128::from(used) - i128::from(charge);
        let leased = granted(lease, free);
        self.held = at.lent(self.held, leased);
        if charge + leased > 0 {
            used += charge + leased;
            self.current = (self.current + charge + leased).min(EXACT);
            self.write(store, at);
        } else if self.found {
            at.repair(store, at.left(self.starts(at) + 2 * at.window));
        }
        let available = at.limit.saturating_sub(used);
        Settled {
            available,
            reset: match available {
                0 => at.left(self.first(at, at.limit - 1)),
                _ => at.window,
            },
            retry: at.retry(state, self.held, || {
                at.left(self.first(at, at.limit - at.need))
            }),
            mark: self.starts(at) + at.window,
            leased,
        }
    }

    fn write(&self, store: &mut Store, at: &At<'_>) {
        let tail = at.marked(self.held);
        let value = format!("{}:{}:{}{tail}", self.id, self.previous, self.current);
        at.set(store, value, self.starts(at) + 2 * at.window);
    }
}

pub(super) fn give_back(
    store: &mut Store,
    at: &At<'_>,
    cost: u64,
    mark: u64,
) -> Result<u64, WrongType> {
    let (_, mut seen) = look(store, at)?;
    let counter = if seen.starts(at) + at.window == mark {
        &mut seen.current
    } else if seen.starts(at) == mark {
        &mut seen.previous
    } else {
        return Ok(0);
    };
    let give = cost.min(*counter);
    if !seen.found || give == 0 {
        return Ok(0);
    }
    *counter -= give;
    seen.write(store, at);
    Ok(give)
}

/// The units of the last window that count, in the very arithmetic of Lua.
fn weighed(window: u64, elapsed: u64, previous: u64) -> u64 {
    let left = float(window) - float(elapsed);
    (float(previous) * left / float(window)).ceil() as u64
}

/// Exact: units and microseconds are at most 2^53.
fn float(n: u64) -> f64 {
    n as f64
}

//! `limit/*.lua`.

use super::{Call, Stop, int, integer, text};
use crate::core::Value;

const MARGIN_MS: u64 = 5000;
const EXACT: u64 = 1 << 53;

#[derive(Clone, Copy)]
struct Args {
    bucket: bool,
    limit: u64,
    window: u64,
    burst: u64,
    cost: u64,
}

/// What is stored: of a window its id and what is used, of a bucket when it is full again.
#[derive(Clone, Copy)]
enum State {
    Window { id: u64, used: u64 },
    Bucket { tat: u64 },
}

#[derive(Clone, Copy)]
struct Seen {
    found: bool,
    state: State,
    verdict: i64,
}

pub(super) fn take(call: &mut Call<'_>) -> Result<Value, Stop> {
    let now = call.now_us;
    let mut limits = Vec::new();
    for (at, key) in call.keys.iter().enumerate() {
        let a = Args {
            bucket: bucket(call.arg(at * 5)?)?,
            limit: call.number(at * 5 + 1)?,
            window: call.number(at * 5 + 2)?,
            burst: call.number(at * 5 + 3)?,
            cost: call.number(at * 5 + 4)?,
        };
        let stored = call.store.get(key)?;
        limits.push((key, a, Seen::look(stored.as_deref(), now, a)));
    }
    let fit = limits.iter().all(|(_, _, seen)| seen.verdict == 1);
    let mut answer = vec![Value::Integer(i64::from(fit)), call.now()];
    for (key, a, mut seen) in limits {
        if fit && a.cost > 0 {
            seen.charge(a);
            call.store.set(key, seen.value(), seen.ttl(now, a));
        } else if seen.found && call.store.pttl(key) == Some(None) {
            call.store.pexpire(key, seen.ttl(now, a));
        }
        answer.push(seen.answer(now, a));
    }
    Ok(Value::Array(answer))
}

pub(super) fn give_back(call: &mut Call<'_>) -> Result<Value, Stop> {
    let now = call.now_us;
    let (marker, keys) = call.keys.split_last().ok_or(Stop::Shape)?;
    if call.store.exists(marker) {
        return Ok(Value::Integer(0));
    }
    call.store.set(marker, b"1".to_vec(), 60_000);
    for (at, key) in keys.iter().enumerate() {
        let a = Args {
            bucket: bucket(call.arg(at * 5)?)?,
            limit: call.number(at * 5 + 1)?,
            window: call.number(at * 5 + 2)?,
            burst: u64::MAX,
            cost: call.number(at * 5 + 3)?,
        };
        let mark = call.number(at * 5 + 4)?;
        let stored = call.store.get(key)?;
        let mut seen = Seen::look(stored.as_deref(), now, a);
        if seen.found && seen.undo(now, a, mark) {
            call.store.set(key, seen.value(), seen.ttl(now, a));
        }
    }
    Ok(Value::Integer(1))
}

pub(super) fn reset(call: &mut Call<'_>) -> Result<Value, Stop> {
    Ok(int(call.store.unlink(call.key(0)?)))
}

impl Args {
    fn emission(self) -> u64 {
        self.window.div_ceil(self.limit.max(1))
    }

    fn refill(self) -> u64 {
        self.burst.saturating_mul(self.emission())
    }
}

impl Seen {
    fn look(stored: Option<&[u8]>, now: u64, a: Args) -> Self {
        let state = if a.bucket {
            let tat = stored
                .and_then(integer)
                .filter(|tat| *tat <= EXACT - (1 << 51));
            State::Bucket {
                tat: tat.unwrap_or(0).max(now),
            }
        } else {
            let current = now / a.window;
            let window = stored
                .and_then(window)
                .filter(|(id, _)| *id >= current)
                .filter(|(id, _)| {
                    let end = (id + 1).checked_mul(a.window);
                    end.is_some_and(|end| end <= EXACT)
                });
            let (id, used) = window.unwrap_or((current, 0));
            State::Window { id, used }
        };
        let verdict = match state {
            State::Window { .. } if a.cost > a.limit => -1,
            State::Bucket { .. } if a.cost > a.burst => -1,
            _ if a.cost == 0 => 1,
            State::Window { used, .. } => i64::from(used <= a.limit - a.cost),
            State::Bucket { tat } => {
                i64::from((tat - now).saturating_add(a.cost * a.emission()) <= a.refill())
            }
        };
        Self {
            found: stored.is_some(),
            state,
            verdict,
        }
    }

    fn charge(&mut self, a: Args) {
        match &mut self.state {
            State::Window { used, .. } => *used += a.cost,
            State::Bucket { tat } => *tat += a.cost * a.emission(),
        }
    }

    /// False: leave it as it is.
    fn undo(&mut self, now: u64, a: Args, mark: u64) -> bool {
        match &mut self.state {
            State::Window { id, used } => {
                if (*id + 1) * a.window != mark || *used == 0 {
                    return false;
                }
                *used = used.saturating_sub(a.cost);
            }
            State::Bucket { tat } => {
                let give = (a.cost * a.emission()).min(mark.saturating_sub(now));
                if give == 0 {
                    return false;
                }
                *tat = tat.saturating_sub(give).max(now);
            }
        }
        true
    }

    fn value(self) -> Vec<u8> {
        match self.state {
            State::Window { id, used } => format!("{id}:{used}").into_bytes(),
            State::Bucket { tat } => text(tat),
        }
    }

    fn ttl(self, now: u64, a: Args) -> u64 {
        let left = match self.state {
            State::Window { id, .. } => (id + 1) * a.window - now,
            State::Bucket { tat } => tat - now,
        };
        left.div_ceil(1000) + MARGIN_MS
    }

    fn answer(self, now: u64, a: Args) -> Value {
        let denied = self.verdict == 0;
        let (available, reset, retry, mark) = match self.state {
            State::Window { id, used } => {
                let end = (id + 1) * a.window;
                let retry = if denied { end - now } else { 0 };
                (a.limit.saturating_sub(used), end - now, retry, end)
            }
            State::Bucket { tat } => {
                let unit = i128::from(a.emission());
                let room = i128::from(a.refill()) - i128::from(tat - now);
                let available = u64::try_from(room.div_euclid(unit)).unwrap_or(0);
                let reset = match available {
                    0 => unit - room,
                    some => i128::from(some) * unit,
                };
                let retry = if denied {
                    i128::from(a.cost) * unit - room
                } else {
                    0
                };
                let positive = |n: i128| u64::try_from(n).unwrap_or(0);
                (available, positive(reset), positive(retry), tat)
            }
        };
        Value::Array(vec![
            Value::Integer(self.verdict),
            int(available),
            int(reset),
            int(retry),
            int(mark),
        ])
    }
}

fn bucket(algorithm: &[u8]) -> Result<bool, Stop> {
    match algorithm {
        b"fixed_window" => Ok(false),
        b"token_bucket" => Ok(true),
        _ => Err(Stop::Shape),
    }
}

/// "id:used".
fn window(value: &[u8]) -> Option<(u64, u64)> {
    let colon = value.iter().position(|b| *b == b':')?;
    let (id, used) = value.split_at_checked(colon)?;
    Some((integer(id)?, integer(used.get(1..)?)?))
}

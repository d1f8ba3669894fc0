//! `limit/*.lua`: a file per algorithm, and here what combines them.

mod bucket;
mod calendar;
mod concurrency;
mod leaky;
mod log;
mod overrides;
mod sliding;
mod window;

use super::store::{Store, WrongType};
use super::{Call, Stop, int, integer, text};
use crate::core::Value;

const MARGIN_MS: u64 = 5000;
const PROVISIONAL_US: u64 = 1_000_000;
const LEASED_US: u64 = 1_500_000;
const EXACT: u64 = 1 << 53;
/// Longest refill and largest debt, microseconds.
const REFILL_MAX: u64 = 1 << 51;
/// Latest moment that is stored, microseconds.
const MOMENT_MAX: u64 = EXACT - REFILL_MAX;
/// How long what was given back is remembered.
const MARKER_MS: u64 = 60_000;

/// One limit of a call, at its time.
struct At<'a> {
    key: &'a [u8],
    now: u64,
    /// Until when what is charged may be given back; 0: it is final.
    provisional: u64,
    limit: u64,
    window: u64,
    /// What the algorithm says.
    burst: Burst<'a>,
    need: u64,
}

enum Burst<'a> {
    Number(u64),
    Text(&'a [u8]),
}

/// What a limit answers once it is settled.
struct Settled {
    available: u64,
    reset: u64,
    retry: u64,
    mark: u64,
    leased: u64,
}

/// What settling must know of a limit that was looked at.
enum Seen {
    Bucket(bucket::Seen),
    Calendar(calendar::Seen),
    Concurrency(concurrency::Seen),
    Leaky(leaky::Seen),
    Log(log::Seen),
    Sliding(sliding::Seen),
    Window(window::Seen),
}

/// A limit's arguments before an override.
struct Args<'a> {
    algorithm: &'a [u8],
    limit: u64,
    window: u64,
    burst: Burst<'a>,
}

pub(super) fn take(call: &mut Call<'_>) -> Result<Value, Stop> {
    let now = call.now_us;
    let provisional = match call.arg(0)? {
        b"1" => now + PROVISIONAL_US,
        _ => 0,
    };
    let mut limits = Vec::new();
    for i in 0..(call.args.len() - 1) / 9 {
        let args = Args::read(call, i * 9 + 1)?;
        let need = call.number(i * 9 + 6)?;
        let own = call.number(i * 9 + 9)?;
        let key = call.key(i)?;
        let (at, shown) = args.at(call, key, own, provisional, need)?;
        let Some((mut state, seen)) = Seen::look(call.store, args.algorithm, &at)? else {
            return Ok(Value::Array(vec![Value::Integer(-1), call.now()]));
        };
        let force = call.arg(i * 9 + 8)? == b"1";
        if force {
            state = 1;
        }
        let asked = (call.number(i * 9 + 5)?, call.number(i * 9 + 7)?);
        limits.push((at, state, seen, force, asked, shown));
    }
    let fit = limits.iter().all(|(_, state, ..)| *state == 1);
    let mut answer = vec![Value::Integer(i64::from(fit)), call.now()];
    for (at, state, seen, force, asked, shown) in limits {
        let (charge, lease) = if fit { asked } else { (0, 0) };
        let mut settled = seen.settle(call.store, &at, state, charge, lease)?;
        if force {
            settled.retry = 0;
        }
        answer.push(settled.answer(state, shown));
    }
    Ok(Value::Array(answer))
}

pub(super) fn take_plain(call: &mut Call<'_>) -> Result<Value, Stop> {
    let mut limits = Vec::new();
    for (i, key) in call.keys.iter().enumerate() {
        let args = Args::read(call, i * 5)?;
        if !matches!(args.algorithm, b"fixed_window" | b"token_bucket") {
            return Err(Stop::Shape);
        }
        let cost = call.number(i * 5 + 4)?;
        let (at, _) = args.at(call, key, 0, 0, cost)?;
        let (state, seen) = Seen::look(call.store, args.algorithm, &at)?.ok_or(Stop::Shape)?;
        limits.push((at, state, seen, cost));
    }
    let fit = limits.iter().all(|(_, state, ..)| *state == 1);
    let mut answer = vec![Value::Integer(i64::from(fit)), call.now()];
    for (at, state, seen, cost) in limits {
        let charge = if fit { cost } else { 0 };
        let settled = seen.settle(call.store, &at, state, charge, 0)?;
        answer.push(settled.answer(state, 0));
    }
    Ok(Value::Array(answer))
}

pub(super) fn give_back(call: &mut Call<'_>) -> Result<Value, Stop> {
    let marker = call.keys.last().ok_or(Stop::Shape)?;
    if let Some(done) = call.store.get(marker)? {
        let numbers = done.split(|b| !b.is_ascii_digit());
        let given = numbers.filter_map(integer).map(int);
        return Ok(Value::Array(given.collect()));
    }
    let mut given = Vec::new();
    for i in 0..call.args.len() / 7 {
        let args = Args::read(call, i * 7)?;
        let (cost, mark) = (call.number(i * 7 + 4)?, call.number(i * 7 + 5)?);
        let own = call.number(i * 7 + 6)?;
        let key = call.key(i)?;
        let (at, _) = args.at(call, key, own, 0, 0)?;
        let store = &mut *call.store;
        given.push(match args.algorithm {
            b"calendar_window" => calendar::give_back(store, &at, cost, mark)?,
            b"concurrency" => concurrency::give_back(store, &at)?,
            b"fixed_window" => window::give_back(store, &at, cost, mark)?,
            b"leaky_bucket" => leaky::give_back(store, &at, cost, mark)?,
            b"sliding_window" => sliding::give_back(store, &at, cost, mark)?,
            b"sliding_window_log" => log::give_back(store, &at, cost, mark)?,
            b"token_bucket" => bucket::give_back(store, &at, cost, mark)?,
            _ => return Err(Stop::Shape),
        });
    }
    let texts: Vec<Vec<u8>> = given.iter().map(|n| text(*n)).collect();
    call.store.set(marker, texts.join(&b' '), MARKER_MS);
    Ok(Value::Array(given.into_iter().map(int).collect()))
}

pub(super) fn reset(call: &mut Call<'_>) -> Result<Value, Stop> {
    Ok(int(call.store.unlink(call.key(0)?)))
}

/// What is told on channels reaches nobody here.
pub(super) fn own(call: &mut Call<'_>) -> Result<Value, Stop> {
    let key = call.key(0)?;
    if call.args.len() == 3 {
        match call.arg(0)? {
            b"" => drop(call.store.unlink(key)),
            value => {
                let ttl_ms = call.number(1)?;
                call.store.set(key, value.to_vec(), ttl_ms);
            }
        }
    }
    let Some(left) = call.store.pttl(key) else {
        return Ok(Value::Array(Vec::new()));
    };
    let value = call.store.get(key).ok().flatten().unwrap_or_default();
    let left = left.map_or(Value::Integer(-1), int);
    Ok(Value::Array(vec![Value::Bulk(value), left]))
}

impl<'a> Args<'a> {
    fn read(call: &Call<'a>, from: usize) -> Result<Self, Stop> {
        let algorithm = call.arg(from)?;
        let burst = call.arg(from + 3)?;
        let number = matches!(algorithm, b"leaky_bucket" | b"token_bucket");
        Ok(Self {
            algorithm,
            limit: call.number(from + 1)?,
            window: call.number(from + 2)?,
            burst: match number {
                true => Burst::Number(integer(burst).ok_or(Stop::Shape)?),
                false => Burst::Text(burst),
            },
        })
    }

    /// With the key's own limit, if it has one; and what the answer says of that.
    fn at(
        &self,
        call: &mut Call<'a>,
        key: &'a [u8],
        own: u64,
        provisional: u64,
        need: u64,
    ) -> Result<(At<'a>, i64), Stop> {
        let mut at = At {
            key,
            now: call.now_us,
            provisional,
            limit: self.limit,
            window: self.window,
            burst: match self.burst {
                Burst::Number(n) => Burst::Number(n),
                Burst::Text(text) => Burst::Text(text),
            },
            need,
        };
        let Some(own) = usize::try_from(own).ok().and_then(|own| own.checked_sub(1)) else {
            return Ok((at, 0));
        };
        let stored = call.store.get(call.key(own)?);
        let shown = overrides::apply(stored, self.algorithm, &mut at);
        Ok((at, shown))
    }
}

impl At<'_> {
    fn burst(&self) -> u64 {
        match self.burst {
            Burst::Number(n) => n,
            Burst::Text(_) => 0,
        }
    }

    fn burst_text(&self) -> &[u8] {
        match self.burst {
            Burst::Number(_) => b"",
            Burst::Text(text) => text,
        }
    }

    /// What a unit takes, microseconds.
    fn unit(&self) -> u64 {
        self.window.div_ceil(self.limit)
    }

    fn verdict(&self, used: u64, held: u64) -> i64 {
        if self.need == 0 || self.need <= self.limit && used <= self.limit - self.need {
            1
        } else if self.need > self.limit {
            -1
        } else {
            self.denied(held)
        }
    }

    fn denied(&self, held: u64) -> i64 {
        if held > self.now { -2 } else { 0 }
    }

    /// The tail of a stored value.
    fn marked(&self, held: u64) -> String {
        let held = held.max(self.provisional);
        match held > self.now {
            true => format!(":{held}"),
            false => String::new(),
        }
    }

    /// Until when a charge is provisional, now that so many units were leased.
    fn lent(&self, held: u64, leased: u64) -> u64 {
        match leased {
            0 => held,
            _ => held.max(self.now + LEASED_US),
        }
    }

    /// What of a charge still counts `to` this time.
    fn left(&self, to: u64) -> u64 {
        to.saturating_sub(self.now)
    }

    fn set(&self, store: &mut Store, value: String, to: u64) {
        store.set(self.key, value.into_bytes(), ttl(self.left(to)));
    }

    /// Gives the key a TTL when it has none.
    fn repair(&self, store: &mut Store, left: u64) {
        if store.pttl(self.key) == Some(None) {
            store.pexpire(self.key, ttl(left));
        }
    }

    /// `retry_us` of a denial: of a busy key, when the charge in it is final.
    fn retry(&self, state: i64, held: u64, denied: impl FnOnce() -> u64) -> u64 {
        match state {
            0 => denied(),
            -2 => self.left(held),
            _ => 0,
        }
    }
}

impl Seen {
    /// `None`: no calendar window that was named contains now.
    fn look(store: &mut Store, algorithm: &[u8], at: &At<'_>) -> Result<Option<(i64, Self)>, Stop> {
        let (state, seen) = match algorithm {
            b"calendar_window" => match calendar::look(store, at)? {
                Some((state, seen)) => (state, Self::Calendar(seen)),
                None => return Ok(None),
            },
            b"concurrency" => {
                concurrency::look(store, at).map(|(s, seen)| (s, Self::Concurrency(seen)))?
            }
            b"fixed_window" => window::look(store, at).map(|(s, seen)| (s, Self::Window(seen)))?,
            b"leaky_bucket" => leaky::look(store, at).map(|(s, seen)| (s, Self::Leaky(seen)))?,
            b"sliding_window" => {
                sliding::look(store, at).map(|(s, seen)| (s, Self::Sliding(seen)))?
            }
            b"sliding_window_log" => log::look(store, at).map(|(s, seen)| (s, Self::Log(seen)))?,
            b"token_bucket" => bucket::look(store, at).map(|(s, seen)| (s, Self::Bucket(seen)))?,
            _ => return Err(Stop::Shape),
        };
        Ok(Some((state, seen)))
    }

    fn settle(
        self,
        store: &mut Store,
        at: &At<'_>,
        state: i64,
        charge: u64,
        lease: u64,
    ) -> Result<Settled, Stop> {
        Ok(match self {
            Self::Bucket(seen) => seen.settle(store, at, state, charge, lease),
            Self::Calendar(seen) => seen.settle(store, at, state, charge, lease),
            Self::Concurrency(seen) => seen.settle(store, at, state, charge)?,
            Self::Leaky(seen) => seen.settle(store, at, state, charge),
            Self::Log(seen) => seen.settle(store, at, state, charge)?,
            Self::Sliding(seen) => seen.settle(store, at, state, charge, lease),
            Self::Window(seen) => seen.settle(store, at, state, charge, lease),
        })
    }
}

impl Settled {
    fn answer(self, state: i64, shown: i64) -> Value {
        let mut items = vec![
            Value::Integer(state),
            int(self.available),
            int(self.reset),
            int(self.retry),
            int(self.mark),
        ];
        if self.leased > 0 || shown != 0 {
            items.extend([int(self.leased), Value::Integer(shown)]);
        }
        Value::Array(items)
    }
}

fn ttl(left: u64) -> u64 {
    left.div_ceil(1000) + MARGIN_MS
}

/// How many of `lease` units are granted when `free` are left.
fn granted(lease: u64, free: i128) -> u64 {
    let most = u64::try_from(free.div_euclid(8)).unwrap_or(0);
    lease.min(most)
}

/// Reads a value of `N` numbers between these separators, and until when it is provisional.
fn numbers<const N: usize>(value: &[u8], separators: [u8; N]) -> Option<([u64; N], u64)> {
    let mut rest = value;
    let mut read = [0; N];
    for (number, separator) in read.iter_mut().zip(separators) {
        let end = rest.iter().position(|b| !b.is_ascii_digit());
        let (digits, more) = rest.split_at(end.unwrap_or(rest.len()));
        *number = integer(digits)?;
        rest = match more.split_first() {
            None => more,
            Some((b, more)) if *b == separator => more,
            Some(_) => return None,
        };
    }
    let held = if rest.is_empty() { 0 } else { integer(rest)? };
    Some((read, held))
}

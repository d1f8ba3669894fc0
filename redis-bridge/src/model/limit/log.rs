//! `limit/sliding_window_log.lua`.

use super::{At, EXACT, MOMENT_MAX, Settled, Store, WrongType, integer, ttl};

const SUM: &[u8] = b"s";
const HELD: &[u8] = b"p";

pub(super) struct Seen {
    found: bool,
    used: u64,
    last: u64,
    held: u64,
}

pub(super) fn look(store: &mut Store, at: &At<'_>) -> Result<(i64, Seen), WrongType> {
    let members = store.zrange(at.key)?;
    let score = |name: &[u8]| {
        let of = members.iter().find(|(member, _)| member == name);
        of.map_or(0, |(_, score)| -i128::from(*score))
    };
    let gone = members.iter().filter(|(_, score)| over(at, *score));
    let gone: i128 = gone.map(|(member, _)| i128::from(cost_of(member))).sum();
    let last = members.last().map_or(0, |(_, score)| *score);
    let seen = Seen {
        found: !members.is_empty(),
        used: u64::try_from(score(SUM) - gone).unwrap_or(0),
        last: u64::try_from(last).unwrap_or(0),
        held: u64::try_from(score(HELD)).unwrap_or(0),
    };
    Ok((at.verdict(seen.used, seen.held), seen))
}

impl Seen {
    pub(super) fn settle(
        mut self,
        store: &mut Store,
        at: &At<'_>,
        state: i64,
        charge: u64,
    ) -> Result<Settled, WrongType> {
        let mut time = self.last;
        if charge > 0 {
            time = at.now.max(self.last + 1).min(MOMENT_MAX);
            self.used = (self.used + charge).min(EXACT);
            for (member, score) in store.zrange(at.key)? {
                if over(at, score) {
                    store.zrem(at.key, &member)?;
                }
            }
            store.zadd(at.key, SUM, -self.used.cast_signed())?;
            let member = format!("{time}:{charge}");
            store.zadd(at.key, member.as_bytes(), time.cast_signed())?;
            if at.provisional > 0 {
                store.zadd(at.key, HELD, -at.provisional.cast_signed())?;
            }
            store.pexpire(at.key, ttl(at.left(time + at.window)));
        } else if self.found {
            at.repair(store, at.left(self.last.max(at.now) + at.window));
        }
        let available = at.limit.saturating_sub(self.used);
        let reset = match available {
            0 => wait(store, at, self.used + 1 - at.limit)?,
            _ => at.window,
        };
        let denied = match state {
            0 => wait(store, at, self.used + at.need - at.limit)?,
            _ => 0,
        };
        Ok(Settled {
            available,
            reset,
            retry: at.retry(state, self.held, || denied),
            mark: time,
            leased: 0,
        })
    }
}

pub(super) fn give_back(
    store: &mut Store,
    at: &At<'_>,
    cost: u64,
    mark: u64,
) -> Result<u64, WrongType> {
    if cost == 0 || at.left(mark + at.window) == 0 {
        return Ok(0);
    }
    let members = store.zrange(at.key)?;
    let of_mark =
        |(member, score): &&(Vec<u8>, i64)| *score == mark.cast_signed() && cost_of(member) > 0;
    let Some((member, _)) = members.iter().find(of_mark) else {
        return Ok(0);
    };
    let whole = cost_of(member);
    let give = cost.min(whole);
    let sum = members.iter().find(|(member, _)| member == SUM);
    let used = sum.map_or(0, |(_, score)| -*score) - give.cast_signed();
    store.zadd(at.key, SUM, -used.max(0))?;
    store.zrem(at.key, member)?;
    if whole > give {
        let rest = format!("{mark}:{}", whole - give);
        store.zadd(at.key, rest.as_bytes(), mark.cast_signed())?;
    }
    at.repair(store, at.left(mark + at.window));
    Ok(give)
}

/// Microseconds from now until `units` of what counts have left.
fn wait(store: &mut Store, at: &At<'_>, units: u64) -> Result<u64, WrongType> {
    let members = store.zrange(at.key)?.into_iter();
    let live = members.filter_map(|(member, score)| Some((member, u64::try_from(score).ok()?)));
    let live = live.filter(|(_, time)| at.left(time + at.window) > 0);
    let (mut gone, mut wait) = (0_u128, 0);
    for (member, time) in live.take(usize::try_from(units).unwrap_or(usize::MAX)) {
        gone += u128::from(cost_of(&member));
        wait = at.left(time + at.window);
        if gone >= u128::from(units) {
            break;
        }
    }
    Ok(wait)
}

/// Logged, and no longer counted.
fn over(at: &At<'_>, score: i64) -> bool {
    score > 0 && score <= at.now.cast_signed() - at.window.cast_signed()
}

/// "time:cost"; 0 when it is not ours.
fn cost_of(member: &[u8]) -> u64 {
    let mut parts = member.split(|b| *b == b':');
    let time = parts.next().unwrap_or_default();
    let digits = !time.is_empty() && time.iter().all(u8::is_ascii_digit);
    match (parts.next(), parts.next()) {
        (Some(cost), None) if digits => integer(cost).unwrap_or(0),
        _ => 0,
    }
}

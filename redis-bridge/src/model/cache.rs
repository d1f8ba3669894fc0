//! `cache/*.lua`.

use super::lease::{self, Lease};
use super::{Call, Stop, int, integer};
use crate::core::Value;

/// How long one has a refresh for itself that nobody waits for, microseconds.
const REFRESH_US: u64 = 15_000_000;

pub(super) fn get(call: &mut Call<'_>) -> Result<Value, Stop> {
    let (key, now) = (call.key(0)?, call.now_us);
    let (url, variant, vary, offered) = (call.arg(0)?, call.arg(1)?, call.arg(2)?, call.arg(3)?);
    let (meta, object) = fields(variant);
    let (lease_ms, mut turn_us) = (call.number(4)?, call.number(5)? * 1000);
    let want = call.arg(6)?;
    let mut stored = call.store.hash(key).unwrap_or_default();
    let there = stored.contains_key(&b"u"[..]);
    match stored.get(&b"u"[..]) {
        Some(other) if other != url => return Ok(answer("miss", call, &[Value::Null])),
        Some(_) => {}
        None => {
            call.store.unlink(key);
            stored.clear();
        }
    }
    let list = stored.get(&b"v"[..]);
    if let Some(list) = list.filter(|list| *list != vary) {
        let list = Value::bulk(list.as_slice());
        return Ok(Value::Array(vec![Value::simple("vary"), list]));
    }
    let times = stored.get(&meta).map(|times| Times::parse(times));
    let mut stale = None;
    match (list, times, stored.get(&object)) {
        (_, None, None) => {}
        (Some(_), Some(Some(times)), Some(record)) if now < times.expires => {
            let found = vec![int(times.born), call.now(), Value::bulk(record.as_slice())];
            if now < times.fresh && want != b"refresh" {
                return Ok(Value::Array([vec![Value::simple("hit")], found].concat()));
            }
            stale = Some(found);
        }
        _ => {
            call.store.hdel(key, &meta)?;
            call.store.hdel(key, &object)?;
        }
    }

    if want == b"read" {
        if stale.is_none() {
            return Ok(answer("miss", call, &[Value::Null]));
        }
        turn_us = 0;
    } else if stale.is_some() && turn_us == 0 {
        turn_us = REFRESH_US;
    }
    let mark = stored.get(&lease::mark_of(variant)).and_then(|m| pair(m));
    let mark = mark.filter(|(until, _)| now < *until);
    let known = mark.map(|(until, _)| until - now);
    let held = stored
        .get(&lease::of(variant))
        .and_then(|l| Lease::parse(l));
    let held = held.filter(|lease| now < lease.ends);
    let fresh = held.is_none();
    if fresh && there && !lease::has_room(call, key)? {
        return Ok(answer("miss", call, &[Value::Null]));
    }
    let mut lease = held.unwrap_or_else(|| Lease::granted(offered, now));
    let taken = now < lease.turn && lease.turn - now <= lease::TURN_MAX && lease.id != offered;
    let mut word = "miss";
    if turn_us > 0 && !taken && mark.is_none_or(|(_, renew)| now >= renew) {
        word = "fill";
        lease.turn = now + turn_us;
    } else if turn_us > 0 && taken && mark.is_none() && (stale.is_none() || want == b"wait") {
        if !std::mem::replace(&mut lease.waited, true) {
            call.store.hset(key, &lease::of(variant), lease.text())?;
        }
        repair(call, key, lease_ms);
        let left = int(lease.turn - now);
        return Ok(answer("held", call, &[Value::bulk(lease.id), left]));
    } else if !fresh && (lease.ends - now) * 2 > lease_ms * 1000 {
        repair(call, key, lease_ms);
        return Ok(found(word, stale, lease.id, known, call));
    }
    lease.ends = lease.ends.max(now + lease_ms * 1000);
    call.store.hset(key, b"u", url.to_vec())?;
    call.store.hset(key, &lease::of(variant), lease.text())?;
    call.store.extend(key, lease_ms);
    Ok(found(word, stale, lease.id, known, call))
}

/// What is said of a lease, with what is stored and not fresh, or for how long it is `known` that nobody
/// may store it.
fn found(
    word: &str,
    stale: Option<Vec<Value>>,
    lease: Vec<u8>,
    known: Option<u64>,
    call: &Call<'_>,
) -> Value {
    let Some(found) = stale else {
        let known = known.filter(|_| word == "miss").map(int);
        let rest: Vec<Value> = [Some(Value::bulk(lease)), known]
            .into_iter()
            .flatten()
            .collect();
        return answer(word, call, &rest);
    };
    let rest = vec![Value::bulk(lease), int((word == "fill").into())];
    Value::Array([vec![Value::simple("stale")], found, rest].concat())
}

fn answer(word: &str, call: &Call<'_>, rest: &[Value]) -> Value {
    let mut items = vec![Value::simple(word), call.now()];
    items.extend_from_slice(rest);
    Value::Array(items)
}

/// Gives a key without a TTL one.
fn repair(call: &mut Call<'_>, key: &[u8], ms: u64) {
    if call.store.pttl(key) == Some(None) {
        call.store.extend(key, ms);
    }
}

pub(super) fn pass(call: &mut Call<'_>) -> Result<Value, Stop> {
    let (key, now) = (call.key(0)?, call.now_us);
    let (url, variant, id, ms) = (call.arg(0)?, call.arg(1)?, call.arg(2)?, call.number(3)?);
    let stored = call.store.hash(key)?;
    let lease = stored
        .get(&lease::of(variant))
        .and_then(|l| Lease::parse(l));
    let lease = lease.filter(|lease| lease.id == id && now < lease.ends);
    let Some(mut lease) = lease.filter(|_| stored.get(&b"u"[..]).is_some_and(|u| u == url)) else {
        return Ok(Value::simple("ignored"));
    };
    if ms > 0 {
        let name = lease::mark_of(variant);
        let until = stored.get(&name).and_then(|m| pair(m));
        if until.is_none_or(|(until, _)| until < now + ms * 1000) {
            let mark = format!("{} {}", now + ms * 1000, now + ms * 750);
            call.store.hset(key, &name, mark.into_bytes())?;
            call.store.extend(key, ms);
        }
    }
    lease.turn = 0;
    lease.waited = false;
    call.store.hset(key, &lease::of(variant), lease.text())?;
    Ok(Value::simple("passed"))
}

pub(super) fn put(call: &mut Call<'_>) -> Result<Value, Stop> {
    let (key, now) = (call.key(0)?, call.now_us);
    let (url, field, vary) = (call.arg(0)?, call.arg(1)?, call.arg(2)?);
    let (offered, at, age_us) = (call.arg(3)?, call.number(4)?, call.number(5)? * 1000);
    let (fresh_us, ttl_us) = (call.number(6)? * 1000, call.number(7)? * 1000);
    let (bound, purged, asked) = (call.number(8)?, call.number(9)?, call.arg(11)?);
    let since = if at > 0 { at.min(now) } else { now };
    let refused = Ok(Value::simple("refused"));
    let stored = call.store.hash(key)?;
    let lease = stored.get(&lease::of(asked)).and_then(|l| Lease::parse(l));
    let Some(lease) = lease.filter(|lease| lease.id == offered && now < lease.ends) else {
        return refused;
    };
    if stored.get(&b"u"[..]).is_none_or(|other| other != url) {
        return refused;
    }
    call.store.hdel(key, &lease::of(asked))?;
    if lease.since() <= purged || since + ttl_us <= now {
        return refused;
    }

    let same_vary = stored.get(&b"v"[..]).is_some_and(|list| list == vary);
    let mut variants = Vec::new();
    for name in stored.keys() {
        let other = name.strip_prefix(b"m:").or(name.strip_prefix(b"o:"));
        let Some(other) = other.filter(|other| *other != field) else {
            continue;
        };
        if !same_vary {
            call.store.hdel(key, name)?;
        } else if name.starts_with(b"m:") {
            variants.push(other.to_vec());
        }
    }
    if variants.len() as u64 >= bound {
        let mut live = Vec::new();
        for other in variants {
            let (meta, object) = fields(&other);
            let times = stored.get(&meta).and_then(|times| Times::parse(times));
            match times.filter(|times| now < times.expires) {
                Some(times) => live.push((times.expires, other)),
                None => {
                    call.store.hdel(key, &meta)?;
                    call.store.hdel(key, &object)?;
                }
            }
        }
        live.sort();
        let over = (live.len() as u64 + 1).saturating_sub(bound);
        for (_, other) in live.iter().take(usize::try_from(over).unwrap_or(0)) {
            let (meta, object) = fields(other);
            call.store.hdel(key, &meta)?;
            call.store.hdel(key, &object)?;
        }
    }

    let (meta, object) = fields(field);
    let born = since.saturating_sub(age_us);
    let (fresh, expires) = (since + fresh_us, since + ttl_us);
    let times = format!("{born} {fresh} {expires}");
    call.store.hset(key, b"v", vary.to_vec())?;
    call.store.hset(key, &meta, times.into_bytes())?;
    call.store.hset(key, &object, call.arg(10)?.to_vec())?;
    call.store.hdel(key, &lease::mark_of(asked))?;
    call.store.extend(key, (expires - now).div_ceil(1000));
    Ok(Value::simple("stored"))
}

pub(super) fn invalidate(call: &mut Call<'_>) -> Result<Value, Stop> {
    let key = call.key(0)?;
    let stored = call.store.hash(key).unwrap_or_default();
    let objects = stored.keys().filter(|name| name.starts_with(b"o:")).count();
    call.store.unlink(key);
    Ok(int(objects as u64))
}

pub(super) fn soften(call: &mut Call<'_>) -> Result<Value, Stop> {
    let (key, now) = (call.key(0)?, call.now_us);
    let (mut softened, mut latest) = (0, now);
    for (name, value) in call.store.hash(key).unwrap_or_default() {
        if name.starts_with(b"l:") {
            call.store.hdel(key, &name)?;
        }
        if !name.starts_with(b"m:") {
            continue;
        }
        if let Some(times) = Times::parse(&value).filter(|times| now < times.expires) {
            let (born, fresh, expires) = (times.born, times.fresh.min(now), times.expires);
            let times = format!("{born} {fresh} {expires}");
            call.store.hset(key, &name, times.into_bytes())?;
            softened += 1;
            latest = latest.max(expires);
        }
    }
    if softened > 0 {
        repair(call, key, (latest - now).div_ceil(1000));
    }
    Ok(int(softened))
}

/// Names of a variant's two fields: its times and its record.
fn fields(field: &[u8]) -> (Vec<u8>, Vec<u8>) {
    ([b"m:", field].concat(), [b"o:", field].concat())
}

/// "born_us fresh_until_us expires_us".
struct Times {
    born: u64,
    fresh: u64,
    expires: u64,
}

impl Times {
    fn parse(stored: &[u8]) -> Option<Self> {
        let mut parts = stored.split(|b| *b == b' ');
        let times = Self {
            born: integer(parts.next()?)?,
            fresh: integer(parts.next()?)?,
            expires: integer(parts.next()?)?,
        };
        parts.next().is_none().then_some(times)
    }
}

/// "until_us renew_us".
pub(super) fn pair(meta: &[u8]) -> Option<(u64, u64)> {
    let space = meta.iter().position(|b| *b == b' ')?;
    let (born, expires) = meta.split_at_checked(space)?;
    Some((integer(born)?, integer(expires.get(1..)?)?))
}

//! `cache/*.lua`.

use super::{Call, Stop, int, integer, text};
use crate::core::Value;

/// How long the claim to refresh an object holds, microseconds.
const REFRESH_US: u64 = 15_000_000;

pub(super) fn get(call: &mut Call<'_>) -> Result<Value, Stop> {
    let (key, now) = (call.key(0)?, call.now_us);
    let (url, vary, offered) = (call.arg(0)?, call.arg(2)?, call.arg(3)?);
    let [meta, object, claim] = fields(call.arg(1)?);
    let (lease_ms, want) = (call.number(4)?, call.arg(5)?);
    let mut stored = call.store.hash(key).unwrap_or_default();
    match stored.get(&b"u"[..]) {
        Some(other) if other != url => {
            return Ok(Value::Array(vec![
                Value::simple("miss"),
                call.now(),
                Value::Null,
            ]));
        }
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
            for name in [&meta, &object, &claim] {
                call.store.hdel(key, name)?;
            }
        }
    }
    if stale.is_none() && want == b"read" {
        return Ok(Value::Array(vec![
            Value::simple("miss"),
            call.now(),
            Value::Null,
        ]));
    }
    let held = stored.get(&b"l"[..]).and_then(|lease| Lease::parse(lease));
    let held = held.filter(|lease| lease.id.len() == 32 && now < lease.ends);
    let live = held.is_some();
    let mut lease = held.unwrap_or_else(|| Lease {
        id: offered.to_vec(),
        ends: 0,
        granted: now,
    });
    if live && (lease.ends - now) * 2 > lease_ms * 1000 {
        if call.store.pttl(key) == Some(None) {
            call.store.extend(key, lease_ms);
        }
    } else {
        lease.ends = lease.ends.max(now + lease_ms * 1000);
        call.store.hset(key, b"u", url.to_vec())?;
        call.store.hset(key, b"l", lease.text())?;
        call.store.extend(key, lease_ms);
    }
    let Some(found) = stale else {
        return Ok(Value::Array(vec![
            Value::simple("miss"),
            call.now(),
            Value::bulk(lease.id),
        ]));
    };
    let until = stored.get(&claim).and_then(|until| integer(until));
    let claimed = until.is_none_or(|until| now >= until);
    if claimed {
        call.store.hset(key, &claim, text(now + REFRESH_US))?;
    }
    let rest = vec![Value::bulk(lease.id), int(claimed.into())];
    Ok(Value::Array(
        [vec![Value::simple("stale")], found, rest].concat(),
    ))
}

pub(super) fn put(call: &mut Call<'_>) -> Result<Value, Stop> {
    let (key, now) = (call.key(0)?, call.now_us);
    let (url, field, vary) = (call.arg(0)?, call.arg(1)?, call.arg(2)?);
    let (offered, age) = (call.arg(3)?, call.number(4)?);
    let (fresh_ms, ttl_ms) = (call.number(5)?, call.number(6)?);
    let (bound, purged) = (call.number(7)?, call.number(8)?);
    let refused = Ok(Value::simple("refused"));
    let stored = call.store.hash(key)?;
    let lease = stored.get(&b"l"[..]).and_then(|lease| Lease::parse(lease));
    let Some(lease) = lease.filter(|lease| lease.id == offered && now < lease.ends) else {
        return refused;
    };
    if stored.get(&b"u"[..]).is_none_or(|other| other != url) {
        return refused;
    }
    if lease.granted <= purged {
        call.store.hdel(key, b"l")?;
        return refused;
    }

    let same_vary = stored.get(&b"v"[..]).is_some_and(|list| list == vary);
    let mut variants = Vec::new();
    for name in stored.keys() {
        let prefixes = [b"m:", b"o:", b"r:"];
        let other = prefixes
            .iter()
            .find_map(|prefix| name.strip_prefix(&prefix[..]));
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
            let names = fields(&other);
            let times = stored.get(&names[0]).and_then(|times| Times::parse(times));
            match times.filter(|times| now < times.expires) {
                Some(times) => live.push((times.expires, other)),
                None => {
                    for name in &names {
                        call.store.hdel(key, name)?;
                    }
                }
            }
        }
        live.sort();
        let over = (live.len() as u64 + 1).saturating_sub(bound);
        for (_, other) in live.iter().take(usize::try_from(over).unwrap_or(0)) {
            for name in &fields(other) {
                call.store.hdel(key, name)?;
            }
        }
    }

    let [meta, object, claim] = fields(field);
    let born = now.saturating_sub(age * 1000);
    let (fresh, expires) = (now + fresh_ms * 1000, now + ttl_ms * 1000);
    let times = format!("{born} {fresh} {expires}");
    call.store.hset(key, b"v", vary.to_vec())?;
    call.store.hset(key, &meta, times.into_bytes())?;
    call.store.hset(key, &object, call.arg(9)?.to_vec())?;
    call.store.hdel(key, &claim)?;
    call.store.extend(key, ttl_ms);
    Ok(Value::simple("stored"))
}

pub(super) fn invalidate(call: &mut Call<'_>) -> Result<Value, Stop> {
    let key = call.key(0)?;
    let stored = call.store.hash(key).unwrap_or_default();
    let objects = stored.keys().filter(|name| name.starts_with(b"o:")).count();
    call.store.unlink(key);
    Ok(int(objects as u64))
}

/// "lease expires_us granted_us".
struct Lease {
    id: Vec<u8>,
    ends: u64,
    granted: u64,
}

impl Lease {
    fn parse(stored: &[u8]) -> Option<Self> {
        let mut parts = stored.split(|b| *b == b' ');
        let lease = Self {
            id: parts.next()?.to_vec(),
            ends: integer(parts.next()?)?,
            granted: integer(parts.next()?)?,
        };
        let hex = !lease.id.is_empty() && lease.id.iter().all(u8::is_ascii_hexdigit);
        (hex && parts.next().is_none()).then_some(lease)
    }

    fn text(&self) -> Vec<u8> {
        let mut stored = self.id.clone();
        stored.push(b' ');
        stored.extend(text(self.ends));
        stored.push(b' ');
        stored.extend(text(self.granted));
        stored
    }
}

/// Names of a variant's fields: its times, its record, the claim to refresh it.
fn fields(field: &[u8]) -> [Vec<u8>; 3] {
    [b"m:", b"o:", b"r:"].map(|prefix| [&prefix[..], field].concat())
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

//! `cache/*.lua`.

use super::{Call, Stop, int, integer, text};
use crate::core::Value;

pub(super) fn get(call: &mut Call<'_>) -> Result<Value, Stop> {
    let (key, now) = (call.key(0)?, call.now_us);
    let (url, vary, offered) = (call.arg(0)?, call.arg(2)?, call.arg(3)?);
    let (meta, object) = fields(call.arg(1)?);
    let lease_ms = call.number(4)?;
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
    let times = stored.get(&meta).map(|times| pair(times));
    match (list, times, stored.get(&object)) {
        (_, None, None) => {}
        (Some(_), Some(Some((born, expires))), Some(record)) if now < expires => {
            return Ok(Value::Array(vec![
                Value::simple("hit"),
                int(born),
                call.now(),
                Value::bulk(record.as_slice()),
            ]));
        }
        _ => {
            call.store.hdel(key, &meta)?;
            call.store.hdel(key, &object)?;
        }
    }
    let held = stored.get(&b"l"[..]).and_then(|lease| Lease::parse(lease));
    let held = held.filter(|lease| lease.id.len() == 32 && now < lease.ends);
    if let Some(lease) = held
        .as_ref()
        .filter(|lease| (lease.ends - now) * 2 > lease_ms * 1000)
    {
        if call.store.pttl(key) == Some(None) {
            call.store.extend(key, lease_ms);
        }
        return Ok(Value::Array(vec![
            Value::simple("miss"),
            call.now(),
            Value::bulk(lease.id.as_slice()),
        ]));
    }
    let mut lease = held.unwrap_or_else(|| Lease {
        id: offered.to_vec(),
        ends: 0,
        granted: now,
    });
    lease.ends = lease.ends.max(now + lease_ms * 1000);
    call.store.hset(key, b"u", url.to_vec())?;
    call.store.hset(key, b"l", lease.text())?;
    call.store.extend(key, lease_ms);
    Ok(Value::Array(vec![
        Value::simple("miss"),
        call.now(),
        Value::bulk(lease.id),
    ]))
}

pub(super) fn put(call: &mut Call<'_>) -> Result<Value, Stop> {
    let (key, now) = (call.key(0)?, call.now_us);
    let (url, field, vary) = (call.arg(0)?, call.arg(1)?, call.arg(2)?);
    let (offered, age, ttl_ms) = (call.arg(3)?, call.number(4)?, call.number(5)?);
    let (bound, purged) = (call.number(6)?, call.number(7)?);
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
            let times = stored.get(&meta).and_then(|times| pair(times));
            match times.filter(|(_, expires)| now < *expires) {
                Some((_, expires)) => live.push((expires, other)),
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
    let born = now.saturating_sub(age * 1000);
    let times = format!("{born} {}", now + ttl_ms * 1000);
    call.store.hset(key, b"v", vary.to_vec())?;
    call.store.hset(key, &meta, times.into_bytes())?;
    call.store.hset(key, &object, call.arg(8)?.to_vec())?;
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

/// Names of a variant's two fields: its times and its record.
fn fields(field: &[u8]) -> (Vec<u8>, Vec<u8>) {
    ([b"m:", field].concat(), [b"o:", field].concat())
}

/// "born_us expires_us".
fn pair(meta: &[u8]) -> Option<(u64, u64)> {
    let space = meta.iter().position(|b| *b == b' ')?;
    let (born, expires) = meta.split_at_checked(space)?;
    Some((integer(born)?, integer(expires.get(1..)?)?))
}

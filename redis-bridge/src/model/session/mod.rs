//! `session/*.lua`.

pub(super) mod change;

use super::{Call, Stop, int, integer, text};
use crate::core::Value;

const KEEP_MS: u64 = 3_600_000;

/// A session that is valid now: `live` of `session/live.lua`.
struct Live {
    value: Vec<u8>,
    epoch: Vec<u8>,
    deadline: u64,
    version: u64,
    successor: Option<Vec<u8>>,
}

fn live(call: &mut Call<'_>, key: &[u8], epoch_key: &[u8]) -> Result<Option<Live>, Stop> {
    let mut stored = call.store.hash(key)?;
    if stored.is_empty() {
        return Ok(None);
    }
    let version = stored.remove(&b"n"[..]);
    let version = version.map_or(Some(1), |version| integer(&version));
    let successor = stored.remove(&b"s"[..]);
    let mut field = |name: &[u8]| stored.remove(name).ok_or(Stop::Shape);
    let session = Live {
        value: field(b"v")?,
        epoch: field(b"e")?,
        deadline: integer(&field(b"d")?).ok_or(Stop::Shape)?,
        version: version.ok_or(Stop::Shape)?,
        successor,
    };
    integer(&session.epoch).ok_or(Stop::Shape)?;
    let current = call.store.get(epoch_key)?.ok_or(Stop::Shape)?;
    integer(&current).ok_or(Stop::Shape)?;
    let valid = current == session.epoch && call.now_us < session.deadline;
    Ok(valid.then_some(session))
}

/// `finish` of `session/live.lua`. An index of another type hinders no revocation.
fn finish(call: &mut Call<'_>, prefix: &[u8], member: &[u8], index: &[u8]) -> u64 {
    let key = [prefix, member].concat();
    let fields = call.store.hash(&key).unwrap_or_default();
    for twin in [&b"p"[..], b"m"]
        .iter()
        .filter_map(|name| fields.get(*name))
    {
        call.store.unlink(&[prefix, twin].concat());
        let _ = call.store.zrem(index, twin);
    }
    let removed = call.store.unlink(&key);
    let _ = call.store.zrem(index, member);
    removed
}

fn absent(call: &Call<'_>) -> Value {
    Value::Array(vec![Value::simple("absent"), call.now()])
}

pub(super) fn get(call: &mut Call<'_>) -> Result<Value, Stop> {
    let (key, epoch_key, now) = (call.key(0)?, call.key(1)?, call.now_us);
    let (idle, touch) = (call.number(0)?, call.arg(1)?);
    let Some(session) = live(call, key, epoch_key)? else {
        call.store.unlink(key);
        return Ok(absent(call));
    };
    let target = idle.min((session.deadline - now) / 1000);
    match call.store.pttl(key).flatten() {
        None => call.store.pexpire(key, target.max(1)),
        Some(left) => {
            let due = match touch {
                b"always" => true,
                b"threshold" => left * 4 < idle * 3,
                _ => false,
            };
            if due && left < target {
                call.store.pexpire(key, target);
            }
        }
    }
    Ok(Value::Array(vec![
        Value::simple("valid"),
        Value::bulk(session.value),
        int(session.version),
        int(session.deadline),
        call.now(),
    ]))
}

pub(super) fn create(call: &mut Call<'_>) -> Result<Value, Stop> {
    let (key, epoch_key, index) = (call.key(0)?, call.key(1)?, call.key(2)?);
    let (idle, absolute, cap) = (call.number(1)?, call.number(2)?, call.number(3)?);
    let (own, prefix) = (call.arg(4)?, call.arg(5)?);
    let now = call.now_us;
    if call.store.exists(key) {
        return again(call, key, epoch_key);
    }
    let keep = absolute + KEEP_MS;
    let stored = call.store.get(epoch_key)?;
    let epoch = match stored.filter(|epoch| integer(epoch).is_some()) {
        Some(epoch) => epoch,
        None => {
            call.store.set(epoch_key, text(now), keep);
            text(now)
        }
    };
    let deadline = now + absolute * 1000;
    call.store.zadd(index, own, deadline.cast_signed())?;
    call.store.hset(key, b"v", call.arg(0)?.to_vec())?;
    call.store.hset(key, b"e", epoch)?;
    call.store.hset(key, b"d", text(deadline))?;
    call.store.hset(key, b"c", text(now))?;
    call.store.pexpire(key, idle.min(absolute));
    call.store.extend(epoch_key, keep);
    call.store.extend(index, keep);

    let members = call.store.zrange(index)?;
    if members.len() as u64 > cap {
        let mut live = Vec::new();
        for (member, _) in members {
            if call.store.exists(&[prefix, &member].concat()) {
                live.push(member);
            } else {
                call.store.zrem(index, &member)?;
            }
        }
        let over = (live.len() as u64).saturating_sub(cap);
        let others = live.iter().filter(|member| *member != own);
        for member in others.take(usize::try_from(over).unwrap_or(0)) {
            finish(call, prefix, member, index);
        }
    }
    Ok(Value::Array(vec![
        Value::simple("created"),
        int(deadline),
        call.now(),
    ]))
}

/// The session that is there is the one that was asked for, or it is in the way.
fn again(call: &mut Call<'_>, key: &[u8], epoch_key: &[u8]) -> Result<Value, Stop> {
    let stored = call.store.hash(key)?;
    let field = |name: &[u8]| stored.get(name);
    let alike = field(b"v").is_some_and(|value| value == call.arg(0).unwrap_or_default());
    let same = match field(b"e").filter(|_| alike) {
        Some(epoch) => call.store.get(epoch_key)?.as_ref() == Some(epoch),
        None => false,
    };
    let deadline = field(b"d").and_then(|deadline| integer(deadline));
    Ok(match deadline.filter(|deadline| call.now_us < *deadline) {
        Some(deadline) if same => {
            Value::Array(vec![Value::simple("created"), int(deadline), call.now()])
        }
        _ => Value::Array(vec![Value::simple("exists"), call.now()]),
    })
}

pub(super) fn list(call: &mut Call<'_>) -> Result<Value, Stop> {
    let mut answer = Vec::new();
    let Some(epoch) = call.store.get(call.key(0)?)? else {
        return Ok(Value::Array(answer));
    };
    for (member, _) in call.store.zrange(call.key(1)?)?.into_iter().take(100) {
        let key = [call.arg(0)?, &member].concat();
        let stored = call.store.hash(&key)?;
        let number = |name: &[u8]| stored.get(name).and_then(|text| integer(text));
        let (Some(deadline), Some(created)) = (number(b"d"), number(b"c")) else {
            continue;
        };
        if stored.get(&b"e"[..]) == Some(&epoch) && call.now_us < deadline {
            let left = call.store.pttl(&key).flatten().unwrap_or(0);
            answer.push(Value::Array(vec![
                Value::bulk(member),
                int(created),
                int(deadline),
                int(left),
            ]));
        }
    }
    Ok(Value::Array(answer))
}

pub(super) fn revoke(call: &mut Call<'_>) -> Result<Value, Stop> {
    let (index, member, prefix) = (call.key(1)?, call.arg(0)?, call.arg(1)?);
    let removed = finish(call, prefix, member, index);
    Ok(Value::Array(vec![int(removed), call.now()]))
}

pub(super) fn revoke_user(call: &mut Call<'_>) -> Result<Value, Stop> {
    let (epoch_key, index, prefix) = (call.key(0)?, call.key(1)?, call.arg(0)?);
    let least = call.number(1)?;
    let epoch = call.store.get(epoch_key).ok().flatten();
    let epoch = epoch.and_then(|epoch| integer(&epoch)).unwrap_or(0);
    if least > 0 && epoch >= least {
        return Ok(Value::Array(vec![int(0), int(epoch), call.now()]));
    }
    let left = call.store.pttl(epoch_key).flatten().unwrap_or(0);
    let bumped = (epoch + 1).max(call.now_us).max(least);
    call.store.set(epoch_key, text(bumped), left.max(KEEP_MS));
    let mut removed = 0;
    for (member, _) in call.store.zrange(index).unwrap_or_default() {
        removed += call.store.unlink(&[prefix, &member].concat());
    }
    call.store.unlink(index);
    Ok(Value::Array(vec![int(removed), int(bumped), call.now()]))
}

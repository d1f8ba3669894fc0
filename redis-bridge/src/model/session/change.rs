//! Scripts that change a session that lives: `session/{read,update,rotate,end_others}.lua`.

use super::{Call, KEEP_MS, Live, Stop, absent, finish, int, live, text};
use crate::core::Value;

pub(in super::super) fn read(call: &mut Call<'_>) -> Result<Value, Stop> {
    let (key, epoch_key) = (call.key(0)?, call.key(1)?);
    Ok(match live(call, key, epoch_key)? {
        None => absent(call),
        Some(Live {
            successor: Some(next),
            ..
        }) => replaced(call, next),
        Some(session) => Value::Array(vec![
            Value::simple("held"),
            Value::bulk(session.value),
            int(session.version),
            int(session.deadline),
            call.now(),
        ]),
    })
}

pub(in super::super) fn update(call: &mut Call<'_>) -> Result<Value, Stop> {
    let (key, epoch_key, based_on) = (call.key(0)?, call.key(1)?, call.number(0)?);
    let Some(session) = live(call, key, epoch_key)? else {
        return Ok(absent(call));
    };
    if let Some(next) = session.successor {
        return Ok(replaced(call, next));
    }
    if session.version != based_on {
        return Ok(numbered(call, "conflict", session.version));
    }
    let version = session.version + 1;
    call.store.hset(key, b"v", call.arg(1)?.to_vec())?;
    call.store.hset(key, b"n", text(version))?;
    Ok(numbered(call, "updated", version))
}

pub(in super::super) fn rotate(call: &mut Call<'_>) -> Result<Value, Stop> {
    let (key, epoch_key, index, next_key) =
        (call.key(0)?, call.key(1)?, call.key(2)?, call.key(3)?);
    let (based_on, idle, grace) = (call.number(0)?, call.number(4)?, call.number(5)?);
    let (old, own, prefix) = (call.arg(6)?, call.arg(7)?, call.arg(8)?);
    let now = call.now_us;
    let Some(session) = live(call, key, epoch_key)? else {
        return Ok(absent(call));
    };
    let rest = (session.deadline - now) / 1000;
    if rest < 1 {
        return Ok(absent(call));
    }
    if let Some(next) = session.successor {
        return Ok(replaced(call, next));
    }
    if session.version != based_on {
        return Ok(numbered(call, "conflict", session.version));
    }
    if call.store.exists(next_key) {
        return Ok(Value::Array(vec![Value::simple("exists"), call.now()]));
    }
    let more = call.store.hash(key)?;
    let created = more.get(&b"c"[..]).cloned().unwrap_or_else(|| text(now));
    (call.store).zadd(index, own, session.deadline.cast_signed())?;
    call.store.zrem(index, old)?;
    call.store.hset(next_key, b"v", call.arg(2)?.to_vec())?;
    call.store.hset(next_key, b"e", session.epoch)?;
    (call.store).hset(next_key, b"d", text(session.deadline))?;
    call.store.hset(next_key, b"c", created)?;
    call.store.hset(next_key, b"n", call.arg(1)?.to_vec())?;
    if let Some(predecessor) = more.get(&b"p"[..]) {
        call.store.unlink(&[prefix, predecessor].concat());
        call.store.hdel(key, b"p")?;
    }
    if grace == 0 {
        call.store.unlink(key);
    } else {
        let left = call.store.pttl(key).flatten();
        let short = grace.min(rest);
        let until = session.deadline.min(now + grace * 1000);
        call.store.hset(next_key, b"p", old.to_vec())?;
        call.store.hset(key, b"s", call.arg(3)?.to_vec())?;
        call.store.hset(key, b"m", own.to_vec())?;
        call.store.hset(key, b"d", text(until))?;
        if left.is_none_or(|left| left > short) {
            call.store.pexpire(key, short);
        }
    }
    call.store.pexpire(next_key, idle.min(rest));
    call.store.extend(epoch_key, rest + KEEP_MS);
    call.store.extend(index, rest + KEEP_MS);
    Ok(numbered(call, "rotated", session.deadline))
}

pub(in super::super) fn end_others(call: &mut Call<'_>) -> Result<Value, Stop> {
    let (key, epoch_key, index) = (call.key(0)?, call.key(1)?, call.key(2)?);
    let (own, prefix) = (call.arg(0)?, call.arg(1)?);
    let now = call.now_us;
    let Some(session) = live(call, key, epoch_key)? else {
        return Ok(absent(call));
    };
    let rest = (session.deadline - now).div_ceil(1000);
    let fields = call.store.hash(key)?;
    let twins = [&b"p"[..], b"m"];
    let twins: Vec<_> = twins.iter().filter_map(|name| fields.get(*name)).collect();
    let epoch = super::integer(&session.epoch).ok_or(Stop::Shape)?;
    let later = (epoch + 1).max(now);
    let bumped = text(later);
    let left = call.store.pttl(epoch_key).flatten().unwrap_or(0);
    for twin in &twins {
        let twin = [prefix, twin].concat();
        if call.store.hash(&twin)?.get(&b"e"[..]) == Some(&session.epoch) {
            call.store.hset(&twin, b"e", bumped.clone())?;
        }
    }
    call.store.hset(key, b"e", bumped.clone())?;
    (call.store).set(epoch_key, bumped, left.max(rest + KEEP_MS));
    let mut ended = 0;
    for (member, _) in call.store.zrange(index).unwrap_or_default() {
        if member != own && !twins.contains(&&member) {
            ended += finish(call, prefix, &member, index);
        }
    }
    Ok(Value::Array(vec![
        Value::simple("ended"),
        int(ended),
        int(later),
        Value::bulk(session.value),
        int(session.version),
        call.now(),
    ]))
}

fn replaced(call: &Call<'_>, next: Vec<u8>) -> Value {
    Value::Array(vec![
        Value::simple("replaced"),
        Value::bulk(next),
        call.now(),
    ])
}

fn numbered(call: &Call<'_>, word: &str, number: u64) -> Value {
    Value::Array(vec![Value::simple(word), int(number), call.now()])
}

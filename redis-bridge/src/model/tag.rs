//! `tag/*.lua`.

use super::{Call, Stop, int, integer, text};
use crate::core::Value;

const SLACK_MS: u64 = 60_000;

pub(super) fn add(call: &mut Call<'_>) -> Result<Value, Stop> {
    let (index, member) = (call.key(0)?, call.arg(0)?);
    let (ttl_ms, now) = (call.number(1)?, call.now_us);
    for (gone, score) in call.store.zrange(index)? {
        if score <= now.cast_signed() {
            call.store.zrem(index, &gone)?;
        }
    }
    let members = call.store.zrange(index)?;
    let old = members.iter().find(|(name, _)| name == member);
    let score = (now + (ttl_ms + SLACK_MS) * 1000).cast_signed();
    let score = old.map_or(score, |(_, old)| score.max(old + 1));
    call.store.zadd(index, member, score)?;
    call.store.extend(index, ttl_ms + 2 * SLACK_MS);
    let purged = call.store.get(call.key(1)?)?;
    Ok(int(purged.and_then(|at| integer(&at)).unwrap_or(0)))
}

pub(super) fn take(call: &mut Call<'_>) -> Result<Value, Stop> {
    let (index, purged_key) = (call.key(0)?, call.key(1)?);
    let (most, keep_ms) = (call.number(0)?, call.number(1)?);
    note_purge(call, purged_key, keep_ms)?;
    let (done, _) = call.args.get(2..).unwrap_or_default().as_chunks::<2>();
    for [member, score] in done {
        let members = call.store.zrange(index)?;
        let same = |(name, at): &(Vec<u8>, i64)| name == member && score_text(*at) == *score;
        if members.iter().any(same) {
            call.store.zrem(index, member)?;
        }
    }
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let members = call.store.zrange(index)?.into_iter().take(most);
    let flat =
        members.flat_map(|(member, score)| [Value::bulk(member), Value::bulk(score_text(score))]);
    Ok(Value::Array(flat.collect()))
}

pub(super) fn scan(call: &mut Call<'_>) -> Result<Value, Stop> {
    let (index, purged_key) = (call.key(0)?, call.key(1)?);
    let keep_ms = call.number(2)?;
    note_purge(call, purged_key, keep_ms)?;
    // All at once, as Redis does of a small one.
    let members = call.store.zrange(index)?.into_iter();
    let members = members.map(|(member, _)| Value::bulk(member)).collect();
    Ok(Value::Array(vec![Value::bulk("0"), Value::Array(members)]))
}

/// The time of a purge, which never goes back; 0: none begins.
fn note_purge(call: &mut Call<'_>, key: &[u8], keep_ms: u64) -> Result<(), Stop> {
    if keep_ms > 0 {
        let purged = call.store.get(key)?;
        let purged = purged.and_then(|at| integer(&at)).unwrap_or(0);
        let purged = purged.max(call.now_us);
        call.store.set(key, text(purged), keep_ms);
    }
    Ok(())
}

fn score_text(score: i64) -> Vec<u8> {
    score.to_string().into_bytes()
}

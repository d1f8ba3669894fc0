//! `fleet/*.lua`, but for what is published.

use super::{Call, Stop, int, integer, text};
use crate::core::Value;

pub(super) fn tell(call: &mut Call<'_>) -> Result<Value, Stop> {
    let (key, life_ms) = (call.key(0)?, call.number(2)?);
    let last = call.store.get(key).ok().flatten();
    let n = last.and_then(|last| integer(&last)).unwrap_or(0) + 1;
    call.store.set(key, text(n), life_ms);
    Ok(int(n))
}

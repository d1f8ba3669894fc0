//! `limit/override.lua`.

use super::{At, Burst, EXACT, REFILL_MAX, WrongType, integer};

/// Puts a key's own limit in place; what the answer says of it: the limit, 0 without one, -1 when it
/// means nothing.
pub(super) fn apply(
    stored: Result<Option<Vec<u8>>, WrongType>,
    algorithm: &[u8],
    at: &mut At<'_>,
) -> i64 {
    let value = match stored {
        Ok(None) => return 0,
        Ok(Some(value)) => value,
        Err(WrongType) => return -1,
    };
    let Some((limit, burst)) = parse(&value, algorithm) else {
        return -1;
    };
    let refill = at
        .window
        .div_ceil(limit)
        .saturating_mul(burst.unwrap_or(at.burst()));
    // 2^53 + 1 reads as 2^53 in Lua.
    if limit == EXACT {
        return -1;
    }
    let fits = match algorithm {
        b"leaky_bucket" => limit <= at.window,
        b"sliding_window_log" => limit <= 10_000,
        b"token_bucket" => limit <= at.window && refill <= REFILL_MAX,
        _ => true,
    };
    if !fits {
        return -1;
    }
    at.limit = limit;
    if let Some(burst) = burst {
        at.burst = Burst::Number(burst);
    }
    limit.cast_signed()
}

fn parse(value: &[u8], algorithm: &[u8]) -> Option<(u64, Option<u64>)> {
    let positive = |text: &[u8]| integer(text).filter(|n| *n > 0);
    if let Some(limit) = positive(value) {
        return Some((limit, None));
    }
    const BURST: &[u8] = b" burst=";
    let cut = value.windows(BURST.len()).position(|part| part == BURST)?;
    let (limit, burst) = value.split_at(cut);
    let burst = positive(burst.get(BURST.len()..)?)?;
    (algorithm == b"token_bucket").then_some((positive(limit)?, Some(burst)))
}

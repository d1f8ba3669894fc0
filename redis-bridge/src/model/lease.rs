//! `cache/lease.lua`.

use super::cache::pair;
use super::{Call, Stop, integer, text};

/// No turn is longer, microseconds.
pub(super) const TURN_MAX: u64 = 30_000_000;
/// Fields of a URL, about; more make room or get no lease.
const FIELDS_MAX: usize = 400;

/// A variant's fill lease.
pub(super) struct Lease {
    pub(super) id: Vec<u8>,
    pub(super) ends: u64,
    granted_us: u64,
    pub(super) turn: u64,
    pub(super) waited: bool,
}

impl Lease {
    /// One that has not begun.
    pub(super) fn granted(id: &[u8], now: u64) -> Self {
        Self {
            id: id.to_vec(),
            ends: 0,
            granted_us: now,
            turn: 0,
            waited: false,
        }
    }

    pub(super) fn parse(stored: &[u8]) -> Option<Self> {
        let parts: Vec<&[u8]> = stored.split(|b| *b == b' ').collect();
        let [id, ends, granted, turn, waited] = parts.as_slice() else {
            return None;
        };
        let hex = id.len() == 32 && id.iter().all(u8::is_ascii_hexdigit);
        Some(Self {
            id: hex.then(|| id.to_vec())?,
            ends: integer(ends)?,
            granted_us: integer(granted)?,
            turn: integer(turn)?,
            waited: match *waited {
                b"0" => false,
                b"1" => true,
                _ => return None,
            },
        })
    }

    /// When it was granted, microseconds.
    pub(super) fn since(&self) -> u64 {
        self.granted_us
    }

    pub(super) fn text(&self) -> Vec<u8> {
        let times = [self.ends, self.granted_us, self.turn].map(text);
        let waited: &[u8] = if self.waited { b"1" } else { b"0" };
        let [ends, granted, turn] = &times;
        [&self.id[..], ends, granted, turn, waited].join(&b' ')
    }
}

/// The field of a variant's lease.
pub(super) fn of(variant: &[u8]) -> Vec<u8> {
    [b"l:", variant].concat()
}

/// The field that says that nobody may store a variant.
pub(super) fn mark_of(variant: &[u8]) -> Vec<u8> {
    [b"p:", variant].concat()
}

/// `has_room`.
pub(super) fn has_room(call: &mut Call<'_>, key: &[u8]) -> Result<bool, Stop> {
    let now = call.now_us;
    let stored = call.store.hash(key)?;
    if stored.len() < FIELDS_MAX {
        return Ok(true);
    }
    let mut removed = false;
    for (name, value) in &stored {
        let ends = match name.get(..2) {
            Some(b"l:") => Lease::parse(value).map(|lease| lease.ends),
            Some(b"p:") => pair(value).map(|(until, _)| until),
            _ => continue,
        };
        if ends.is_none_or(|ends| now >= ends) {
            call.store.hdel(key, name)?;
            removed = true;
        }
    }
    Ok(removed)
}

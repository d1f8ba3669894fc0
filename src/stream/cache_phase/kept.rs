//! A stored answer that is kept in memory while the origin is asked: it is validated, or stands in for a
//! failure.

use crate::cache::Record;
use crate::cache::clock::RedisClock;
use crate::cache::reuse::Age;
use core::cell::Cell;
use core::time::Duration;
use std::rc::Rc;

/// Bytes that are kept in one VM at once, at most. Beyond, the origin is asked as if nothing were stored.
const MAX_BYTES: usize = 16 << 20;

/// Counts what is kept in a VM.
#[derive(Debug, Default)]
pub struct KeptBytes(Rc<Cell<usize>>);

/// One record.
#[derive(Debug)]
pub(in crate::stream) struct Kept {
    bytes: Vec<u8>,
    /// When it was stored, by Redis' clock, microseconds since the epoch.
    born_us: u64,
    /// The same clock, as of when it was found.
    clock: RedisClock,
    total: Rc<Cell<usize>>,
}

impl KeptBytes {
    /// Keeps a record that was stored at `born_us` of Redis' clock; `None`: there is no room.
    pub(super) fn keep(&self, bytes: &[u8], born_us: u64, clock: RedisClock) -> Option<Kept> {
        let total = self.0.get().saturating_add(bytes.len());
        if total > MAX_BYTES {
            return None;
        }
        self.0.set(total);
        Some(Kept {
            bytes: bytes.to_vec(),
            born_us,
            clock,
            total: Rc::clone(&self.0),
        })
    }
}

impl Kept {
    /// The record; it was one when it was kept.
    pub(super) fn record(&self) -> Option<Record<'_>> {
        Record::decode(&self.bytes).ok()
    }

    /// How old it is now.
    pub(super) fn age(&self, record: &Record<'_>, now: Duration) -> Age {
        Age::of(record, self.born_us, self.clock.now_us(now))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let total = self.total.get().saturating_sub(self.bytes.len());
        self.total.set(total);
    }
}

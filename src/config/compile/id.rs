//! What makes a limit's counters its own.

use super::key;
use crate::policy::Limit;
use sha2::{Digest as _, Sha256};

/// First 8 bytes of the SHA-256 over everything that changes the meaning of a counter, each field
/// preceded by its length in 4 bytes: name, algorithm, limit, window in microseconds, burst, calendar, key parts.
/// Numbers are decimal. So a changed limit starts fresh state, and one that is not keeps it
/// (specs/limits.md, invariant 13; invariant R16).
pub(super) fn of(limit: &Limit) -> [u8; 8] {
    let mut hash = Sha256::new();
    let mut field = |text: &str| {
        // Texts are bounded by the size of a configuration, far below 2^32.
        let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
        hash.update(len.to_be_bytes());
        hash.update(text.as_bytes());
    };
    field(&limit.name);
    field(limit.algorithm.name());
    field(&limit.limit.to_string());
    field(&limit.window_us.to_string());
    field(&limit.burst.to_string());
    if let Some(calendar) = &limit.calendar {
        field(&calendar.to_wire());
    }
    for part in &limit.key {
        field(&key::canonical(part));
    }
    let digest = hash.finalize();
    let mut id = [0; 8];
    for (to, from) in id.iter_mut().zip(digest) {
        *to = from;
    }
    id
}

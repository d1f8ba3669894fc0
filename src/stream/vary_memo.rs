//! Which Vary list a URL's stored answers were made with.
//!
//! The variant a request selects depends on the stored answer's Vary (RFC 9111, 4.1), which is known
//! only after the look-up. So the look-up guesses: what this worker saw last, else none. A wrong guess
//! is told by the bridge and costs one more exchange, once per URL and worker.

use crate::cache::Vary;
use hashbrown::HashMap;

/// URLs remembered, at most; the table starts anew beyond that.
const CAPACITY: usize = 4_096;

/// Hash of a URL to the Vary list last seen. URLs without Vary need no entry.
#[derive(Debug, Default)]
pub struct VaryMemo(HashMap<u64, Vary>);

impl VaryMemo {
    /// Remembers nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The list to guess.
    pub(super) fn guess(&self, url: &[u8]) -> Vary {
        self.0.get(&hash(url)).cloned().unwrap_or_default()
    }

    /// The list that was right.
    pub(super) fn learn(&mut self, url: &[u8], vary: &Vary) {
        if vary.names().len() == 0 {
            self.0.remove(&hash(url));
            return;
        }
        if self.0.len() >= CAPACITY {
            self.0.clear();
        }
        self.0.insert(hash(url), vary.clone());
    }
}

/// FNV-1a. Two URLs that share a hash share a guess, which costs an exchange and nothing else.
fn hash(url: &[u8]) -> u64 {
    url.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

//! What happened: a hash over everything, a hash over verdicts only, and the last lines for people.

use std::collections::VecDeque;

const KEPT: usize = 60;
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// FNV-1a, 64 bits: two runs of one seed must agree, nobody attacks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hash(pub u64);

impl Default for Hash {
    fn default() -> Self {
        Self(FNV_OFFSET)
    }
}

impl Hash {
    /// Adds bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(FNV_PRIME);
        }
    }

    /// Adds a number.
    pub fn number(&mut self, n: u64) {
        self.add(&n.to_le_bytes());
    }
}

/// The record of a run.
#[derive(Debug, Default)]
pub struct Trace {
    /// Over every line with its time.
    pub all: Hash,
    /// Over requests and how they ended, without times.
    pub verdicts: Hash,
    last: VecDeque<String>,
}

impl Trace {
    /// Notes a line at a time in nanoseconds.
    pub fn line(&mut self, now: u64, text: String) {
        self.all.number(now);
        self.all.add(text.as_bytes());
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        let (ms, us) = (now / 1_000_000, now / 1000 % 1000);
        self.last.push_back(format!("{ms:>7}.{us:03} {text}"));
    }

    /// Notes how a request ended.
    pub fn verdict(&mut self, request: usize, text: &str) {
        self.verdicts.number(request as u64);
        self.verdicts.add(text.as_bytes());
    }

    /// The last lines, oldest first.
    pub fn into_last(self) -> Vec<String> {
        self.last.into()
    }
}

//! The one source of randomness of a run.

use tidegate::exchange::SplitMix64;

/// A millisecond in nanoseconds.
pub const MS: u64 = 1_000_000;

/// A seeded generator with the few distributions the simulation draws from.
#[derive(Debug, Clone)]
pub struct Rng(SplitMix64);

impl Rng {
    /// A generator with this seed.
    pub fn new(seed: u64) -> Self {
        let mut mixed = SplitMix64::new(seed ^ 0x7469_6465_6761_7465);
        Self(SplitMix64::new(mixed.next_u64()))
    }

    /// Any number.
    pub fn word(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in `low..=high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.0.below(high.saturating_sub(low) + 1)
    }

    /// True in `permille` of 1000 cases.
    pub fn chance(&mut self, permille: u64) -> bool {
        self.0.below(1000) < permille
    }

    /// An index below `len`.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.0.below(len as u64)).unwrap_or(0)
    }

    /// A latency in nanoseconds: mostly near `typical`, with a tail of up to `tail` in `permille` cases.
    pub fn latency(&mut self, typical: u64, tail: u64, permille: u64) -> u64 {
        if self.chance(permille) {
            return self.between(typical, tail.max(typical));
        }
        self.between(typical / 2, typical * 3 / 2)
    }

    /// Random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            *byte = self.word().to_le_bytes()[0];
        }
        bytes
    }
}

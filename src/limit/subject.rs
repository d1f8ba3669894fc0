//! Whom a limit counts: the values of its key parts, hashed.
//!
//! Each part is preceded by its length, so ("a_b", "c") and ("a", "b_c") never share a counter, and a
//! client's bytes never become Redis key syntax. The subject is also the Redis Cluster hash tag: limits
//! with equal key values live on one shard and are taken by one script.

use sha2::{Digest as _, Sha256};

const LABEL: &[u8; 19] = b"tidegate subject 1\0";

/// Hash of `parts`, in order: SHA-256 over a label and each part after its length (u32, little endian),
/// cut to 128 bits.
pub fn subject(parts: &[&[u8]]) -> [u8; 16] {
    parts
        .iter()
        .fold(Subject::new(), |subject, part| subject.part(part))
        .finish()
}

/// The same, part by part.
#[derive(Debug, Clone)]
pub struct Subject(Sha256);

impl Subject {
    /// No part yet.
    pub fn new() -> Self {
        Self(Sha256::new().chain_update(LABEL))
    }

    /// Adds a part. A part is shorter than 4 GiB: headers are.
    #[must_use]
    pub fn part(self, bytes: &[u8]) -> Self {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Self(
            self.0
                .chain_update(length.to_le_bytes())
                .chain_update(bytes),
        )
    }

    /// The hash.
    pub fn finish(self) -> [u8; 16] {
        let digest: [u8; 32] = self.0.finalize().into();
        digest.first_chunk().copied().unwrap_or_default()
    }
}

impl Default for Subject {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;

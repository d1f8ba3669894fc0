//! Names of Redis keys. Every part that comes from a client is a hash of fixed length, and the hash tag
//! (in braces) is the subject, so a Cluster spreads load and no byte of a client steers a slot.

use tidegate::cache::l1;
use tidegate::wire::op::Take;

/// Makes key names of one namespace.
#[derive(Debug, Clone)]
pub struct Keys {
    namespace: String,
}

impl Keys {
    /// Keys that start with `namespace:`.
    pub fn new(namespace: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
        }
    }

    /// Objects and lease of a URL: `ns:c:{sha256(url)[..16]}`.
    pub fn cached(&self, url: &[u8]) -> Vec<u8> {
        self.cached_hash(&hash16(url))
    }

    /// The same, from the hex of the URL's hash, as a tag's index holds it.
    pub fn cached_hash(&self, hash: &[u8]) -> Vec<u8> {
        self.tagged("c", hash, b"")
    }

    /// A user's epoch: `ns:u:{user}`.
    pub fn epoch(&self, user: &[u8; 12]) -> Vec<u8> {
        self.tagged("u", &hex(user), b"")
    }

    /// A user's sessions: `ns:u:{user}:i`.
    pub fn index(&self, user: &[u8; 12]) -> Vec<u8> {
        self.tagged("u", &hex(user), b":i")
    }

    /// A limit of a subject: `ns:l:{subject}:id`.
    pub fn limit(&self, subject: &[u8; 16], id: &[u8; 8]) -> Vec<u8> {
        let mut suffix = vec![b':'];
        suffix.extend(hex(id));
        self.tagged("l", &hex(subject), &suffix)
    }

    /// What makes giving back happen once: `ns:l:{subject}:r:mark`.
    pub fn limit_return(&self, subject: &[u8; 16], mark: &[u8]) -> Vec<u8> {
        let mut suffix = b":r:".to_vec();
        suffix.extend(hash16(mark));
        self.tagged("l", &hex(subject), &suffix)
    }

    /// A subject's own limit: `ns:o:name:{subject}`.
    pub fn overridden(&self, name: &[u8], subject: &[u8; 16]) -> Vec<u8> {
        let mut key = self.namespace.as_bytes().to_vec();
        key.extend(b":o:");
        key.extend(name);
        key.extend(b":{");
        key.extend(hex(subject));
        key.push(b'}');
        key
    }

    /// Where it is told that what is remembered of a subject's limits no longer holds:
    /// `ns:limit:forget:subject`.
    pub fn forget(&self, subject: &[u8; 16]) -> Vec<u8> {
        let mut channel = self.forget_channel();
        channel.extend(hex(subject));
        channel
    }

    /// What all such channels start with: `ns:limit:forget:`.
    pub fn forget_channel(&self) -> Vec<u8> {
        format!("{}:limit:forget:", self.namespace).into_bytes()
    }

    /// Where those who are held for a URL's fill are told to look again: `ns:fleet:filled:hash`.
    pub fn filled(&self, url: &[u8]) -> Vec<u8> {
        self.filled_hash(&hash16(url))
    }

    /// The same, from the hex of the URL's hash.
    pub fn filled_hash(&self, hash: &[u8]) -> Vec<u8> {
        let mut channel = self.fleet_channel();
        channel.extend(b"filled:");
        channel.extend(hash);
        channel
    }

    /// The number of what bridges told each other last: `ns:f:{0}`, one for all.
    pub fn fleet_number(&self) -> Vec<u8> {
        self.tagged("f", b"0", b"")
    }

    /// Where they tell it: `ns:fleet:told`.
    pub fn fleet_told(&self) -> Vec<u8> {
        let mut channel = self.fleet_channel();
        channel.extend(b"told");
        channel
    }

    /// What the channels start with by which bridges tell each other something: `ns:fleet:`.
    pub fn fleet_channel(&self) -> Vec<u8> {
        format!("{}:fleet:", self.namespace).into_bytes()
    }

    /// A session: `ns:s:{user}:sha256(secret)[..15]`.
    pub fn session(&self, user: &[u8; 12], hash: &[u8; 15]) -> Vec<u8> {
        let mut key = self.session_prefix(user);
        key.extend(hex(hash));
        key
    }

    /// What all sessions of a user start with: `ns:s:{user}:`.
    pub fn session_prefix(&self, user: &[u8; 12]) -> Vec<u8> {
        self.tagged("s", &hex(user), b":")
    }

    /// URLs of a tag: `ns:t:{sha256(tag)[..16]}`.
    pub fn tag(&self, tag: &[u8]) -> Vec<u8> {
        self.tagged("t", &hash16(tag), b"")
    }

    /// When a tag was last purged: `ns:t:{..}:p`.
    pub fn tag_purged(&self, tag: &[u8]) -> Vec<u8> {
        self.tagged("t", &hash16(tag), b":p")
    }

    /// The key of one limit of a `LIMIT.TAKE`.
    pub fn take(&self, take: &Take<'_>) -> Vec<u8> {
        self.limit(take.subject, take.id)
    }

    fn tagged(&self, kind: &str, tag: &[u8], suffix: &[u8]) -> Vec<u8> {
        let mut key = Vec::with_capacity(self.namespace.len() + tag.len() + suffix.len() + 5);
        key.extend(self.namespace.as_bytes());
        key.push(b':');
        key.extend(kind.as_bytes());
        key.extend(b":{");
        key.extend(tag);
        key.push(b'}');
        key.extend(suffix);
        key
    }
}

/// Lower-case hex of the first 16 bytes of SHA-256; of a URL, what workers know it by.
pub fn hash16(bytes: &[u8]) -> Vec<u8> {
    hex(&l1::name(bytes))
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|b| [b >> 4, b & 15])
        .map(|nibble| DIGITS[usize::from(nibble)])
        .collect()
}

/// Reads lower-case hex of exactly `N` bytes.
pub fn unhex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let nibble = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, &[high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = nibble(high)? << 4 | nibble(low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;

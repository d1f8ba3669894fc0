//! The keys that sign tokens.
//!
//! A MAC key is a shield against floods (a forged token costs no exchange), not the authenticator: with
//! a leaked one people mint tokens that miss in Redis. Keys come from the VM's environment, never from
//! the plugin configuration, which Envoy's `/config_dump` shows.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use core::fmt;
use hmac::{Hmac, KeyInit as _};
use sha2::Sha256;

/// Keys at once, at most: the one that signs and those still accepted during a rotation.
pub const MAX_KEYS: usize = 4;
/// Length of a key, bytes.
pub const KEY_LEN: usize = 32;

/// One or more keys; the first signs, all verify.
#[derive(Clone)]
pub struct Keys {
    first: Key,
    others: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    id: u8,
    /// HMAC with its key blocks already absorbed: a verification then hashes the message only.
    mac: Hmac<Sha256>,
}

impl Keys {
    /// Reads `kid:key,kid:key,...`: `kid` is 0..=255 in decimal, `key` 32 bytes in base64url without
    /// padding (43 characters). Blanks around an entry are ignored.
    ///
    /// # Errors
    ///
    /// Names the entry, counted from 1, and what is wrong with it; never prints key material.
    pub fn parse(text: &str) -> Result<Self, KeysError> {
        let mut keys: Vec<Key> = Vec::new();
        for (at, entry) in (1_usize..).zip(text.split(',')) {
            if at > MAX_KEYS {
                return Err(KeysError::TooMany);
            }
            let key = Key::parse(entry.trim_ascii(), at)?;
            if keys.iter().any(|known| known.id == key.id) {
                return Err(KeysError::Duplicate { at, kid: key.id });
            }
            keys.push(key);
        }
        let mut keys = keys.into_iter();
        let first = keys.next().ok_or(KeysError::Empty { at: 1 })?;
        Ok(Self {
            first,
            others: keys.collect(),
        })
    }

    /// Ids of all keys, the signing one first.
    pub fn ids(&self) -> impl Iterator<Item = u8> {
        self.all().map(|key| key.id)
    }

    /// The id and the MAC that sign.
    pub(super) fn signing(&self) -> (u8, Hmac<Sha256>) {
        (self.first.id, self.first.mac.clone())
    }

    /// The MAC of key `id`, when that key is active.
    pub(super) fn with_id(&self, id: u8) -> Option<Hmac<Sha256>> {
        self.all()
            .find(|key| key.id == id)
            .map(|key| key.mac.clone())
    }

    fn all(&self) -> impl Iterator<Item = &Key> {
        core::iter::once(&self.first).chain(&self.others)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("ids", &self.ids().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Key {
    fn parse(entry: &str, at: usize) -> Result<Self, KeysError> {
        if entry.is_empty() {
            return Err(KeysError::Empty { at });
        }
        let (id, key) = entry.split_once(':').ok_or(KeysError::Separator { at })?;
        let digits = (1..=3).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit());
        let id = id
            .parse()
            .ok()
            .filter(|_| digits)
            .ok_or(KeysError::Kid { at })?;
        let mut bytes = [0; KEY_LEN];
        // Exactly 43 characters make 32 bytes; the length is checked first, so the buffer always fits.
        let decoded = (key.len() == 43).then(|| URL_SAFE_NO_PAD.decode_slice(key, &mut bytes));
        if !matches!(decoded, Some(Ok(KEY_LEN))) {
            return Err(KeysError::Key { at });
        }
        if bytes.iter().all(|b| Some(b) == bytes.first()) {
            return Err(KeysError::Weak { at });
        }
        let mac = Hmac::new_from_slice(&bytes).map_err(|_| KeysError::Key { at })?;
        Ok(Self { id, mac })
    }
}

/// Why a text holds no keys. `at` is the entry, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeysError {
    /// The same key id twice.
    Duplicate {
        /// The second of the two.
        at: usize,
        /// The id.
        kid: u8,
    },
    /// Nothing where an entry should be.
    Empty {
        /// Which entry.
        at: usize,
    },
    /// The key is not 32 bytes in base64url without padding.
    Key {
        /// Which entry.
        at: usize,
    },
    /// The key id is not 0..=255.
    Kid {
        /// Which entry.
        at: usize,
    },
    /// No `:` between id and key.
    Separator {
        /// Which entry.
        at: usize,
    },
    /// More than [`MAX_KEYS`].
    TooMany,
    /// One byte, 32 times: not random.
    Weak {
        /// Which entry.
        at: usize,
    },
}

impl fmt::Display for KeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate { at, kid } => write!(f, "token keys: entry {at}: key id {kid} twice"),
            Self::Empty { at } => write!(f, "token keys: entry {at} is empty, want kid:key"),
            Self::Key { at } => write!(
                f,
                "token keys: entry {at}: the key must be 32 bytes in base64url without padding \
                 (43 characters)"
            ),
            Self::Kid { at } => write!(f, "token keys: entry {at}: the key id must be 0..=255"),
            Self::Separator { at } => write!(f, "token keys: entry {at}: no ':' after the key id"),
            Self::TooMany => write!(f, "token keys: more than {MAX_KEYS}"),
            Self::Weak { at } => write!(f, "token keys: entry {at}: the key is not random"),
        }
    }
}

impl core::error::Error for KeysError {}

#[cfg(test)]
mod tests;

//! The vault: seals what a session holds, so that a dump, an AOF or MONITOR yields no payload, and
//! whoever can write to Redis cannot forge one.
//!
//! ```text
//! value = version nonce ciphertext tag          1 + 12 + n + 16 bytes
//! key   = HMAC-SHA-256(master, "tidegate seal 1\0" len(realm) realm user secret)
//! aad   = name of the Redis key
//! ```
//!
//! ChaCha20-Poly1305 (RFC 8439). The token's secret is part of the key, so Redis and the bridge
//! together still cannot read a session nobody presents; each session has a key of its own and is
//! sealed once, so a random nonce of 96 bits is ample.

mod payload;

pub use payload::{BadPayload, Payload, is_role, is_uid};

use chacha20poly1305::aead::{Aead as _, Payload as Message};
use chacha20poly1305::{ChaCha20Poly1305, Key, KeyInit as _, Nonce};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use std::fmt;

const VERSION: u8 = 1;
const NONCE_LEN: usize = 12;
const SEAL_LABEL: &[u8] = b"tidegate seal 1\0";
const USER_LABEL: &[u8] = b"tidegate user 1\0";

/// Holds the master key.
#[derive(Clone)]
pub struct Vault {
    /// HMAC with the master key absorbed.
    mac: Hmac<Sha256>,
}

/// Where a sealed value lives; it opens nowhere else.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// Name of the realm.
    pub realm: &'a [u8],
    /// Keyed tag of the user.
    pub user: &'a [u8; 12],
    /// The token's random part.
    pub secret: &'a [u8; 18],
    /// Name of the Redis key.
    pub key: &'a [u8],
}

/// A value that does not open: damaged, moved, of another master key, or of another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed;

impl Vault {
    /// A vault of this master key: 32 random bytes, the same for all bridges of a fleet.
    pub fn new(master: &[u8; 32]) -> Self {
        Self { mac: keyed(master) }
    }

    /// The user's tag in tokens and Redis keys: HMAC-SHA-256 of realm and user, cut to 96 bits. Whoever
    /// reads Redis cannot test guesses of user names.
    pub fn user_tag(&self, realm: &str, uid: &str) -> [u8; 12] {
        let tag = finish(
            with_realm(&self.mac, USER_LABEL, realm.as_bytes()).chain_update(uid.as_bytes()),
        );
        tag.first_chunk().copied().unwrap_or_default()
    }

    /// Seals a payload. `nonce`: 12 random bytes.
    ///
    /// # Errors
    ///
    /// [`BadPayload::Data`] when it does not serialize.
    pub fn seal(
        &self,
        place: &Place<'_>,
        payload: &Payload,
        nonce: [u8; NONCE_LEN],
    ) -> Result<Vec<u8>, BadPayload> {
        let json = serde_json::to_vec(payload).map_err(|_| BadPayload::Data)?;
        let message = Message {
            msg: &json,
            aad: place.key,
        };
        let text = self.cipher(place).encrypt(&Nonce::from(nonce), message);
        let text = text.map_err(|_| BadPayload::Data)?;
        let mut value = vec![VERSION];
        value.extend(nonce);
        value.extend(text);
        Ok(value)
    }

    /// Opens a value and checks what is inside.
    ///
    /// # Errors
    ///
    /// [`Sealed`]: the session is neither valid nor absent, but unknown.
    pub fn open(&self, place: &Place<'_>, value: &[u8]) -> Result<Payload, Sealed> {
        let (&version, rest) = value.split_first().ok_or(Sealed)?;
        let (nonce, text) = rest.split_first_chunk::<NONCE_LEN>().ok_or(Sealed)?;
        if version != VERSION {
            return Err(Sealed);
        }
        let message = Message {
            msg: text,
            aad: place.key,
        };
        let json = self.cipher(place).decrypt(&Nonce::from(*nonce), message);
        let json = json.map_err(|_| Sealed)?;
        let payload: Payload = serde_json::from_slice(&json).map_err(|_| Sealed)?;
        payload.checked().map_err(|_| Sealed)
    }

    fn cipher(&self, place: &Place<'_>) -> ChaCha20Poly1305 {
        let mac = with_realm(&self.mac, SEAL_LABEL, place.realm)
            .chain_update(place.user)
            .chain_update(place.secret);
        ChaCha20Poly1305::new(&Key::from(finish(mac)))
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").finish_non_exhaustive()
    }
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value does not open")
    }
}

impl std::error::Error for Sealed {}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    <Hmac<Sha256> as hmac::KeyInit>::new(&{
        // A key shorter than SHA-256's block is padded with zeros (RFC 2104, section 2).
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        for (to, from) in block.iter_mut().zip(key) {
            *to = *from;
        }
        block
    })
}

/// The label, then the realm with its length before it, so that no two inputs read alike.
fn with_realm(mac: &Hmac<Sha256>, label: &[u8], realm: &[u8]) -> Hmac<Sha256> {
    mac.clone()
        .chain_update(label)
        .chain_update((realm.len() as u64).to_be_bytes())
        .chain_update(realm)
}

fn finish(mac: Hmac<Sha256>) -> [u8; 32] {
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests;

//! The vault: seals what a session holds, so that a dump, an AOF or MONITOR yields no payload, and
//! whoever can write to Redis cannot forge one. Where the operator wants to read them (`seal: false`) they
//! are signed instead ([`Form::Readable`]).
//!
//! ```text
//! value = format key_id nonce ciphertext tag    1 + 1 + 12 + n + 16 bytes
//! key   = HMAC-SHA-256(master, label len(realm) realm user secret version)
//! aad   = name of the Redis key
//! ```
//!
//! ChaCha20-Poly1305 (RFC 8439). The token's secret is part of the key, so Redis and the bridge
//! together still cannot read a session nobody presents. So is the version: a value of an earlier one
//! does not open as a later one, and each key seals one text, so a random nonce of 96 bits is ample.
//!
//! Several master keys may be active: the first seals, all open. A user's tag depends on the master key
//! too, and a token carries it; a value opens only under a tag of an active key, because a tag nobody
//! can compute any more is one that "end all sessions of this user" would miss.

mod json;
mod master;
mod payload;
mod readable;

pub use json::Strict;
pub use master::{BadMaster, MAX_MASTERS};
pub use payload::{BadPayload, Payload, is_role, is_uid, parse_data, parse_roles};
pub use readable::Form;

use self::master::Master;
use chacha20poly1305::aead::{Aead as _, Payload as Message};
use chacha20poly1305::{ChaCha20Poly1305, Key, KeyInit as _, Nonce};
use hmac::Mac as _;
use std::fmt;

const FORMAT: u8 = 2;
const NONCE_LEN: usize = 12;
const SEAL_LABEL: &[u8] = b"tidegate seal 2\0";
const NEXT_LABEL: &[u8] = b"tidegate next 1\0";
const USER_LABEL: &[u8] = b"tidegate user 1\0";

/// Holds the master keys.
#[derive(Clone)]
pub struct Vault {
    first: Master,
    others: Vec<Master>,
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
    /// The session's version.
    pub version: u64,
}

/// A value that does not open: damaged, moved, of another version, or of a master key that is not active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed;

impl Vault {
    /// A vault of one master key: 32 random bytes, the same for all bridges of a fleet.
    pub fn new(master: &[u8; 32]) -> Self {
        Self {
            first: Master::new(master),
            others: Vec::new(),
        }
    }

    /// The user's tag in new tokens and Redis keys: HMAC-SHA-256 of realm and user, cut to 96 bits. Whoever
    /// reads Redis cannot test guesses of user names.
    pub fn user_tag(&self, realm: &str, uid: &str) -> [u8; 12] {
        self.first.user_tag(realm.as_bytes(), uid)
    }

    /// The user's tags under all active keys, that of new tokens first: sessions may live under each.
    pub fn user_tags(&self, realm: &[u8], uid: &str) -> Vec<[u8; 12]> {
        self.masters().map(|key| key.user_tag(realm, uid)).collect()
    }

    /// Whether sessions of one user may live under several tags.
    pub fn has_several(&self) -> bool {
        !self.others.is_empty()
    }

    /// What is stored of a payload. `nonce`: 12 random bytes, of use to a sealed one.
    ///
    /// # Errors
    ///
    /// [`BadPayload::Data`] when it does not serialize.
    pub fn seal(
        &self,
        form: Form,
        place: &Place<'_>,
        payload: &Payload,
        nonce: [u8; NONCE_LEN],
    ) -> Result<Vec<u8>, BadPayload> {
        let json = serde_json::to_vec(payload).map_err(|_| BadPayload::Data)?;
        let value = match form {
            Form::Readable => Some(self.sign(place, &json)),
            Form::Sealed => self.encrypt(SEAL_LABEL, place, &json, nonce),
        };
        value.ok_or(BadPayload::Data)
    }

    /// Opens a value and checks what is inside.
    ///
    /// # Errors
    ///
    /// [`Sealed`]: the session is neither valid nor absent, but unknown.
    pub fn open(&self, place: &Place<'_>, value: &[u8]) -> Result<Payload, Sealed> {
        let payload: Payload = match Form::of(value) {
            Form::Readable => {
                let json = self.signed(place, value).ok_or(Sealed)?;
                serde_json::from_slice(json)
            }
            Form::Sealed => {
                let json = self.decrypt(SEAL_LABEL, place, value).ok_or(Sealed)?;
                serde_json::from_slice(&json)
            }
        }
        .map_err(|_| Sealed)?;
        let payload = payload.checked().map_err(|_| Sealed)?;
        let known = self
            .masters()
            .any(|key| key.user_tag(place.realm, &payload.uid) == *place.user);
        known.then_some(payload).ok_or(Sealed)
    }

    /// Seals the secret of a token that replaces the one of `place`; only that one opens it. `None`: bug.
    pub fn seal_next(
        &self,
        place: &Place<'_>,
        next: &[u8; 18],
        nonce: [u8; NONCE_LEN],
    ) -> Option<Vec<u8>> {
        self.encrypt(NEXT_LABEL, place, next, nonce)
    }

    /// Opens what [`Vault::seal_next`] sealed.
    ///
    /// # Errors
    ///
    /// As [`Vault::open`].
    pub fn open_next(&self, place: &Place<'_>, value: &[u8]) -> Result<[u8; 18], Sealed> {
        let next = self.decrypt(NEXT_LABEL, place, value).ok_or(Sealed)?;
        next.try_into().map_err(|_| Sealed)
    }

    fn encrypt(
        &self,
        label: &[u8],
        place: &Place<'_>,
        text: &[u8],
        nonce: [u8; NONCE_LEN],
    ) -> Option<Vec<u8>> {
        let message = Message {
            msg: text,
            aad: place.key,
        };
        let cipher = cipher(&self.first, label, place);
        let text = cipher.encrypt(&Nonce::from(nonce), message).ok()?;
        let mut value = vec![FORMAT, self.first.id];
        value.extend(nonce);
        value.extend(text);
        Some(value)
    }

    fn decrypt(&self, label: &[u8], place: &Place<'_>, value: &[u8]) -> Option<Vec<u8>> {
        let ([format, id], rest) = value.split_first_chunk()?;
        let (nonce, text) = rest.split_first_chunk::<NONCE_LEN>()?;
        if *format != FORMAT {
            return None;
        }
        // Two keys may have one id: it only saves tries.
        let mut keys = self.masters().filter(|key| key.id == *id);
        keys.find_map(|key| {
            let message = Message {
                msg: text,
                aad: place.key,
            };
            let cipher = cipher(key, label, place);
            cipher.decrypt(&Nonce::from(*nonce), message).ok()
        })
    }

    fn masters(&self) -> impl Iterator<Item = &Master> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

fn cipher(master: &Master, label: &[u8], place: &Place<'_>) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(&Key::from(derived(master, label, place)))
}

/// The key of one text in one place.
fn derived(master: &Master, label: &[u8], place: &Place<'_>) -> [u8; 32] {
    let mac = (master.labelled(label, place.realm))
        .chain_update(place.user)
        .chain_update(place.secret)
        .chain_update(place.version.to_be_bytes());
    master::finish(mac)
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

#[cfg(test)]
mod tests;

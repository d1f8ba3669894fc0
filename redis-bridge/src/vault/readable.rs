//! Values that anyone who reads Redis may read, and nobody but the bridge can write: `seal: false`.
//!
//! ```text
//! value = json LF base64url(key_id mac)    1 + 32 bytes in 44 characters
//! mac   = HMAC-SHA-256(key, len(name) name json)
//! key   = as of a sealed value, under a label of its own
//! name  = name of the Redis key
//! ```
//!
//! JSON is written without a line feed, so the last one is the separator. Whether a value is readable is
//! its own first byte's business, so a realm may change its mind while its sessions live.

use super::{Place, Vault, derived, master};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

const LABEL: &[u8] = b"tidegate sign 1\0";

/// How a session's content is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// JSON and a signature.
    Readable,
    /// Nothing of it shows.
    Sealed,
}

impl Form {
    /// The form of a stored value.
    pub fn of(value: &[u8]) -> Self {
        match value.first() {
            Some(b'{') => Self::Readable,
            _ => Self::Sealed,
        }
    }
}

impl Vault {
    pub(super) fn sign(&self, place: &Place<'_>, json: &[u8]) -> Vec<u8> {
        let first = &self.first;
        let mac = master::finish(mac(first, place, json));
        let signature = [&[first.id][..], &mac].concat();
        let mut value = json.to_vec();
        value.push(b'\n');
        value.extend(URL_SAFE_NO_PAD.encode(signature).into_bytes());
        value
    }

    /// The JSON of a readable value that one of the active keys signed for this place.
    pub(super) fn signed<'a>(&self, place: &Place<'_>, value: &'a [u8]) -> Option<&'a [u8]> {
        let at = value.iter().rposition(|b| *b == b'\n')?;
        let (json, signature) = (value.get(..at)?, value.get(at + 1..)?);
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let (id, signature) = signature.split_first()?;
        let mut keys = self.masters().filter(|key| key.id == *id);
        keys.any(|key| mac(key, place, json).verify_slice(signature).is_ok())
            .then_some(json)
    }
}

fn mac(key: &master::Master, place: &Place<'_>, json: &[u8]) -> Hmac<Sha256> {
    let mac = master::keyed(&derived(key, LABEL, place));
    mac.chain_update((place.key.len() as u64).to_be_bytes())
        .chain_update(place.key)
        .chain_update(json)
}

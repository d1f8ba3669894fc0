//! Master keys: which are active, what is derived from them.

use super::{USER_LABEL, Vault};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use std::fmt;
use std::str::FromStr;

/// Master keys that may be active at once.
pub const MAX_MASTERS: usize = 4;

const ID_LABEL: &[u8] = b"tidegate key 1\0";

/// One master key.
#[derive(Clone)]
pub(super) struct Master {
    /// One byte derived from it: tells which key sealed a value, and nothing else.
    pub(super) id: u8,
    /// HMAC with the key absorbed.
    mac: Hmac<Sha256>,
}

/// Why a list of master keys is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadMaster {
    /// The same key twice.
    Doubled,
    /// Not 32 bytes in base64url.
    Form,
    /// More than [`MAX_MASTERS`].
    Many,
}

impl Master {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        let mac = keyed(key);
        let [id, ..] = finish(mac.clone().chain_update(ID_LABEL));
        Self { id, mac }
    }

    pub(super) fn user_tag(&self, realm: &[u8], uid: &str) -> [u8; 12] {
        let tag = finish(self.labelled(USER_LABEL, realm).chain_update(uid));
        tag.first_chunk().copied().unwrap_or_default()
    }

    /// The label, then the realm with its length before it, so that no two inputs read alike.
    pub(super) fn labelled(&self, label: &[u8], realm: &[u8]) -> Hmac<Sha256> {
        let mac = self.mac.clone().chain_update(label);
        mac.chain_update((realm.len() as u64).to_be_bytes())
            .chain_update(realm)
    }
}

/// HMAC-SHA-256 under a key of 32 bytes.
pub(super) fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    // A key shorter than SHA-256's block is padded with zeros (RFC 2104, section 2).
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    <Hmac<Sha256> as hmac::KeyInit>::new(&block)
}

pub(super) fn finish(mac: Hmac<Sha256>) -> [u8; 32] {
    mac.finalize().into_bytes().into()
}

/// `key` or `key,key,...`, the one that seals first; each 32 bytes in base64url without padding.
impl FromStr for Vault {
    type Err = BadMaster;

    fn from_str(text: &str) -> Result<Self, BadMaster> {
        let mut keys: Vec<[u8; 32]> = Vec::new();
        for word in text.split(',') {
            let bytes = URL_SAFE_NO_PAD.decode(word).map_err(|_| BadMaster::Form)?;
            let key = bytes.try_into().map_err(|_| BadMaster::Form)?;
            if keys.contains(&key) {
                return Err(BadMaster::Doubled);
            }
            keys.push(key);
        }
        let [first, others @ ..] = keys.as_slice() else {
            return Err(BadMaster::Form);
        };
        if keys.len() > MAX_MASTERS {
            return Err(BadMaster::Many);
        }
        Ok(Self {
            first: Master::new(first),
            others: others.iter().map(Master::new).collect(),
        })
    }
}

impl fmt::Display for BadMaster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Doubled => f.write_str("the same key twice"),
            Self::Form => f.write_str(
                "want 32 bytes in base64url without padding (43 characters), or several such joined by `,`",
            ),
            Self::Many => write!(f, "more than {MAX_MASTERS} keys"),
        }
    }
}

impl std::error::Error for BadMaster {}

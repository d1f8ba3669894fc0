//! The session token.
//!
//! ```text
//! byte  0        1       2..6       6..11              11..23    23..41         41..57
//!       version  key id  realm tag  absolute deadline  user tag  random secret  MAC
//! ```
//!
//! 57 bytes, base64url without padding: exactly 76 characters. 57 = 3 x 19, so no character has slack
//! bits and a token has one spelling. The MAC is HMAC-SHA-256, cut to 128 bits (RFC 2104, section 5),
//! over a label and all bytes before it. The user tag is a keyed hash of the user, made by whoever mints
//! the token; it is in the token so that a per-user limit's key is known before the look-up and both
//! fit one exchange.

use super::keys::Keys;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use core::fmt;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};

/// Length of a token, characters.
pub const TOKEN_LEN: usize = 76;
/// Length of a handle, characters.
pub const HANDLE_LEN: usize = 36;
/// The latest deadline a token can carry, seconds since the epoch; later ones are cut to it.
pub const MAX_DEADLINE_S: u64 = (1 << 40) - 1;

const RAW_LEN: usize = 57;
const SIGNED_LEN: usize = 41;
const VERSION: u8 = 1;
/// 14 bytes: with the 41 signed ones and SHA-256's padding it fills one block, so a MAC is two rounds.
const MAC_LABEL: &[u8; 14] = b"tidegate tok 1";
const REALM_LABEL: &[u8; 17] = b"tidegate realm 1\0";

/// A realm's name, as a token carries it: the first 32 bits of a labelled SHA-256.
///
/// It keeps a token of one realm out of another. It needs no more bits: the session is looked up by
/// the realm's full name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RealmTag([u8; 4]);

impl RealmTag {
    /// The tag of the realm called `name`.
    pub fn of(name: &str) -> Self {
        let digest: [u8; 32] = Sha256::new()
            .chain_update(REALM_LABEL)
            .chain_update(name)
            .finalize()
            .into();
        let [a, b, c, d, ..] = digest;
        Self([a, b, c, d])
    }
}

/// What a token says, once its MAC was found good.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// The keyed tag of the user.
    pub user: [u8; 12],
    /// The random part: opens the session. Never printed.
    pub secret: [u8; 18],
    /// The absolute deadline, seconds since the epoch.
    pub deadline_s: u64,
}

impl Token {
    /// What stands for the secret in Redis' keys, handles and limit keys: SHA-256, cut to 120 bits.
    pub fn key_hash(&self) -> [u8; 15] {
        key_hash(&self.secret)
    }

    /// The session's public name, 36 characters: base64url of the user tag and [`Token::key_hash`].
    pub fn handle(&self) -> String {
        handle(&self.user, &self.key_hash())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("handle", &self.handle())
            .field("deadline_s", &self.deadline_s)
            .finish_non_exhaustive()
    }
}

/// Why a token was refused. No exchange is made for any of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejected {
    /// A character outside base64url.
    Alphabet,
    /// No active key has this id.
    Key,
    /// Not [`TOKEN_LEN`] characters.
    Length,
    /// The MAC is wrong: forged or damaged.
    Mac,
    /// A token of another realm.
    Realm,
    /// A version this code does not know.
    Version,
}

impl Rejected {
    /// One word for logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alphabet => "alphabet",
            Self::Key => "key",
            Self::Length => "length",
            Self::Mac => "mac",
            Self::Realm => "realm",
            Self::Version => "version",
        }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "token refused: {}", self.name())
    }
}

impl core::error::Error for Rejected {}

/// Makes a token, signed by the first of `keys`. `secret` must come from a random generator made for
/// keys; `user` is the user's keyed tag.
pub fn mint(
    keys: &Keys,
    realm: RealmTag,
    user: [u8; 12],
    deadline_s: u64,
    secret: [u8; 18],
) -> String {
    let (key_id, mac) = keys.signing();
    let [_, _, _, deadline @ ..] = deadline_s.min(MAX_DEADLINE_S).to_be_bytes();
    let mut raw = Vec::with_capacity(RAW_LEN);
    raw.extend([VERSION, key_id]);
    raw.extend(realm.0);
    raw.extend(deadline);
    raw.extend(user);
    raw.extend(secret);
    let tag: [u8; 32] = labelled(mac)
        .chain_update(&raw)
        .finalize()
        .into_bytes()
        .into();
    raw.extend(tag.iter().take(RAW_LEN - SIGNED_LEN));
    URL_SAFE_NO_PAD.encode(raw)
}

/// Checks a token: cheap checks first, the MAC in constant time, nothing allocated.
///
/// The deadline is not compared with a clock here: that is the caller's, who has one.
///
/// # Errors
///
/// The first check that failed, in the order length, alphabet, version, realm, key, MAC.
pub fn verify(keys: &Keys, realm: RealmTag, token: &[u8]) -> Result<Token, Rejected> {
    let token: &[u8; TOKEN_LEN] = token.try_into().map_err(|_| Rejected::Length)?;
    let mut raw = [0; RAW_LEN];
    match URL_SAFE_NO_PAD.decode_slice(token, &mut raw) {
        Ok(RAW_LEN) => {}
        _ => return Err(Rejected::Alphabet),
    }
    let (signed, tag) = raw
        .split_first_chunk::<SIGNED_LEN>()
        .ok_or(Rejected::Length)?;
    let (head, rest) = signed.split_first_chunk::<11>().ok_or(Rejected::Length)?;
    let (user, secret) = rest.split_first_chunk::<12>().ok_or(Rejected::Length)?;
    let secret = secret.try_into().map_err(|_| Rejected::Length)?;
    let &[version, key_id, r0, r1, r2, r3, d0, d1, d2, d3, d4] = head;
    if version != VERSION {
        return Err(Rejected::Version);
    }
    if RealmTag([r0, r1, r2, r3]) != realm {
        return Err(Rejected::Realm);
    }
    let mac = keys.with_id(key_id).ok_or(Rejected::Key)?;
    labelled(mac)
        .chain_update(signed)
        .verify_truncated_left(tag)
        .map_err(|_| Rejected::Mac)?;
    let deadline_s = u64::from_be_bytes([0, 0, 0, d0, d1, d2, d3, d4]);
    Ok(Token {
        user: *user,
        secret,
        deadline_s,
    })
}

/// See [`Token::key_hash`].
pub fn key_hash(secret: &[u8; 18]) -> [u8; 15] {
    let digest: [u8; 32] = Sha256::digest(secret).into();
    digest.first_chunk().copied().unwrap_or_default()
}

/// See [`Token::handle`].
pub fn handle(user: &[u8; 12], key_hash: &[u8; 15]) -> String {
    let mut raw = [0; 27];
    for (to, from) in raw.iter_mut().zip(user.iter().chain(key_hash)) {
        *to = *from;
    }
    URL_SAFE_NO_PAD.encode(raw)
}

/// Reads a handle: the user tag and the key hash. `None` when it is not one.
pub fn parse_handle(handle: &[u8]) -> Option<([u8; 12], [u8; 15])> {
    let handle: &[u8; HANDLE_LEN] = handle.try_into().ok()?;
    let mut raw = [0; 27];
    let length = URL_SAFE_NO_PAD.decode_slice(handle, &mut raw).ok()?;
    let (user, key_hash) = raw.split_first_chunk::<12>()?;
    (length == raw.len()).then_some((*user, key_hash.try_into().ok()?))
}

fn labelled(mac: Hmac<Sha256>) -> Hmac<Sha256> {
    mac.chain_update(MAC_LABEL)
}

#[cfg(test)]
mod tests;

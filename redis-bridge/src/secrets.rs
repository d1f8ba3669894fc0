//! Secrets: read from the environment or from a file it names, compared in constant time, never printed.
//!
//! A command line is visible to every user of a machine (`/proc/*/cmdline`), so no flag takes a secret.

use sha2::{Digest as _, Sha256};
use std::fmt;

/// Longest secret file, bytes; a longer one is a mistake (a directory listing, a certificate bundle).
const MAX_FILE: u64 = 64 << 10;

/// A text that must not be seen. Compared only with what it was before, to see whether it changed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Reads the variable `name`, or the file that `{name}_FILE` names (without its last line break).
    /// `None` when neither is set.
    ///
    /// # Errors
    ///
    /// Both are set, the file cannot be read, or the value is empty.
    pub fn from_env(name: &'static str) -> Result<Option<Self>, SecretError> {
        Self::lookup(name, |variable| std::env::var(variable).ok())
    }

    /// Like [`Secret::from_env`] for one that must be there.
    ///
    /// # Errors
    ///
    /// As [`Secret::from_env`], and when it is not set.
    pub fn required(name: &'static str) -> Result<Self, SecretError> {
        Self::from_env(name)?.ok_or(SecretError::Missing { name })
    }

    /// The text itself: for the one call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn lookup(
        name: &'static str,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, SecretError> {
        let value = match (env(name), env(&format!("{name}_FILE"))) {
            (Some(_), Some(_)) => return Err(SecretError::Both { name }),
            (Some(value), None) => value,
            (None, Some(path)) => read(name, &path)?,
            (None, None) => return Ok(None),
        };
        if value.is_empty() {
            return Err(SecretError::Empty { name });
        }
        Ok(Some(Self(value)))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

fn read(name: &'static str, path: &str) -> Result<String, SecretError> {
    let failed = |reason: String| SecretError::File {
        name,
        path: path.to_owned(),
        reason,
    };
    let length = std::fs::metadata(path)
        .map_err(|e| failed(e.to_string()))?
        .len();
    if length > MAX_FILE {
        return Err(failed(format!("{length} bytes, at most {MAX_FILE}")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| failed(e.to_string()))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

/// A bearer credential that callers must show.
///
/// Only its hash is kept, and hashes are compared: neither the length nor a common prefix of a guess
/// shows in the time a refusal takes.
#[derive(Clone)]
pub struct Credential([u8; 32]);

impl Credential {
    /// The credential `secret`.
    pub fn new(secret: &Secret) -> Self {
        Self(Sha256::digest(secret.expose()).into())
    }

    /// Whether `authorization`, the value of that header, is `Bearer` and this credential.
    pub fn admits(&self, authorization: &[u8]) -> bool {
        let Some((scheme, token)) = authorization.split_at_checked(7) else {
            return false;
        };
        let shown: [u8; 32] = Sha256::digest(token).into();
        let differs = (self.0.iter().zip(&shown))
            .fold(0_u8, |seen, (a, b)| std::hint::black_box(seen | (a ^ b)));
        scheme.eq_ignore_ascii_case(b"bearer ") && differs == 0
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(..)")
    }
}

/// Why a secret is not usable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretError {
    /// Both the variable and its `_FILE` form are set.
    Both {
        /// The variable.
        name: &'static str,
    },
    /// Set, and empty.
    Empty {
        /// The variable.
        name: &'static str,
    },
    /// The file cannot be used.
    File {
        /// The variable, without `_FILE`.
        name: &'static str,
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Set, and not of the right form.
    Form {
        /// The variable.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Not set.
    Missing {
        /// The variable.
        name: &'static str,
    },
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Both { name } => write!(f, "{name} and {name}_FILE are both set; unset one"),
            Self::Empty { name } => write!(f, "{name} is empty"),
            Self::File { name, path, reason } => write!(f, "{name}_FILE: {path}: {reason}"),
            Self::Form { name, reason } => write!(f, "{name}: {reason}"),
            Self::Missing { name } => write!(
                f,
                "{name} is not set (nor {name}_FILE); `redis-bridge keygen` prints fresh values"
            ),
        }
    }
}

impl std::error::Error for SecretError {}

#[cfg(test)]
mod tests;

//! What a listener shows its clients, and whose clients it takes.

use crate::files::{CertificateFiles, FileError, read_pem};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

/// Certificate, key and clients' CA, as the files hold them.
#[derive(Debug, Clone)]
pub struct Identity {
    config: Arc<ServerConfig>,
    /// What it was made of.
    pem: Pem,
    own: Validity,
    /// Of the CA that is the last to end; `None` without a CA.
    ca_not_after_s: Option<u64>,
}

#[derive(Clone, PartialEq, Eq)]
struct Pem {
    cert: Vec<u8>,
    key: Vec<u8>,
    ca: Option<Vec<u8>>,
}

/// Seconds since the epoch, both included.
#[derive(Debug, Clone, Copy)]
struct Validity {
    not_before_s: u64,
    not_after_s: u64,
}

/// Why there is no TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsError {
    /// A file.
    File(FileError),
    /// No certificate, or no key to it.
    Missing,
    /// The certificate is not valid now, says this machine's clock.
    NotNow {
        /// From when, seconds since the epoch.
        not_before_s: u64,
        /// Until when.
        not_after_s: u64,
    },
}

impl Identity {
    /// Reads `files`.
    ///
    /// # Errors
    ///
    /// One is missing, is no PEM, or the key is not the certificate's.
    pub fn read(files: &CertificateFiles) -> Result<Self, TlsError> {
        let (Some(cert), Some(key)) = (&files.cert, &files.key) else {
            return Err(TlsError::Missing);
        };
        let pem = Pem {
            cert: read_pem(cert)?,
            key: read_pem(key)?,
            ca: files.ca.as_deref().map(read_pem).transpose()?,
        };
        let provider = Arc::new(ring::default_provider());
        let chain = certificates(cert, &pem.cert)?;
        let own = chain.iter().map(|der| validity(cert, der));
        let own = own.reduce(|a, b| Ok(a?.both(b?)));
        let own = own.unwrap_or_else(|| Err(file(cert, "holds no certificate")))?;
        let secret = PrivateKeyDer::from_pem_slice(&pem.key).map_err(|e| file(key, e))?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|e| file(cert, e))?;
        let mut ca_not_after_s = None;
        let builder = match (&files.ca, &pem.ca) {
            (Some(path), Some(pem)) => {
                let mut roots = RootCertStore::empty();
                for der in certificates(path, pem)? {
                    ca_not_after_s = ca_not_after_s.max(Some(validity(path, &der)?.not_after_s));
                    roots.add(der).map_err(|e| file(path, e))?;
                }
                let roots = Arc::new(roots);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                let verifier = verifier.build().map_err(|e| file(path, e))?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let config = builder.with_single_cert(chain, secret);
        let mut config = config.map_err(|e| file(cert, e))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // A session that is resumed shows no certificate again, so it would outlive one that has ended.
        // Connections are kept, so resuming would save nothing.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self {
            config: Arc::new(config),
            pem,
            own,
            ca_not_after_s,
        })
    }

    /// For new handshakes.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Whether clients can take it now, by this machine's clock.
    ///
    /// # Errors
    ///
    /// [`TlsError::NotNow`].
    #[expect(
        clippy::disallowed_methods,
        reason = "certificates are of wall clocks; no request is decided by it"
    )]
    pub fn valid(&self) -> Result<(), TlsError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs());
        let Validity {
            not_before_s,
            not_after_s,
        } = self.own;
        match (not_before_s..=not_after_s).contains(&now) {
            true => Ok(()),
            false => Err(TlsError::NotNow {
                not_before_s,
                not_after_s,
            }),
        }
    }

    /// When the first certificate of its chain ends, seconds since the epoch.
    pub fn not_after_s(&self) -> u64 {
        self.own.not_after_s
    }

    /// When the last of the clients' CAs ends; `None` without one.
    pub fn ca_not_after_s(&self) -> Option<u64> {
        self.ca_not_after_s
    }
}

/// By what it was made of.
impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.pem == other.pem
    }
}

impl Validity {
    /// When both are valid.
    fn both(self, other: Self) -> Self {
        Self {
            not_before_s: self.not_before_s.max(other.not_before_s),
            not_after_s: self.not_after_s.min(other.not_after_s),
        }
    }
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if all.is_empty() => Err(file(path, "holds no certificate")),
        Ok(all) => Ok(all),
        Err(error) => Err(file(path, error)),
    }
}

fn validity(path: &Path, der: &[u8]) -> Result<Validity, TlsError> {
    let certificate = Certificate::from_der(der).map_err(|e| file(path, e))?;
    let validity = certificate.tbs_certificate().validity();
    Ok(Validity {
        not_before_s: validity.not_before.to_unix_duration().as_secs(),
        not_after_s: validity.not_after.to_unix_duration().as_secs(),
    })
}

fn file(path: &Path, reason: impl fmt::Display) -> TlsError {
    TlsError::File(FileError {
        path: path.to_owned(),
        reason: reason.to_string(),
    })
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pem(..)")
    }
}

impl From<FileError> for TlsError {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => write!(f, "{error}"),
            Self::Missing => f.write_str("--data tls: needs --data-cert and --data-key"),
            Self::NotNow {
                not_before_s,
                not_after_s,
            } => write!(
                f,
                "the certificate is valid from {not_before_s} to {not_after_s}, seconds since 1970, and not now"
            ),
        }
    }
}

impl std::error::Error for TlsError {}

#[cfg(test)]
mod tests;

//! Who may use the data listener: on a Unix socket whoever its mode lets in, over TCP who shows the
//! credential, over TLS who shows a certificate, the credential, or both.

use super::Address;
use super::tls::{Tls, TlsError};
use crate::files::CertificateFiles;
use crate::metrics::Metrics;
use crate::secrets::Credential;
use std::fmt;
use std::sync::Arc;

/// What callers must show.
#[derive(Debug)]
pub struct Access {
    /// With each request.
    pub credential: Option<Credential>,
    /// With each connection.
    pub tls: Option<Arc<Tls>>,
}

/// Why nobody, or anybody, could use the listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessError {
    /// Neither a credential nor a CA of its clients.
    NoCredential,
    /// Its certificates.
    Tls(TlsError),
    /// Certificates for an address without TLS.
    Unused,
}

impl Access {
    /// To a listener at `address`.
    ///
    /// # Errors
    ///
    /// [`AccessError`].
    pub fn new(
        address: &Address,
        token: Option<Credential>,
        files: CertificateFiles,
        metrics: &Metrics,
    ) -> Result<Self, AccessError> {
        let Address::Tls(_) = address else {
            if files != CertificateFiles::default() {
                return Err(AccessError::Unused);
            }
            let credential = match address {
                Address::Unix(_) => None,
                _ => Some(token.ok_or(AccessError::NoCredential)?),
            };
            return Ok(Self {
                credential,
                tls: None,
            });
        };
        if token.is_none() && files.ca.is_none() {
            return Err(AccessError::NoCredential);
        }
        let tls = Tls::start(files, metrics).map_err(AccessError::Tls)?;
        Ok(Self {
            credential: token,
            tls: Some(Arc::new(tls)),
        })
    }
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCredential => f.write_str(
                "--data tcp: and tls: need a credential, or anyone who reaches the port is every user: \
                 set TIDEGATE_BRIDGE_TOKEN or TIDEGATE_BRIDGE_TOKEN_FILE, or with tls: --data-ca",
            ),
            Self::Tls(error) => write!(f, "{error}"),
            Self::Unused => {
                f.write_str("--data-cert, --data-key and --data-ca go with --data tls:ip:port")
            }
        }
    }
}

impl std::error::Error for AccessError {}

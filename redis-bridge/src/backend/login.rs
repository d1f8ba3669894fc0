//! Who the bridge is to Redis, and how it knows that it is Redis: user, password, certificates. What
//! comes from files is read again, so that it can be rotated while the bridge runs.

use super::target::Node;
use crate::files::{self, CertificateFiles, FileError, News};
use crate::secrets::{Secret, SecretError};
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo,
    RedisResult, TlsCertificates,
};
use std::fmt;
use tokio::sync::watch;

/// Who the bridge is to Redis.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Login {
    /// ACL user; `default` when there is none.
    pub user: Option<Secret>,
    /// Its password.
    pub password: Option<Secret>,
    /// Certificates; used where TLS is spoken.
    pub certificates: Certificates,
    /// TLS is spoken.
    pub tls: bool,
}

/// PEM files, read.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Certificates {
    /// Who may vouch for a server; the system's when there is none.
    ca: Option<Vec<u8>>,
    /// Our certificate and its key.
    ours: Option<(Vec<u8>, Vec<u8>)>,
}

/// Where a login comes from.
#[derive(Debug, Clone)]
pub struct Source {
    /// Variable of the user's name, or of its file with `_FILE`.
    pub user: &'static str,
    /// The same of the password.
    pub password: &'static str,
    /// Certificates.
    pub files: CertificateFiles,
}

/// Why there is no login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginError {
    /// A user or password.
    Secret(SecretError),
    /// A file of certificates.
    Certificate(FileError),
    /// One of certificate and key without the other.
    Half,
}

impl Source {
    /// Reads all of it.
    ///
    /// # Errors
    ///
    /// The first thing that is missing or cannot be what it should.
    pub fn read(&self) -> Result<Login, LoginError> {
        let ours = match (&self.files.cert, &self.files.key) {
            (Some(cert), Some(key)) => Some((files::read_pem(cert)?, files::read_pem(key)?)),
            (None, None) => None,
            _ => return Err(LoginError::Half),
        };
        let ca = self.files.ca.as_deref().map(files::read_pem).transpose()?;
        let certificates = Certificates { ca, ours };
        let first = [&self.files.ca, &self.files.cert, &self.files.key];
        if let Some(path) = first.into_iter().flatten().next() {
            certificates.check().map_err(|reason| FileError {
                path: path.clone(),
                reason,
            })?;
        }
        Ok(Login {
            user: Secret::from_env(self.user)?,
            password: Secret::from_env(self.password)?,
            certificates,
            tls: false,
        })
    }

    /// Follows the files from `first` on.
    pub fn follow(self, first: Login) -> watch::Receiver<Login> {
        files::follow(
            first,
            move || self.read(),
            |news| match news {
                News::Changed(_) => tracing::info!("redis: the login or a certificate changed"),
                News::Failed(error) => {
                    tracing::error!(%error, "redis: the login stays as it was");
                }
                News::Mended => {}
            },
        )
    }
}

impl Login {
    /// The same without user and password: sentinels have users of their own.
    pub fn without_user(&self) -> Self {
        Self {
            user: None,
            password: None,
            ..self.clone()
        }
    }

    /// The same, over TLS or not.
    pub fn over_tls(&self, tls: bool) -> Self {
        Self {
            tls,
            ..self.clone()
        }
    }

    /// Whether connections that live must log in again to be `other`.
    pub fn is_same_user(&self, other: &Self) -> bool {
        self.user == other.user && self.password == other.password
    }

    /// How to reach `node`.
    ///
    /// # Errors
    ///
    /// What redis-rs refuses.
    pub fn client(&self, node: &Node) -> RedisResult<Client> {
        let (host, port) = node.clone();
        if !self.tls {
            return self.client_of(ConnectionAddr::Tcp(host, port));
        }
        let address = ConnectionAddr::TcpTls {
            host,
            port,
            insecure: false,
            tls_params: None,
        };
        let info = address.into_connection_info()?;
        let info = info.set_redis_settings(self.settings());
        Client::build_with_tls(info, self.certificates.for_redis())
    }

    /// How to reach a Unix socket.
    ///
    /// # Errors
    ///
    /// What redis-rs refuses.
    pub fn client_of_socket(&self, path: &str) -> RedisResult<Client> {
        self.client_of(ConnectionAddr::Unix(path.into()))
    }

    /// Certificates, where they are used.
    pub fn certificates(&self) -> Option<TlsCertificates> {
        self.tls.then(|| self.certificates.for_redis())
    }

    fn client_of(&self, address: ConnectionAddr) -> RedisResult<Client> {
        let info = address.into_connection_info()?;
        Client::open(info.set_redis_settings(self.settings()))
    }

    fn settings(&self) -> RedisConnectionInfo {
        let mut info = RedisConnectionInfo::default().set_lib_name("tidegate", crate::VERSION);
        if let Some(user) = &self.user {
            info = info.set_username(user.expose());
        }
        if let Some(password) = &self.password {
            info = info.set_password(password.expose());
        }
        info
    }
}

impl Certificates {
    fn for_redis(&self) -> TlsCertificates {
        let ours = self.ours.as_ref();
        TlsCertificates {
            client_tls: ours.map(|(cert, key)| ClientTlsConfig {
                client_cert: cert.clone(),
                client_key: key.clone(),
            }),
            root_cert: self.ca.clone(),
        }
    }

    /// Whether they are what PEM files of certificates and keys should be.
    fn check(&self) -> Result<(), String> {
        let login = Login {
            certificates: self.clone(),
            tls: true,
            ..Login::default()
        };
        let client = login.client(&("localhost".to_owned(), 1));
        client.map(drop).map_err(|error| error.to_string())?;
        // Nothing in a file is no error to the reader of PEM.
        let empty = |pem: &Vec<u8>| !pem.windows(11).any(|at| at == b"-----BEGIN ");
        let all = [&self.ca].into_iter().flatten();
        let all = all.chain(self.ours.iter().flat_map(|(cert, key)| [cert, key]));
        match all.into_iter().any(empty) {
            true => Err("holds no PEM block".to_owned()),
            false => Ok(()),
        }
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificates(..)")
    }
}

impl From<FileError> for LoginError {
    fn from(error: FileError) -> Self {
        Self::Certificate(error)
    }
}

impl From<SecretError> for LoginError {
    fn from(error: SecretError) -> Self {
        Self::Secret(error)
    }
}

impl fmt::Display for LoginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(error) => write!(f, "{error}"),
            Self::Half => f.write_str("--redis-cert and --redis-key go together; give both"),
            Self::Secret(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for LoginError {}

#[cfg(test)]
mod tests;

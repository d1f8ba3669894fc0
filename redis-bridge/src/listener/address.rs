//! Where a listener listens.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Longest socket path, bytes: `sun_path` of unix(7) holds 108 with the final NUL, and the name it has
/// until it is ready is 7 longer.
pub const MAX_PATH: usize = 100;
/// Owner and group: Envoy shares the group.
const MODE: u32 = 0o660;

/// `unix:/path`, `tcp:ip:port` or `tls:ip:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A TCP address that speaks nothing but TLS.
    Tls(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            if !path.starts_with('/') {
                return Err(AddressError::Relative);
            }
            if path.len() > MAX_PATH {
                return Err(AddressError::PathLength { length: path.len() });
            }
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        let (of, address): (fn(_) -> _, _) = match text.split_once(':') {
            Some(("tcp", address)) => (Self::Tcp, address),
            Some(("tls", address)) => (Self::Tls, address),
            _ => return Err(AddressError::Scheme),
        };
        address.parse().map(of).map_err(|_| AddressError::Socket)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp:{address}"),
            Self::Tls(address) => write!(f, "tls:{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressError {
    /// The socket path is longer than [`MAX_PATH`].
    PathLength {
        /// Its length, bytes.
        length: usize,
    },
    /// The socket path does not begin with `/`.
    Relative,
    /// None of `unix:`, `tcp:` and `tls:`.
    Scheme,
    /// Not `ip:port`.
    Socket,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PathLength { length } => {
                write!(f, "socket path of {length} bytes, at most {MAX_PATH}")
            }
            Self::Relative => f.write_str("a socket path begins with '/'"),
            Self::Scheme => f.write_str("want unix:/path, tcp:ip:port or tls:ip:port"),
            Self::Socket => f.write_str("want ip:port, with a numeric address"),
        }
    }
}

impl std::error::Error for AddressError {}

/// Binds a Unix socket at `path` with [`MODE`], in place of a socket nobody listens on.
///
/// The socket gets its final name when its mode is set, so there is no moment at which others could
/// connect, and a restart leaves no moment without a socket.
///
/// # Errors
///
/// `AddrInUse` when someone listens there, `AlreadyExists` when the path is something else than a
/// socket; or what the system says.
pub fn bind_unix(path: &Path) -> io::Result<std::os::unix::net::UnixListener> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "exists and is not a socket",
            ));
        }
        Ok(_) if UnixStream::connect(path).is_ok() => {
            return Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                "another process listens here",
            ));
        }
        _ => {}
    }
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".fresh");
    let fresh = PathBuf::from(fresh);
    match std::fs::remove_file(&fresh) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let listener = std::os::unix::net::UnixListener::bind(&fresh)?;
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(MODE))?;
    std::fs::rename(&fresh, path)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

#[cfg(test)]
mod tests;

//! Files that are read again while the process runs: logins and certificates, so that they can be rotated.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;

/// How often they are looked at.
const EVERY: Duration = Duration::from_secs(1);
/// Largest file of certificates, bytes.
const MAX_PEM: u64 = 1 << 20;

/// PEM files: one side's certificate, and who may vouch for the other side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificateFiles {
    /// Who may vouch for the other side.
    pub ca: Option<PathBuf>,
    /// Our certificate, with those that lead to its CA.
    pub cert: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
}

/// A file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileError {
    /// Which.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// What became of files that are followed.
#[derive(Debug)]
pub enum News<'a, T, E> {
    /// They say something else now.
    Changed(&'a T),
    /// They cannot be used; what they said last stays.
    Failed(&'a E),
    /// They can be used again.
    Mended,
}

/// Reads a PEM file.
///
/// # Errors
///
/// As the system says, or it is far too large.
pub fn read_pem(path: &Path) -> Result<Vec<u8>, FileError> {
    let failed = |reason: String| FileError {
        path: path.to_owned(),
        reason,
    };
    let length = std::fs::metadata(path).map_err(|e| failed(e.to_string()))?;
    if length.len() > MAX_PEM {
        return Err(failed(format!("more than {MAX_PEM} bytes")));
    }
    std::fs::read(path).map_err(|e| failed(e.to_string()))
}

/// Follows what `read` reads, from `first` on. A failure is told once, and what was read last stays: half
/// of a rotation is no reason to lose what works.
pub fn follow<T, E>(
    first: T,
    read: impl Fn() -> Result<T, E> + Clone + Send + 'static,
    mut tell: impl FnMut(News<'_, T, E>) + Send + 'static,
) -> watch::Receiver<T>
where
    T: PartialEq + Send + Sync + 'static,
    E: PartialEq + Send + 'static,
{
    let (sender, receiver) = watch::channel(first);
    tokio::spawn(async move {
        let mut told = None;
        loop {
            tokio::time::sleep(EVERY).await;
            // Off the thread that serves: a file system may be slow.
            let Ok(read) = tokio::task::spawn_blocking(read.clone()).await else {
                continue;
            };
            match read {
                Ok(fresh) => {
                    if told.take().is_some() {
                        tell(News::Mended);
                    }
                    if *sender.borrow() != fresh {
                        tell(News::Changed(&fresh));
                        sender.send_replace(fresh);
                    }
                }
                Err(error) if told.as_ref() != Some(&error) => {
                    tell(News::Failed(&error));
                    told = Some(error);
                }
                Err(_) => {}
            }
        }
    });
    receiver
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for FileError {}

//! TLS of a listener: handshakes, within bounds, with whatever certificate the files hold now.

mod identity;
mod reason;

pub use identity::{Identity, TlsError};
pub use reason::REASONS;

use crate::files::{self, CertificateFiles, News};
use crate::metrics::Metrics;
use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Handshakes at a time, at most: signatures are what a stranger can make the bridge pay for.
const MAX_HANDSHAKES: usize = 64;
/// Time for one, once its peer has said something.
const HANDSHAKE: Duration = Duration::from_secs(3);
/// A reason is logged this often, at most: peers that are refused come again and again.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// What makes TLS of connections.
#[derive(Debug)]
pub struct Tls {
    identity: watch::Receiver<Identity>,
    turns: Semaphore,
    told: Mutex<HashMap<&'static str, Instant>>,
    metrics: Metrics,
}

impl Tls {
    /// Starts with what `files` hold, and follows them.
    ///
    /// # Errors
    ///
    /// They cannot be what they should be. A certificate that is not valid now is no error: no client takes
    /// it, and the next one may be on its way.
    pub fn start(files: CertificateFiles, metrics: &Metrics) -> Result<Self, TlsError> {
        let identity = Identity::read(&files)?;
        metrics.tls.set_expiry(&identity);
        if let Err(error) = identity.valid() {
            metrics.tls.stale.set(1);
            tracing::error!(%error, "data listener: clients will refuse this certificate");
        }
        let of_files = metrics.tls.clone();
        let read = move || {
            let identity = Identity::read(&files)?;
            identity.valid()?;
            Ok(identity)
        };
        let identity = files::follow(
            identity,
            read,
            move |news: News<'_, _, TlsError>| match news {
                News::Changed(identity) => {
                    of_files.stale.set(0);
                    of_files.set_expiry(identity);
                    tracing::info!("data listener: new handshakes use the new certificates");
                }
                News::Failed(error) => {
                    of_files.stale.set(1);
                    tracing::error!(%error, "data listener: its certificates stay as they were");
                }
                News::Mended => drop(of_files.stale.set(0)),
            },
        );
        Ok(Self {
            identity,
            turns: Semaphore::new(MAX_HANDSHAKES),
            told: Mutex::default(),
            metrics: metrics.clone(),
        })
    }

    /// The handshake; `None` when it failed. Who says nothing for `patience` has no turn of the bound.
    pub async fn accept(&self, io: TcpStream, patience: Duration) -> Option<TlsStream<TcpStream>> {
        match self.shake(io, patience).await {
            Ok(stream) => Some(stream),
            Err(error) => {
                self.failed(&error);
                None
            }
        }
    }

    async fn shake(&self, io: TcpStream, patience: Duration) -> io::Result<TlsStream<TcpStream>> {
        timeout(patience, io.readable()).await??;
        // Never closed, so there is always a turn to come.
        let _turn = self.turns.acquire().await;
        let config = self.identity.borrow().config();
        timeout(HANDSHAKE, TlsAcceptor::from(config).accept(io)).await?
    }

    fn failed(&self, error: &io::Error) {
        let reason = reason::of(error);
        self.metrics.tls.failed(reason);
        if !reason::is_of_certificates(reason) {
            tracing::debug!(reason, %error, "data listener: no TLS");
            return;
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let last = told.get(reason);
        if last.is_none_or(|last| now.duration_since(*last) >= TELL_EVERY) {
            told.insert(reason, now);
            tracing::warn!(reason, %error, "data listener: a handshake failed");
        }
    }
}

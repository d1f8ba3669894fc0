//! Accepts connections and serves HTTP/1.1 and HTTP/2 (prior knowledge) on them, within bounds.

use super::address::{Address, bind_unix};
use super::first_byte::FirstByte;
use super::tls::Tls;
use super::{ReplyBody, Response};
use crate::contain::{self, Parts};
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};

/// Connections of one listener, at most. An Envoy holds one or two per worker.
const MAX_CONNECTIONS: usize = 1024;
/// Streams of one connection, at most: unary calls of one worker share a connection.
const MAX_STREAMS: u32 = 1024;
/// All header fields of a request, bytes. HTTP/2 derives from it how many CONTINUATION frames may follow one
/// another (CVE-2024-27316).
const MAX_HEADERS: u32 = 16 << 10;
/// Largest frame a peer may send, bytes: it is read whole before it counts against a window.
const MAX_FRAME: u32 = 16 << 10;
/// Bytes of one stream that HTTP/2 may hold for a peer that does not read: beyond, what is to be sent stays where
/// it is counted.
const MAX_SEND: usize = 64 << 10;
/// Unread bytes of one stream a peer may send.
const STREAM_WINDOW: u32 = 1 << 20;
/// Unread bytes of one connection a peer may send.
const CONNECTION_WINDOW: u32 = 8 << 20;
/// Reset streams not yet taken up: more is the rapid-reset attack (CVE-2023-44487).
const MAX_PENDING_RESETS: usize = 32;
/// Streams this side reset for errors of the peer: more is the same attack from the other side (CVE-2025-8671).
const MAX_OWN_RESETS: usize = 32;
/// A peer that is silent this long is asked whether it lives ...
const PING_EVERY: Duration = Duration::from_secs(10);
/// ... and is gone when it does not answer within this.
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// Time to send a first byte: who is silent from the start would hold its place for ever.
const FIRST_BYTE: Duration = Duration::from_secs(5);
/// Time to send a request's head over HTTP/1.1.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause when the process is out of descriptors: accepting again at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A bound socket.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// TCP, and TLS on it.
    Tls(TcpListener, Arc<Tls>),
    /// A Unix socket; its file is removed when this is dropped.
    Unix(UnixListener, SocketFile),
}

/// Removes a socket's file.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Gone already: nothing to tidy.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Listener {
    /// Binds `address`; `tls` is what one of TLS speaks.
    ///
    /// # Errors
    ///
    /// As the system says, or [`bind_unix`]; or an address of TLS lacks it.
    pub async fn bind(address: &Address, tls: Option<Arc<Tls>>) -> io::Result<Self> {
        match address {
            Address::Tcp(address) => Ok(Self::Tcp(TcpListener::bind(address).await?)),
            Address::Tls(address) => {
                let tls = tls.ok_or(io::ErrorKind::InvalidInput)?;
                Ok(Self::Tls(TcpListener::bind(address).await?, tls))
            }
            Address::Unix(path) => {
                let listener = UnixListener::from_std(bind_unix(path)?)?;
                Ok(Self::Unix(listener, SocketFile(path.clone())))
            }
        }
    }

    /// The address it is bound to; `None` for a Unix socket.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) | Self::Tls(listener, _) => listener.local_addr().ok(),
            Self::Unix(..) => None,
        }
    }
}

/// What answers requests.
pub trait Service: Send + Sync + 'static {
    /// Answers one request.
    fn call(&self, request: Request<Incoming>) -> impl Future<Output = Response> + Send;
}

/// Serves until `stop` turns true; then accepts no more, lets connections finish what they have, and
/// returns when all are closed. The caller bounds that in time.
pub async fn serve<S: Service>(
    listener: Listener,
    service: Arc<S>,
    mut stop: watch::Receiver<bool>,
) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            break;
        };
        let accepted = tokio::select! {
            accepted = accept(&listener) => accepted,
            () = stopped(&mut stop) => break,
        };
        match accepted {
            Ok(io) => {
                let (service, stop) = (Arc::clone(&service), stop.clone());
                tokio::spawn(contain::alone(accepted_one(io, service, stop, slot)));
            }
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    // Every connection holds a slot: with all of them back, none is left.
    let all = u32::try_from(MAX_CONNECTIONS).unwrap_or(u32::MAX);
    let _ = slots.acquire_many(all).await;
}

enum Io {
    Tcp(tokio::net::TcpStream),
    Tls(tokio::net::TcpStream, Arc<Tls>),
    Unix(tokio::net::UnixStream),
}

async fn accept(listener: &Listener) -> io::Result<Io> {
    match listener {
        Listener::Tcp(listener) => listener.accept().await.map(|(io, _)| Io::Tcp(io)),
        Listener::Tls(listener, tls) => {
            let accepted = listener.accept().await;
            accepted.map(|(io, _)| Io::Tls(io, Arc::clone(tls)))
        }
        Listener::Unix(listener, _) => listener.accept().await.map(|(io, _)| Io::Unix(io)),
    }
}

/// Until `stop` turns true, or nobody can turn it any more.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn accepted_one<S: Service>(
    io: Io,
    service: Arc<S>,
    mut stop: watch::Receiver<bool>,
    slot: tokio::sync::OwnedSemaphorePermit,
) {
    if let Io::Tcp(io) | Io::Tls(io, _) = &io {
        // Replies are small and waited for; Nagle's delay would be added to each.
        let _ = io.set_nodelay(true);
    }
    match io {
        Io::Tcp(io) => connection(io, service, stop, slot).await,
        Io::Tls(io, tls) => {
            let secured = tokio::select! {
                secured = tls.accept(io, FIRST_BYTE) => secured,
                () = stopped(&mut stop) => None,
            };
            if let Some(io) = secured {
                connection(io, service, stop, slot).await;
            }
        }
        Io::Unix(io) => connection(io, service, stop, slot).await,
    }
}

async fn connection<S: Service>(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: Arc<S>,
    mut stop: watch::Receiver<bool>,
    slot: tokio::sync::OwnedSemaphorePermit,
) {
    let service = service_fn(move |request| {
        let service = Arc::clone(&service);
        async move { Ok::<http::Response<ReplyBody>, Infallible>(service.call(request).await) }
    });
    let builder = builder();
    let mut served =
        pin!(builder.serve_connection(TokioIo::new(FirstByte::new(io, FIRST_BYTE)), service));
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stopped(&mut stop) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
    drop(slot);
}

fn builder() -> auto::Builder<Parts> {
    let mut builder = auto::Builder::new(Parts);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEADERS as usize * 4);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADERS)
        .max_frame_size(MAX_FRAME)
        .max_send_buf_size(MAX_SEND)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_OWN_RESETS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

//! One link: its listener, its live connections, what it is told to do.

use super::faults::{Accept, Faults, Way};
use super::pump::{self, Generation, Lane, Pace};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::watch;

/// A link as it is written down; addresses are `host:port` or `unix:/path`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkSpec {
    /// Its name.
    pub name: String,
    /// Where clients of the link connect.
    pub listen: String,
    /// Where they are passed on to.
    pub target: String,
}

/// A link at work.
#[derive(Debug)]
pub struct Link {
    spec: LinkSpec,
    /// What to do, with a number that grows when it changes.
    faults: watch::Sender<(Generation, Faults)>,
    /// Grows when live connections must be reset.
    resets: watch::Sender<u64>,
    /// The numbers of the connections there are.
    live: Mutex<BTreeSet<u64>>,
    total: AtomicU64,
    up: Pace,
    down: Pace,
}

/// A bound listener.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

/// Either kind of stream.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A stream, and a second descriptor of its socket for what only the socket can do.
struct Socket {
    stream: Box<dyn Stream>,
    descriptor: OwnedFd,
}

impl Link {
    /// A link that passes everything; it does not listen yet.
    pub fn new(spec: LinkSpec) -> Self {
        Self {
            spec,
            faults: watch::Sender::new((0, Faults::default())),
            resets: watch::Sender::new(0),
            live: Mutex::default(),
            total: AtomicU64::new(0),
            up: Pace::default(),
            down: Pace::default(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// What it was told, how many connections it has now and had in all, and the numbers of those it has.
    pub fn describe(&self) -> serde_json::Value {
        let live: Vec<u64> = self.live().iter().copied().collect();
        serde_json::json!({
            "name": self.spec.name,
            "listen": self.spec.listen,
            "target": self.spec.target,
            "connections": live.len(),
            "live": live,
            "accepted": self.total.load(Ordering::Relaxed),
            "faults": self.faults.borrow().1,
        })
    }

    /// Replaces what it does, for live connections too.
    pub fn set(&self, faults: Faults) {
        self.faults.send_modify(|(generation, current)| {
            *generation += 1;
            *current = faults;
        });
    }

    fn live(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resets all live connections.
    pub fn reset(&self) {
        self.resets.send_modify(|n| *n += 1);
    }

    /// Binds its address.
    ///
    /// # Errors
    /// When that is not possible.
    pub async fn listen(&self) -> Result<Listener> {
        let what = || format!("listen on {}", self.spec.listen);
        match self.spec.listen.strip_prefix("unix:") {
            Some(path) => {
                // A socket file that nobody listens on any more cannot be bound again.
                let _stale = std::fs::remove_file(path);
                UnixListener::bind(path)
                    .map(Listener::Unix)
                    .map_err(Error::io(what()))
            }
            None => {
                let bound = TcpListener::bind(&self.spec.listen).await;
                bound.map(Listener::Tcp).map_err(Error::io(what()))
            }
        }
    }

    /// Serves for ever.
    pub async fn run(self: Arc<Self>, listener: Listener) {
        let mut listener = Some(listener);
        let mut faults = self.faults.subscribe();
        loop {
            if faults.borrow_and_update().1.accept == Accept::Refuse {
                listener = None;
                // The sender lives as long as this link.
                let _changed = faults.changed().await;
                continue;
            }
            let bound = match &listener {
                Some(bound) => bound,
                None => match self.listen().await {
                    Ok(bound) => listener.insert(bound),
                    Err(_) => {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        continue;
                    }
                },
            };
            tokio::select! {
                _ = faults.changed() => {}
                accepted = accept(bound) => match accepted {
                    Ok(client) => {
                        let number = self.total.fetch_add(1, Ordering::Relaxed);
                        tokio::spawn(Arc::clone(&self).serve(number, client));
                    }
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                },
            }
        }
    }

    async fn serve(self: Arc<Self>, number: u64, client: Socket) {
        self.live().insert(number);
        let mut resets = self.resets.subscribe();
        let accept = self.faults.borrow().1.accept;
        tokio::select! {
            () = self.pass(number, client, accept) => {}
            _ = resets.changed() => {}
        }
        self.live().remove(&number);
    }

    /// Passes one connection on until both sides have ended or one is reset. Whoever drops this midway
    /// resets both: a socket lingers only when it ended in order.
    async fn pass(&self, connection: u64, client: Socket, accept: Accept) {
        let client = Abrupt::new(client);
        match accept {
            Accept::Reset => return,
            Accept::Hold => std::future::pending::<()>().await,
            Accept::Pass | Accept::Refuse => {}
        }
        let Ok(server) = connect(&self.spec.target).await.map(Abrupt::new) else {
            return;
        };
        let (from_client, to_client) = tokio::io::split(client.stream);
        let (from_server, to_server) = tokio::io::split(server.stream);
        let faults = || self.faults.subscribe();
        let lane = |way, pace| Lane {
            connection,
            way,
            pace,
        };
        let (up, down) = (lane(Way::Up, &self.up), lane(Way::Down, &self.down));
        let up = pump::pump(from_client, to_server, faults(), up);
        let down = pump::pump(from_server, to_client, faults(), down);
        if tokio::try_join!(up, down).is_ok() {
            client.guard.in_order();
            server.guard.in_order();
        }
    }
}

/// A socket that is reset when it is dropped, unless it ended in order.
struct Abrupt {
    stream: Box<dyn Stream>,
    guard: Guard,
}

struct Guard {
    descriptor: OwnedFd,
}

impl Abrupt {
    fn new(socket: Socket) -> Self {
        let guard = Guard {
            descriptor: socket.descriptor,
        };
        // Linger 0: closing sends a reset. Unix sockets have none and just close.
        let _tcp_only = socket2::SockRef::from(&guard.descriptor).set_linger(Some(Duration::ZERO));
        Self {
            stream: socket.stream,
            guard,
        }
    }
}

impl Guard {
    fn in_order(&self) {
        let _tcp_only = socket2::SockRef::from(&self.descriptor).set_linger(None);
    }
}

async fn accept(listener: &Listener) -> std::io::Result<Socket> {
    match listener {
        Listener::Tcp(listener) => socket(listener.accept().await?.0),
        Listener::Unix(listener) => {
            let (stream, _) = listener.accept().await?;
            Ok(Socket {
                descriptor: stream.as_fd().try_clone_to_owned()?,
                stream: Box::new(stream),
            })
        }
    }
}

async fn connect(target: &str) -> std::io::Result<Socket> {
    match target.strip_prefix("unix:") {
        Some(path) => {
            let stream = UnixStream::connect(path).await?;
            Ok(Socket {
                descriptor: stream.as_fd().try_clone_to_owned()?,
                stream: Box::new(stream),
            })
        }
        None => socket(TcpStream::connect(target).await?),
    }
}

fn socket(stream: TcpStream) -> std::io::Result<Socket> {
    stream.set_nodelay(true)?;
    Ok(Socket {
        descriptor: stream.as_fd().try_clone_to_owned()?,
        stream: Box::new(stream),
    })
}

#[cfg(test)]
mod tests;

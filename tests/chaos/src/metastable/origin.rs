//! An upstream whose capacity is known: so many requests at a time, so long each, the others wait in the order they
//! came. It works on what nobody waits for any more, as most servers do: that is what an overload lives on.

use crate::load::say;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tidegate_stack::{Error, Result};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};

/// A login takes so many times as long: a password is hashed (Argon2).
const LOGIN: u32 = 20;

/// What an upstream can do.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    /// Requests at a time.
    pub slots: usize,
    /// How long each takes.
    pub ms: u64,
    /// Bytes of a page.
    pub page_bytes: usize,
}

impl Capacity {
    /// Of so many requests at a time that take so long each; its pages are short.
    pub const fn new(slots: usize, ms: u64) -> Self {
        let page_bytes = 8;
        Self {
            slots,
            ms,
            page_bytes,
        }
    }

    /// Requests a second.
    pub fn per_second(self) -> u64 {
        u64::try_from(self.slots).unwrap_or(u64::MAX) * 1_000 / self.ms.max(1)
    }
}

/// An upstream at work; it ends with the value.
#[derive(Debug)]
pub struct Origin {
    port: u16,
    served: Arc<AtomicU64>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Origin {
    /// Serves on a free port of loopback. What is under `/page/` may be kept for ten minutes, the rest not at all.
    ///
    /// # Errors
    /// When there is no port.
    pub fn start(capacity: Capacity) -> Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .map_err(Error::io("listen on loopback"))?;
        let port = listener
            .local_addr()
            .map_err(Error::io("read a port"))?
            .port();
        let (end, ended) = oneshot::channel();
        let served = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&served);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            if let Ok(runtime) = runtime {
                let serving = async move {
                    tokio::select! {
                        () = serve(listener, capacity, count) => {}
                        _ = ended => {}
                    }
                };
                runtime.block_on(serving);
            }
        });
        Ok(Self {
            port,
            served,
            end: Some(end),
            thread: Some(thread),
        })
    }

    /// Where it is, `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Requests it has worked on.
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // Its panic is not ours.
            let _ended = thread.join();
        }
    }
}

async fn serve(listener: std::net::TcpListener, capacity: Capacity, served: Arc<AtomicU64>) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    let slots = Arc::new(Semaphore::new(capacity.slots));
    let time = Duration::from_millis(capacity.ms);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let _nodelay = stream.set_nodelay(true);
        let (slots, served) = (Arc::clone(&slots), Arc::clone(&served));
        let service = service_fn(move |request: Request<Incoming>| {
            let (slots, served) = (Arc::clone(&slots), Arc::clone(&served));
            async move {
                // A task of its own: it goes on when the connection is gone.
                let login = request.uri().path() == "/login";
                let work = tokio::spawn(async move {
                    let _slot = slots.acquire_owned().await;
                    tokio::time::sleep(time * if login { LOGIN } else { 1 }).await;
                    served.fetch_add(1, Ordering::Relaxed) + 1
                });
                let serial = work.await.unwrap_or_default();
                Ok::<_, Infallible>(answer(&request, serial, capacity.page_bytes))
            }
        });
        tokio::spawn(async move {
            let server = hyper::server::conn::http1::Builder::new();
            let ended = server.serve_connection(TokioIo::new(stream), service).await;
            // A client that goes away is nothing to report.
            let _end = ended.map_err(say);
        });
    }
}

fn answer(request: &Request<Incoming>, serial: u64, page_bytes: usize) -> Response<Full<Bytes>> {
    let (path, query) = (request.uri().path(), request.uri().query());
    let control = match path.starts_with("/page/") {
        true => "max-age=600",
        false => "no-store",
    };
    let mut answer = Response::builder()
        .header("cache-control", control)
        .header("surrogate-key", "pages");
    if path == "/login" {
        let nonce = request.headers().get("x-session-nonce");
        let nonce = nonce.and_then(|value| value.to_str().ok());
        let uid = query.and_then(|query| query.strip_prefix("uid="));
        let wish = serde_json::json!({ "n": nonce, "uid": uid });
        answer = answer.header("x-session-set", wish.to_string());
    }
    // All of its parts are constants, or were fields already.
    answer
        .body(Full::from(format!("{serial:page_bytes$}\n")))
        .unwrap_or_default()
}

//! An Envoy as its clients see it: connections that are kept, over HTTP/1.1 or HTTP/2.

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::{http1, http2};
use hyper::http::uri;
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::cell::RefCell;
use tokio::net::TcpStream;

/// How often a request that was never processed is sent on another connection (RFC 9113, 8.7: whoever is told so may send
/// it again, whatever its method).
const TRIES: u32 = 3;

type Body = Empty<Bytes>;

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Http {
    /// HTTP/1.1: a connection for each request that is under way.
    One,
    /// HTTP/2 with prior knowledge: all requests on one connection.
    Two,
}

/// One of them, and its idle connections.
#[derive(Debug)]
pub(super) struct Envoy {
    port: u16,
    http: Http,
    idle: RefCell<Vec<Sender>>,
}

#[derive(Debug)]
enum Sender {
    One(http1::SendRequest<Body>),
    Two(http2::SendRequest<Body>),
}

/// Why there is no answer.
enum Unanswered {
    /// It was not processed: here it is.
    Unsent(Request<Body>),
    Broken(String),
}

impl Envoy {
    /// On this port of loopback.
    pub(super) fn new(port: u16, http: Http) -> Self {
        Self {
            port,
            http,
            idle: RefCell::default(),
        }
    }

    /// Sends a request on a connection that is idle, or on a new one. `sent`: it is on its way.
    pub(super) async fn ask<T>(
        &self,
        mut request: Request<Body>,
        mut sent: impl FnMut(),
        read: impl AsyncFn(Response<Incoming>) -> Result<T, String>,
    ) -> Result<T, String> {
        for _ in 0..TRIES {
            let mut sender = match self.take() {
                Some(sender) => sender,
                None => self.connect().await?,
            };
            sent();
            match sender.send(request).await {
                Ok(answer) => {
                    let answer = read(answer).await?;
                    self.idle.borrow_mut().extend(sender.kept());
                    return Ok(answer);
                }
                Err(Unanswered::Unsent(back)) => request = back,
                Err(Unanswered::Broken(error)) => return Err(error),
            }
        }
        Err(format!("{TRIES} connections did not process it"))
    }

    /// Opens a connection for somebody who asks later.
    pub(super) async fn open(&self) -> Result<(), String> {
        let opened = self.connect().await?;
        self.idle.borrow_mut().push(opened);
        Ok(())
    }

    /// One that can be used at once; those that ended meanwhile are dropped.
    fn take(&self) -> Option<Sender> {
        let mut idle = self.idle.borrow_mut();
        while let Some(sender) = idle.pop() {
            match sender {
                Sender::One(one) if one.is_ready() => return Some(Sender::One(one)),
                Sender::Two(two) if two.is_ready() => {
                    idle.push(Sender::Two(two.clone()));
                    return Some(Sender::Two(two));
                }
                _ => {}
            }
        }
        None
    }

    async fn connect(&self) -> Result<Sender, String> {
        let stream = TcpStream::connect(("127.0.0.1", self.port))
            .await
            .map_err(|e| format!("connect: {e}"))?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        let stream = TokioIo::new(stream);
        // The end of a connection is seen by whoever uses it.
        match self.http {
            Http::One => {
                let (sender, connection) = http1::handshake(stream).await.map_err(say)?;
                tokio::task::spawn_local(async move { drop(connection.await) });
                Ok(Sender::One(sender))
            }
            Http::Two => {
                let made = http2::handshake(TokioExecutor::new(), stream).await;
                let (sender, connection) = made.map_err(say)?;
                tokio::task::spawn_local(async move { drop(connection.await) });
                self.idle.borrow_mut().push(Sender::Two(sender.clone()));
                Ok(Sender::Two(sender))
            }
        }
    }
}

impl Sender {
    async fn send(&mut self, request: Request<Body>) -> Result<Response<Incoming>, Unanswered> {
        match self {
            Self::One(one) => {
                let answer = one.send_request(request).await;
                answer.map_err(|error| Unanswered::Broken(say(error)))
            }
            Self::Two(two) => {
                let (request, again) = absolute(request);
                two.try_send_request(request).await.map_err(|mut failed| {
                    let unsent = failed.take_message();
                    let again = unsent.or_else(|| unprocessed(failed.error()).then_some(again));
                    match again {
                        Some(request) => Unanswered::Unsent(request),
                        None => Unanswered::Broken(say(failed.into_error())),
                    }
                })
            }
        }
    }

    /// What is idle again after an answer; one for all requests is never taken away.
    fn kept(self) -> Option<Self> {
        matches!(self, Self::One(_)).then_some(self)
    }
}

/// The target with its authority, as HTTP/2 has it, twice.
fn absolute(mut request: Request<Body>) -> (Request<Body>, Request<Body>) {
    let host = request.headers_mut().remove("host");
    if let Some(host) = host {
        let mut parts = uri::Parts::default();
        parts.scheme = Some(uri::Scheme::HTTP);
        parts.authority = uri::Authority::try_from(host.as_bytes()).ok();
        parts.path_and_query = request.uri().path_and_query().cloned();
        *request.uri_mut() = uri::Uri::from_parts(parts).unwrap_or_default();
    }
    (request.clone(), request)
}

/// The other side says that it has done nothing about it: a stream that it refused, or that came after its last one.
fn unprocessed(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error);
    let h2 = source.and_then(|source| source.downcast_ref::<h2::Error>());
    h2.is_some_and(|error| {
        let reason = error.reason();
        error.is_remote()
            && (error.is_reset() && reason == Some(h2::Reason::REFUSED_STREAM)
                || error.is_go_away() && reason == Some(h2::Reason::NO_ERROR))
    })
}

/// An error with its causes.
pub(crate) fn say(error: hyper::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

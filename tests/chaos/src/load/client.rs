//! Connections to the Envoys, and one request on one of them.

use crate::history::{Answer, Asked, Clock, End, Record};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpStream;

/// After that long a request is said to hang: no policy lets one wait for it.
pub const PATIENCE: Duration = Duration::from_secs(15);

pub(super) type Sender = SendRequest<Empty<Bytes>>;

/// Idle connections, by Envoy.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    clock: Clock,
    envoys: Rc<Vec<Envoy>>,
}

#[derive(Debug)]
struct Envoy {
    port: u16,
    idle: RefCell<Vec<Sender>>,
}

impl Pool {
    pub(super) fn new(clock: Clock, ports: &[u16]) -> Self {
        let envoy = |port: &u16| Envoy {
            port: *port,
            idle: RefCell::default(),
        };
        Self {
            clock,
            envoys: Rc::new(ports.iter().map(envoy).collect()),
        }
    }

    /// Sends `request` to the Envoy of that index; how it ended.
    pub(super) async fn send(
        &self,
        envoy: usize,
        asked: Asked,
        request: Request<Empty<Bytes>>,
        due_ns: u64,
    ) -> Record {
        let mut sent_ns = self.clock.ns();
        let whole = self.exchange(envoy, request, &mut sent_ns);
        let end = match tokio::time::timeout(PATIENCE, whole).await {
            Ok(Ok(answer)) => End::Answer(answer),
            Ok(Err(error)) => End::Broken(error),
            Err(_) => End::Hung,
        };
        Record {
            asked,
            due_ns,
            sent_ns,
            end_ns: self.clock.ns(),
            envoy: u16::try_from(envoy).unwrap_or(u16::MAX),
            end,
        }
    }

    async fn exchange(
        &self,
        index: usize,
        request: Request<Empty<Bytes>>,
        sent_ns: &mut u64,
    ) -> Result<Answer, String> {
        let envoy = self.envoys.get(index).ok_or("no such Envoy")?;
        let mut sender = match envoy.take() {
            Some(sender) => sender,
            None => connect(envoy.port).await?,
        };
        *sent_ns = self.clock.ns();
        let answer = sender.send_request(request).await;
        let answer = read(answer.map_err(say)?).await?;
        envoy.idle.borrow_mut().push(sender);
        Ok(answer)
    }
}

impl Envoy {
    /// One that can be used at once; those that ended meanwhile are dropped.
    fn take(&self) -> Option<Sender> {
        let mut idle = self.idle.borrow_mut();
        while let Some(sender) = idle.pop() {
            if sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }
}

pub(super) async fn connect(port: u16) -> Result<Sender, String> {
    let stream = TcpStream::connect(("127.0.0.1", port))
        .await
        .map_err(|e| format!("connect: {e}"))?;
    stream.set_nodelay(true).map_err(|e| e.to_string())?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(say)?;
    tokio::task::spawn_local(async move {
        // Its end is seen by whoever uses it.
        let _end = connection.await;
    });
    Ok(sender)
}

async fn read(response: Response<Incoming>) -> Result<Answer, String> {
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(say)?.to_bytes();
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let left = text("ratelimit").and_then(|value| {
        let rest = value.split_once(";r=")?.1;
        rest.split([';', ',']).next()?.trim().parse().ok()
    });
    let hit = text("cache-status").is_some_and(|value| value.contains("; hit"));
    Ok(Answer {
        status: head.status.as_u16(),
        left,
        user: user(&body),
        serial: std::str::from_utf8(&body)
            .ok()
            .and_then(|text| text.trim().parse().ok()),
        hit,
        sets_cookie: head.headers.contains_key("set-cookie"),
    })
}

/// The user in what `/me` answers: the request's fields, as the upstream got them.
fn user(body: &[u8]) -> Option<String> {
    if !body.starts_with(b"{") {
        return None;
    }
    let echo: serde_json::Value = serde_json::from_slice(body).ok()?;
    let fields = echo.get("headers")?.as_array()?;
    let user = fields
        .iter()
        .find(|field| field.get(0).and_then(|n| n.as_str()) == Some("x-session-user"))?;
    user.get(1)?.as_str().map(str::to_owned)
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

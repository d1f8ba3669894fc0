//! Requests to the Envoys, and what became of each.

use super::envoy::{Envoy, Http, say};
use crate::history::{Answer, Asked, Clock, End, Record};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, Response, body::Incoming};
use std::rc::Rc;
use std::time::Duration;

/// After that long a request is said to hang: no policy lets one wait for it.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// Where requests go.
#[derive(Debug, Clone)]
pub struct Proxies {
    /// Of the Envoys, on loopback.
    pub ports: Vec<u16>,
    /// As often over HTTP/2 as over HTTP/1.1.
    pub http2: bool,
}

/// The ways to the Envoys.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    clock: Clock,
    /// With the index of the Envoy.
    ways: Rc<Vec<(u16, Envoy)>>,
}

impl Pool {
    pub(super) fn new(clock: Clock, proxies: &Proxies) -> Self {
        let spoken: &[Http] = match proxies.http2 {
            true => &[Http::One, Http::Two],
            false => &[Http::One],
        };
        let ways = spoken.iter().flat_map(|http| {
            let way = |(index, port): (u16, &u16)| (index, Envoy::new(*port, *http));
            (0..).zip(&proxies.ports).map(way)
        });
        Self {
            clock,
            ways: Rc::new(ways.collect()),
        }
    }

    /// Sends the request of that turn: one way after the other. How it ended.
    pub(super) async fn send(
        &self,
        turn: usize,
        asked: Asked,
        request: Request<Empty<Bytes>>,
        due_ns: u64,
    ) -> Record {
        let mut sent_ns = self.clock.ns();
        let way = self.ways.get(turn % self.ways.len().max(1));
        let end = match way {
            None => End::Broken("no such Envoy".to_owned()),
            Some((_, envoy)) => {
                let whole = envoy.ask(request, || sent_ns = self.clock.ns(), read);
                match tokio::time::timeout(PATIENCE, whole).await {
                    Ok(Ok(answer)) => End::Answer(answer),
                    Ok(Err(error)) => End::Broken(error),
                    Err(_) => End::Hung,
                }
            }
        };
        Record {
            asked,
            due_ns,
            sent_ns,
            end_ns: self.clock.ns(),
            envoy: way.map_or(u16::MAX, |(index, _)| *index),
            end,
        }
    }
}

pub(super) async fn read(response: Response<Incoming>) -> Result<Answer, String> {
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

//! Connections whose requests may be given up: the connection ends then, as a browser's does.

use super::envoy::{Envoy, Http, say};
use crate::metastable::visitors::Ask;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, Response, body::Incoming};

/// The ways to the Envoys.
#[derive(Debug)]
pub(crate) struct Connections(Vec<Envoy>);

/// What a visitor hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) retry_after_s: Option<u64>,
    /// The token of a session that was made.
    pub(crate) session: Option<String>,
}

impl Connections {
    /// To the Envoys on these ports of loopback.
    pub(crate) fn new(ports: &[u16]) -> Self {
        let envoy = |port: &u16| Envoy::new(*port, Http::One);
        Self(ports.iter().map(envoy).collect())
    }

    /// Asks the Envoy of that index. Whoever drops this midway closes its connection.
    pub(crate) async fn send(&self, envoy: usize, ask: &Ask) -> Result<Reply, String> {
        let mut request = Request::builder()
            .uri(&ask.target)
            .header("host", "chaos.example");
        for (name, value) in &ask.fields {
            request = request.header(*name, value);
        }
        let request = request
            .body(Empty::<Bytes>::new())
            .map_err(|e| e.to_string())?;
        let envoy = self.0.get(envoy).ok_or("no such Envoy")?;
        envoy.ask(request, || {}, reply).await
    }
}

async fn reply(answer: Response<Incoming>) -> Result<Reply, String> {
    let (head, body) = answer.into_parts();
    body.collect().await.map_err(say)?;
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let cookie = text("set-cookie").and_then(|value| value.strip_prefix("sid="));
    let session = cookie.and_then(|value| value.split(';').next());
    Ok(Reply {
        status: head.status.as_u16(),
        retry_after_s: text("retry-after").and_then(|value| value.parse().ok()),
        session: session.filter(|t| !t.is_empty()).map(str::to_owned),
    })
}

//! The HTTP API of the fault proxies.

use super::faults::Faults;
use super::link::Link;
use crate::upstream::request::{Framing, Request};
use crate::{Error, Result};
use serde_json::json;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Largest request, bytes.
const REQUEST_MAX: usize = 64 * 1024;

pub(super) async fn serve(address: &str, links: Arc<[Arc<Link>]>) -> Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(Error::io(format!("listen on {address}")))?;
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            let links = Arc::clone(&links);
            tokio::spawn(async move {
                // Whoever asked and went away needs no answer.
                let _end = connection(stream, &links).await;
            });
        }
    }
}

/// One request for each connection.
async fn connection(mut stream: TcpStream, links: &[Arc<Link>]) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    let (status, body) = loop {
        if let Ok(Some(request)) = Request::parse(&buffer)
            && let Framing::Length(length) = request.framing()
            && let Some(body) = buffer.get(request.length..request.length + length)
        {
            break answer(&request.method, request.path(), body, links);
        }
        if buffer.len() > REQUEST_MAX || stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    };
    let text = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} \r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        text.len()
    );
    stream.write_all(format!("{head}{text}").as_bytes()).await
}

fn answer(method: &str, path: &str, body: &[u8], links: &[Arc<Link>]) -> (u16, serde_json::Value) {
    let error = |status: u16, text: String| (status, json!({ "error": text }));
    let mut segments = path.trim_start_matches('/').splitn(3, '/');
    let (first, name, verb) = (segments.next(), segments.next(), segments.next());
    if first != Some("links") {
        return error(
            404,
            format!("{path}: want /links, /links/NAME or /links/NAME/reset"),
        );
    }
    let named: Vec<&Arc<Link>> = match name {
        None | Some("") => links.iter().collect(),
        Some(name) => links
            .iter()
            .filter(|link| matches(name, link.name()))
            .collect(),
    };
    if named.is_empty() {
        return error(
            404,
            format!("no link is called {}", name.unwrap_or_default()),
        );
    }
    match (method, verb) {
        ("GET", None) => {}
        ("PUT", None) => match serde_json::from_slice::<Faults>(body) {
            Ok(faults) => named.iter().for_each(|link| link.set(faults.clone())),
            Err(e) => return error(400, e.to_string()),
        },
        ("DELETE", None) => named.iter().for_each(|link| link.set(Faults::default())),
        ("POST", Some("reset")) => named.iter().for_each(|link| link.reset()),
        _ => return error(405, "GET, PUT, DELETE, or POST .../reset".into()),
    }
    (
        200,
        json!({ "links": named.iter().map(|link| link.describe()).collect::<Vec<_>>() }),
    )
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

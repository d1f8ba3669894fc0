//! A small blocking HTTP/1.1 client that sends what it is told, byte for byte.
//!
//! Tests need requests no well-behaved client library sends (doubled fields, bytes that are not UTF-8, odd
//! paths), Unix sockets, and answers exactly as they came.

mod message;
mod read;

pub use message::{Request, Response};

use crate::{Error, Result};
use read::Reader;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `host:port`.
    Tcp(String),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// Reads `http://host:port`, `host:port` or `unix:/path`.
    pub fn parse(text: &str) -> Self {
        match text.strip_prefix("unix:") {
            Some(path) => Self::Unix(path.into()),
            None => {
                let text = text.strip_prefix("http://").unwrap_or(text);
                Self::Tcp(text.trim_end_matches('/').into())
            }
        }
    }
}

/// One connection, opened when needed and kept while the server keeps it.
#[derive(Debug)]
pub struct Client {
    address: Address,
    timeout: Duration,
    connection: Option<Reader<Stream>>,
}

impl Client {
    /// A client of the server at `address` (see [`Address::parse`]); every read waits at most 10 s.
    pub fn new(address: &str) -> Self {
        Self {
            address: Address::parse(address),
            timeout: Duration::from_secs(10),
            connection: None,
        }
    }

    /// The same with another limit for each read and write.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// `GET target`.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub fn get(&mut self, target: &str) -> Result<Response> {
        self.send(&Request::get(target))
    }

    /// Sends a request and reads the whole answer. A kept connection that the server had closed before the
    /// first byte of an answer is replaced once (RFC 9112, section 9.3.1).
    ///
    /// # Errors
    /// When connecting, writing or reading fails, or the answer is not HTTP/1.1.
    pub fn send(&mut self, request: &Request) -> Result<Response> {
        let bytes = request.encode(&self.host());
        let kept = self.connection.is_some();
        match self.exchange(&bytes, request.is_head()) {
            Err(Failure::BeforeAnswer(_)) if kept => {
                self.connection = None;
                self.exchange(&bytes, request.is_head())
                    .map_err(|f| self.explain(request, f))
            }
            other => other.map_err(|f| self.explain(request, f)),
        }
    }

    /// Sends these bytes on a connection of their own and returns all that comes until its end or `limit`.
    ///
    /// # Errors
    /// When connecting or writing fails.
    pub fn raw(&self, bytes: &[u8], limit: Duration) -> Result<Vec<u8>> {
        let what = || format!("raw request to {:?}", self.address);
        let mut stream = self.connect(limit).map_err(Error::io(what()))?;
        stream.write_all(bytes).map_err(Error::io(what()))?;
        let mut answer = Vec::new();
        // A reset or the limit ends the answer just as the end of the stream does.
        let _end = stream.read_to_end(&mut answer);
        Ok(answer)
    }

    fn exchange(&mut self, bytes: &[u8], head: bool) -> std::result::Result<Response, Failure> {
        let mut reader = match self.connection.take() {
            Some(reader) => reader,
            None => Reader::new(self.connect(self.timeout).map_err(Failure::Broken)?),
        };
        reader
            .inner()
            .write_all(bytes)
            .map_err(Failure::BeforeAnswer)?;
        let (response, keep) = reader.response(head)?;
        if keep {
            self.connection = Some(reader);
        }
        Ok(response)
    }

    fn connect(&self, timeout: Duration) -> std::io::Result<Stream> {
        match &self.address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(timeout))?;
                stream.set_write_timeout(Some(timeout))?;
                Ok(Stream::Tcp(stream))
            }
            Address::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(timeout))?;
                stream.set_write_timeout(Some(timeout))?;
                Ok(Stream::Unix(stream))
            }
        }
    }

    fn host(&self) -> String {
        match &self.address {
            Address::Tcp(address) => address.clone(),
            Address::Unix(_) => "localhost".into(),
        }
    }

    fn explain(&self, request: &Request, failure: Failure) -> Error {
        let what = format!("{} {:?}", request.line(), self.address);
        match failure {
            Failure::BeforeAnswer(e) | Failure::Broken(e) => Error::io(what)(e),
            Failure::Malformed(got) => Error::Answer { what, got },
        }
    }
}

/// Why there is no answer.
#[derive(Debug)]
enum Failure {
    /// The connection ended before the first byte of an answer.
    BeforeAnswer(std::io::Error),
    /// It ended later, or was never there.
    Broken(std::io::Error),
    /// The answer is not HTTP/1.1.
    Malformed(String),
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(into),
            Self::Unix(stream) => stream.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;

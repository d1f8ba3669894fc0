//! Reading an answer: head, then a body framed by length, by chunks or by the end of the connection.

use super::{Failure, Response};
use std::io::{ErrorKind, Read};

/// Most fields of an answer.
const FIELDS_MAX: usize = 128;
/// Largest head of an answer, bytes.
const HEAD_MAX: usize = 256 * 1024;

/// A stream with what was read of it but not used yet.
#[derive(Debug)]
pub(super) struct Reader<S> {
    stream: S,
    buffer: Vec<u8>,
}

/// A parsed head.
struct Head {
    status: u16,
    fields: Vec<(String, Vec<u8>)>,
    length: usize,
}

impl<S: Read> Reader<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    pub(super) fn inner(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The next answer that is not informational, and whether the connection may be used again.
    pub(super) fn response(&mut self, head_only: bool) -> Result<(Response, bool), Failure> {
        let mut head = self.head()?;
        while (100..200).contains(&head.status) && head.status != 101 {
            head = self.head()?;
        }
        let value = |name: &str| {
            let found = head.fields.iter().find(|(n, _)| n == name);
            found.map(|(_, v)| String::from_utf8_lossy(v).to_ascii_lowercase())
        };
        let mut keep = value("connection").is_none_or(|v| v != "close");
        let body = if head_only || head.status == 204 || head.status == 304 {
            Vec::new()
        } else if value("transfer-encoding").is_some_and(|v| v.contains("chunked")) {
            self.chunks()?
        } else if let Some(length) = value("content-length") {
            let length = length
                .trim()
                .parse()
                .map_err(|_| malformed("content-length", &length))?;
            self.exactly(length)?
        } else {
            keep = false;
            self.rest()?
        };
        Ok((
            Response {
                status: head.status,
                fields: head.fields,
                body,
            },
            keep,
        ))
    }

    fn head(&mut self) -> Result<Head, Failure> {
        loop {
            if let Some(head) = parse(&self.buffer)? {
                self.buffer.drain(..head.length);
                return Ok(head);
            }
            if self.buffer.len() > HEAD_MAX {
                return Err(malformed("head", "it does not end"));
            }
            let fresh = self.buffer.is_empty();
            self.more().map_err(|e| match e {
                Failure::Broken(e) if fresh && e.kind() != ErrorKind::WouldBlock => {
                    Failure::BeforeAnswer(e)
                }
                other => other,
            })?;
        }
    }

    fn exactly(&mut self, length: usize) -> Result<Vec<u8>, Failure> {
        while self.buffer.len() < length {
            self.more()?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    fn rest(&mut self) -> Result<Vec<u8>, Failure> {
        loop {
            match self.more() {
                Ok(()) => {}
                Err(Failure::Broken(e)) if e.kind() == ErrorKind::UnexpectedEof => {
                    return Ok(std::mem::take(&mut self.buffer));
                }
                Err(e) => return Err(e),
            }
        }
    }

    fn chunks(&mut self) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let size =
                usize::from_str_radix(digits, 16).map_err(|_| malformed("chunk size", &line))?;
            if size == 0 {
                // Trailers, up to the empty line.
                while !self.line()?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.exactly(size)?);
            self.line()?;
        }
    }

    fn line(&mut self) -> Result<String, Failure> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return Ok(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
            }
            self.more()?;
        }
    }

    fn more(&mut self) -> Result<(), Failure> {
        let mut chunk = [0; 16 * 1024];
        loop {
            return match self.stream.read(&mut chunk) {
                Ok(0) => Err(Failure::Broken(ErrorKind::UnexpectedEof.into())),
                Ok(n) => {
                    self.buffer.extend_from_slice(&chunk[..n]);
                    Ok(())
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => Err(Failure::Broken(e)),
            };
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Option<Head>, Failure> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    match response.parse(bytes) {
        Ok(httparse::Status::Partial) => Ok(None),
        Ok(httparse::Status::Complete(length)) => Ok(Some(Head {
            status: response.code.unwrap_or(0),
            fields: response
                .headers
                .iter()
                .map(|field| (field.name.to_ascii_lowercase(), field.value.to_vec()))
                .collect(),
            length,
        })),
        Err(e) => Err(malformed(&e.to_string(), &String::from_utf8_lossy(bytes))),
    }
}

fn malformed(what: &str, got: &str) -> Failure {
    Failure::Malformed(format!("{what}: {got}"))
}

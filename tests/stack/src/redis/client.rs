//! A small blocking Redis client for tests and for starting clusters.

use crate::{Error, Result};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A reply, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// `*n`
    Array(Vec<Reply>),
    /// `-`
    Error(String),
    /// `:`
    Integer(i64),
    /// `$-1` or `*-1`
    Nil,
    /// `$n` or `+`
    Text(Vec<u8>),
}

impl Reply {
    /// A text or a number as text; empty for everything else.
    pub fn text(&self) -> String {
        match self {
            Self::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Integer(n) => n.to_string(),
            Self::Error(message) => message.clone(),
            Self::Array(_) | Self::Nil => String::new(),
        }
    }

    /// A number, also one in a text.
    pub fn int(&self) -> Option<i64> {
        match self {
            Self::Integer(n) => Some(*n),
            Self::Text(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
            _ => None,
        }
    }

    /// The items of an array; none for everything else.
    pub fn items(&self) -> &[Self] {
        match self {
            Self::Array(items) => items,
            _ => &[],
        }
    }
}

/// One server, by address; each call opens a connection of its own.
#[derive(Debug, Clone)]
pub struct Server {
    address: String,
}

impl Server {
    /// The server at `host:port`.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
        }
    }

    /// Its `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Sends one command, as the default user. An error reply is an [`Reply::Error`].
    ///
    /// # Errors
    /// When the server cannot be reached or does not speak RESP2.
    pub fn call<A: AsRef<[u8]>>(&self, command: &[A]) -> Result<Reply> {
        let what = || format!("redis {}", self.address);
        let mut stream = TcpStream::connect(&self.address).map_err(Error::io(what()))?;
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .map_err(Error::io(what()))?;
        let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
        for argument in command {
            let argument = argument.as_ref();
            bytes.extend(format!("${}\r\n", argument.len()).bytes());
            bytes.extend_from_slice(argument);
            bytes.extend_from_slice(b"\r\n");
        }
        stream.write_all(&bytes).map_err(Error::io(what()))?;
        read(&mut BufReader::new(stream)).map_err(Error::io(what()))
    }

    /// One field of `INFO`, for example `evicted_keys`.
    ///
    /// # Errors
    /// As [`Server::call`].
    pub fn info(&self, field: &str) -> Result<Option<String>> {
        let all = self.call(&["INFO", "everything"])?.text();
        Ok(all
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
            .map(|value| value.trim().to_owned()))
    }

    /// How many keys have no TTL, found in steps.
    ///
    /// # Errors
    /// As [`Server::call`], or when the server refuses.
    pub fn keys_without_ttl(&self) -> Result<i64> {
        let script = "local cursor, without = '0', 0 repeat \
                      local found = redis.call('SCAN', cursor, 'COUNT', 1000) cursor = found[1] \
                      for _, key in ipairs(found[2]) do \
                      if redis.call('PTTL', key) == -1 then without = without + 1 end end \
                      until cursor == '0' return without";
        match self.call(&["EVAL", script, "0"])? {
            Reply::Integer(count) => Ok(count),
            other => Err(Error::Answer {
                what: format!("redis {}: keys without a TTL", self.address),
                got: format!("{other:?}"),
            }),
        }
    }

    /// How often each command ran, from `INFO commandstats`, by lower-case name (`config|get`).
    ///
    /// # Errors
    /// As [`Server::call`].
    pub fn commands(&self) -> Result<std::collections::BTreeMap<String, u64>> {
        let all = self.call(&["INFO", "commandstats"])?.text();
        let one = |line: &str| {
            let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            let calls = rest.split(',').next()?.parse().ok()?;
            Some((name.to_owned(), calls))
        };
        Ok(all.lines().filter_map(one).collect())
    }
}

fn read(stream: &mut impl BufRead) -> std::io::Result<Reply> {
    let garbage = || std::io::Error::other("not RESP2");
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let line = line.trim_end();
    let (kind, rest) = line.split_at_checked(1).ok_or_else(garbage)?;
    let number = || rest.parse::<i64>().map_err(|_| garbage());
    match kind {
        "+" => Ok(Reply::Text(rest.into())),
        "-" => Ok(Reply::Error(rest.into())),
        ":" => Ok(Reply::Integer(number()?)),
        "$" => match usize::try_from(number()?) {
            Err(_) => Ok(Reply::Nil),
            Ok(length) => {
                let mut bytes = vec![0; length + 2];
                stream.read_exact(&mut bytes)?;
                bytes.truncate(length);
                Ok(Reply::Text(bytes))
            }
        },
        "*" => match usize::try_from(number()?) {
            Err(_) => Ok(Reply::Nil),
            Ok(count) => (0..count)
                .map(|_| read(stream))
                .collect::<std::io::Result<_>>()
                .map(Reply::Array),
        },
        _ => Err(garbage()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_reply() {
        let mut bytes: &[u8] = b"*5\r\n$2\r\nhi\r\n:-3\r\n+OK\r\n$-1\r\n-ERR no\r\n";
        let expected = Reply::Array(vec![
            Reply::Text(b"hi".into()),
            Reply::Integer(-3),
            Reply::Text(b"OK".into()),
            Reply::Nil,
            Reply::Error("ERR no".into()),
        ]);
        assert_eq!(read(&mut bytes).unwrap(), expected);
        assert!(read(&mut &b"HTTP/1.1 400\r\n"[..]).is_err());
        assert!(read(&mut &b""[..]).is_err());
    }
}

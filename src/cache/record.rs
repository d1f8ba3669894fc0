//! The bytes that are stored: a versioned record with the whole tuple it answers, and a checksum.
//!
//! Version 1, integers big-endian, `str` = u16 length and bytes, `bytes` = u32 length and bytes:
//!
//! ```text
//! u8 version = 1
//! str url   str policy   u8 n (str name  u8 present  [bytes value])*n     what it answers
//! u64 lifetime_ms   u16 status   u16 n (str name  bytes value)*n   bytes body
//! u32 crc32 of everything before it
//! ```
//!
//! A version's layout is frozen: a change makes a new version, and a version that is not known is a
//! miss. The URL, the policy and the selected request fields are stored and compared, because a hash
//! that names a record proves nothing about what it answers (invariant C4).

use super::crc::crc32;
use super::list;
use core::fmt;

/// The version that is written.
pub const VERSION: u8 = 1;
/// Header lines in a record, at most.
pub const MAX_HEADERS: usize = 256;

/// One stored answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// Canonical URL.
    pub url: &'a [u8],
    /// Name of the policy under which it was stored.
    pub policy: &'a str,
    /// The Vary names with the normalised values of the request it answers.
    pub vary: Vec<(&'a str, Option<&'a [u8]>)>,
    /// Freshness lifetime counted from birth (age 0), milliseconds.
    pub lifetime_ms: u64,
    /// Status, 200..=599.
    pub status: u16,
    /// Header lines, names lower-case.
    pub headers: Vec<(&'a str, &'a [u8])>,
    /// The whole body.
    pub body: &'a [u8],
}

/// Why bytes are no record, or an answer makes none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordError {
    /// The checksum does not match.
    Checksum,
    /// A value that the format or HTTP does not allow; which.
    Field(&'static str),
    /// Bytes are missing, or left over.
    Length,
    /// Another version.
    Version(u8),
}

impl<'a> Record<'a> {
    /// Reads a record. Linear; any other bytes than those [`Record::encode`] wrote are an error.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let version = *bytes.first().ok_or(RecordError::Length)?;
        if version != VERSION {
            return Err(RecordError::Version(version));
        }
        let (content, sum) = bytes.split_last_chunk::<4>().ok_or(RecordError::Length)?;
        if crc32(content) != u32::from_be_bytes(*sum) {
            return Err(RecordError::Checksum);
        }
        let mut reader = Reader(content.get(1..).ok_or(RecordError::Length)?);
        let url = reader.short()?;
        let policy = reader.text("policy")?;
        let mut vary = Vec::new();
        for _ in 0..reader.u8()? {
            let name = reader.text("vary")?;
            let value = match reader.u8()? {
                0 => None,
                1 => Some(reader.long()?),
                _ => return Err(RecordError::Field("vary")),
            };
            vary.push((name, value));
        }
        let lifetime_ms = u64::from_be_bytes(reader.take()?);
        let status = reader.u16()?;
        let count = usize::from(reader.u16()?);
        let mut headers = Vec::with_capacity(count.min(MAX_HEADERS));
        for _ in 0..count {
            headers.push((reader.text("header name")?, reader.long()?));
        }
        let body = reader.long()?;
        let record = Self {
            url,
            policy,
            vary,
            lifetime_ms,
            status,
            headers,
            body,
        };
        if !reader.0.is_empty() {
            return Err(RecordError::Length);
        }
        record.check()?;
        Ok(record)
    }

    /// The bytes to store.
    pub fn encode(&self) -> Result<Vec<u8>, RecordError> {
        self.check()?;
        let size = self
            .headers
            .iter()
            .map(|(n, v)| n.len().saturating_add(v.len()).saturating_add(6))
            .sum::<usize>();
        let mut out = Vec::with_capacity(size.saturating_add(self.body.len()).saturating_add(512));
        out.push(VERSION);
        short(&mut out, self.url, "url")?;
        short(&mut out, self.policy.as_bytes(), "policy")?;
        out.push(u8::try_from(self.vary.len()).map_err(|_| RecordError::Field("vary"))?);
        for (name, value) in &self.vary {
            short(&mut out, name.as_bytes(), "vary")?;
            out.push(u8::from(value.is_some()));
            if let Some(value) = value {
                long(&mut out, value, "vary")?;
            }
        }
        out.extend_from_slice(&self.lifetime_ms.to_be_bytes());
        out.extend_from_slice(&self.status.to_be_bytes());
        let count = u16::try_from(self.headers.len()).map_err(|_| RecordError::Field("headers"))?;
        out.extend_from_slice(&count.to_be_bytes());
        for (name, value) in &self.headers {
            short(&mut out, name.as_bytes(), "header name")?;
            long(&mut out, value, "header value")?;
        }
        long(&mut out, self.body, "body")?;
        out.extend_from_slice(&crc32(&out).to_be_bytes());
        Ok(out)
    }

    /// The value of the first line of `name`, if all lines of it are one.
    pub fn only(&self, name: &str) -> Option<&'a [u8]> {
        let mut lines = self.headers.iter().filter(|(other, _)| *other == name);
        match (lines.next(), lines.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    /// What must hold of every record, read or written: nothing in it can break a message it is
    /// replayed into.
    fn check(&self) -> Result<(), RecordError> {
        let name_ok = |name: &str| {
            list::is_token(name.as_bytes()) && !name.bytes().any(|b| b.is_ascii_uppercase())
        };
        let rules = [
            (
                !self.url.is_empty() && self.url.len() <= super::key::MAX_URL,
                "url",
            ),
            (self.vary.len() <= super::vary::MAX_NAMES, "vary"),
            (self.vary.iter().all(|(name, _)| name_ok(name)), "vary"),
            ((200..=599).contains(&self.status), "status"),
            (self.headers.len() <= MAX_HEADERS, "headers"),
            (
                self.headers.iter().all(|(name, _)| name_ok(name)),
                "header name",
            ),
            (
                self.headers
                    .iter()
                    .all(|(_, value)| !value.iter().any(|b| b"\r\n\0".contains(b))),
                "header value",
            ),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, what)) => Err(RecordError::Field(what)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checksum => f.write_str("record: checksum does not match"),
            Self::Field(what) => write!(f, "record: bad {what}"),
            Self::Length => f.write_str("record: truncated, or bytes left over"),
            Self::Version(version) => write!(f, "record: version {version}, this reads {VERSION}"),
        }
    }
}

impl core::error::Error for RecordError {}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(RecordError::Length)?;
        self.0 = tail;
        Ok(*head)
    }

    fn u8(&mut self) -> Result<u8, RecordError> {
        self.take::<1>().map(u8::from_be_bytes)
    }

    fn u16(&mut self) -> Result<u16, RecordError> {
        self.take().map(u16::from_be_bytes)
    }

    fn slice(&mut self, len: usize) -> Result<&'a [u8], RecordError> {
        let (head, tail) = self.0.split_at_checked(len).ok_or(RecordError::Length)?;
        self.0 = tail;
        Ok(head)
    }

    fn short(&mut self) -> Result<&'a [u8], RecordError> {
        let len = self.u16()?;
        self.slice(usize::from(len))
    }

    fn long(&mut self) -> Result<&'a [u8], RecordError> {
        let len = u32::from_be_bytes(self.take()?);
        self.slice(usize::try_from(len).map_err(|_| RecordError::Length)?)
    }

    fn text(&mut self, what: &'static str) -> Result<&'a str, RecordError> {
        core::str::from_utf8(self.short()?).map_err(|_| RecordError::Field(what))
    }
}

fn short(out: &mut Vec<u8>, bytes: &[u8], what: &'static str) -> Result<(), RecordError> {
    let len = u16::try_from(bytes.len()).map_err(|_| RecordError::Field(what))?;
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

fn long(out: &mut Vec<u8>, bytes: &[u8], what: &'static str) -> Result<(), RecordError> {
    let len = u32::try_from(bytes.len()).map_err(|_| RecordError::Field(what))?;
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests;

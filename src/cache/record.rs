//! The bytes that are stored: a versioned record with the whole tuple it answers, and a checksum.
//!
//! Version 2, integers big-endian, `str` = u16 length and bytes, `bytes` = u32 length and bytes:
//!
//! ```text
//! u8 version = 2
//! str url   str policy   u8 n (str name  u8 present  [bytes value])*n     what it answers,
//! u8 n (u8 present  [bytes value])*n                                      and for whom
//! u64 lifetime_ms  u64 stale_while_ms  u64 stale_error_ms  u32 fill_ms  u8 flags     how it may be used
//! u16 status   u16 n (str name  bytes value)*n   bytes body
//! u32 crc32 of everything before it
//! ```
//!
//! Version 1 had `lifetime_ms` alone in the third line, and no second; it is still read. A version's layout
//! is frozen: a change makes a new version, and a version that is not known is a miss. The URL, the policy and the selected request fields are stored and compared, because a hash
//! that names a record proves nothing about what it answers (invariant C4).

use super::crc::crc32;
use super::list;
use core::fmt;

/// The version that is written.
pub const VERSION: u8 = 2;
/// Header lines in a record, at most.
pub const MAX_HEADERS: usize = 256;
/// Parts of a policy's own `key`, at most.
pub const MAX_EXTRAS: usize = 8;

/// One stored answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// Canonical URL.
    pub url: &'a [u8],
    /// Name of the policy under which it was stored.
    pub policy: &'a str,
    /// The Vary names with the normalised values of the request it answers.
    pub vary: Vec<(&'a str, Option<&'a [u8]>)>,
    /// Values of the policy's own `key`, in its order; `None`: the request had none.
    pub extras: Vec<Option<&'a [u8]>>,
    /// Freshness lifetime counted from birth (age 0), milliseconds.
    pub lifetime_ms: u64,
    /// How it may be used.
    pub usage: Usage,
    /// Status, 200..=599.
    pub status: u16,
    /// Header lines, names lower-case.
    pub headers: Vec<(&'a str, &'a [u8])>,
    /// The whole body.
    pub body: &'a [u8],
}

/// How a stored answer may be used once it is not fresh, as the answer and the policy said when it was
/// stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// After its freshness ended it may be used for so long while it is refreshed (RFC 5861, 3),
    /// milliseconds.
    pub stale_while_ms: u64,
    /// And for so long when the origin fails (RFC 5861, 4), milliseconds.
    pub stale_error_ms: u64,
    /// How long fetching it took, milliseconds.
    pub fill_ms: u32,
    /// `no-cache`: each use needs a validation.
    pub validate: bool,
    /// `must-revalidate` and its like: never to be used stale because a request would accept it.
    pub strict: bool,
    /// Path and host went to the origin as this filter saw them, so that it may be asked for the same
    /// beside the route.
    pub direct: bool,
}

/// Bits of the flags.
const VALIDATE: u8 = 1;
const STRICT: u8 = 2;
const DIRECT: u8 = 4;

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
        // Of any version the checksum is the last four bytes: else it was no record.
        let (content, sum) = bytes.split_last_chunk::<4>().ok_or(RecordError::Length)?;
        if crc32(content) != u32::from_be_bytes(*sum) {
            return Err(RecordError::Checksum);
        }
        Self::decode_known(bytes)
    }

    /// Reads a record whose checksum was found good before, and that was in this process's memory since: of a
    /// large one the checksum is most of the work.
    ///
    /// # Errors
    ///
    /// As of [`Record::decode`], but for the checksum.
    pub fn decode_known(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let version = *bytes.first().ok_or(RecordError::Length)?;
        let (content, _) = bytes.split_last_chunk::<4>().ok_or(RecordError::Length)?;
        if !(1..=VERSION).contains(&version) {
            return Err(RecordError::Version(version));
        }
        let mut reader = Reader(content.get(1..).ok_or(RecordError::Length)?);
        let url = reader.short()?;
        let policy = reader.text("policy")?;
        let mut vary = Vec::new();
        for _ in 0..reader.u8()? {
            let name = reader.text("vary")?;
            vary.push((name, reader.optional("vary")?));
        }
        let mut extras = Vec::new();
        if version > 1 {
            for _ in 0..reader.u8()? {
                extras.push(reader.optional("key")?);
            }
        }
        let lifetime_ms = u64::from_be_bytes(reader.take()?);
        let usage = if version > 1 {
            reader.usage()?
        } else {
            Usage::default()
        };
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
            extras,
            lifetime_ms,
            usage,
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
            optional(&mut out, *value, "vary")?;
        }
        out.push(u8::try_from(self.extras.len()).map_err(|_| RecordError::Field("key"))?);
        for value in &self.extras {
            optional(&mut out, *value, "key")?;
        }
        let Usage {
            stale_while_ms,
            stale_error_ms,
            fill_ms,
            validate,
            strict,
            direct,
        } = self.usage;
        for ms in [self.lifetime_ms, stale_while_ms, stale_error_ms] {
            out.extend_from_slice(&ms.to_be_bytes());
        }
        out.extend_from_slice(&fill_ms.to_be_bytes());
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        out.push(flag(validate, VALIDATE) | flag(strict, STRICT) | flag(direct, DIRECT));
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
            (self.extras.len() <= MAX_EXTRAS, "key"),
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
            Self::Version(version) => {
                write!(f, "record: version {version}, this reads 1 to {VERSION}")
            }
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

    fn optional(&mut self, what: &'static str) -> Result<Option<&'a [u8]>, RecordError> {
        match self.u8()? {
            0 => Ok(None),
            1 => self.long().map(Some),
            _ => Err(RecordError::Field(what)),
        }
    }

    fn usage(&mut self) -> Result<Usage, RecordError> {
        let stale_while_ms = u64::from_be_bytes(self.take()?);
        let stale_error_ms = u64::from_be_bytes(self.take()?);
        let fill_ms = u32::from_be_bytes(self.take()?);
        let flags = self.u8()?;
        if flags & !(VALIDATE | STRICT | DIRECT) != 0 {
            return Err(RecordError::Field("flags"));
        }
        Ok(Usage {
            stale_while_ms,
            stale_error_ms,
            fill_ms,
            validate: flags & VALIDATE != 0,
            strict: flags & STRICT != 0,
            direct: flags & DIRECT != 0,
        })
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

fn optional(
    out: &mut Vec<u8>,
    value: Option<&[u8]>,
    what: &'static str,
) -> Result<(), RecordError> {
    out.push(u8::from(value.is_some()));
    value.map_or(Ok(()), |value| long(out, value, what))
}

fn long(out: &mut Vec<u8>, bytes: &[u8], what: &'static str) -> Result<(), RecordError> {
    let len = u32::try_from(bytes.len()).map_err(|_| RecordError::Field(what))?;
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests;

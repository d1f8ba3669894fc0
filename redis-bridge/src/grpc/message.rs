//! Splits a request body into messages.

use super::Code;
use bytes::{Buf as _, Bytes, BytesMut};
use std::fmt;
use tidegate::wire::MAX_MESSAGE;

/// Bytes before each message: a flag and the length, big endian.
pub const PREFIX: usize = 5;

/// Reads messages from the chunks of a body.
///
/// A message that lies within one chunk is a slice of it; only one that spans chunks is copied. The
/// length is checked before anything is set aside for it.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The chunk being read.
    chunk: Bytes,
    /// Start of a message that did not end in its chunk; holds at most [`PREFIX`] + [`MAX_MESSAGE`].
    partial: BytesMut,
}

impl Decoder {
    /// Gives the next chunk. The one before must have been read to its end.
    pub fn push(&mut self, chunk: Bytes) {
        debug_assert!(self.chunk.is_empty());
        self.chunk = chunk;
    }

    /// The next message; `None` when the chunk is used up.
    ///
    /// # Errors
    ///
    /// The stream cannot go on after one.
    pub fn next_message(&mut self) -> Result<Option<Bytes>, MessageError> {
        if self.partial.is_empty() {
            if let Some(length) = length(&self.chunk)?
                && self.chunk.len() >= PREFIX + length
            {
                self.chunk.advance(PREFIX);
                return Ok(Some(self.chunk.split_to(length)));
            }
            if self.chunk.is_empty() {
                return Ok(None);
            }
        }
        self.fill(PREFIX);
        let Some(length) = length(&self.partial)? else {
            return Ok(None);
        };
        self.fill(PREFIX + length);
        if self.partial.len() < PREFIX + length {
            return Ok(None);
        }
        let mut message = self.partial.split().freeze();
        message.advance(PREFIX);
        Ok(Some(message))
    }

    /// Bytes of a message that was begun and not ended.
    pub fn partial(&self) -> usize {
        self.partial.len()
    }

    /// Moves bytes from the chunk until `partial` has `want`.
    fn fill(&mut self, want: usize) {
        let missing = want.saturating_sub(self.partial.len());
        let part = self.chunk.split_to(missing.min(self.chunk.len()));
        self.partial.extend_from_slice(&part);
    }
}

/// Appends the prefix of a message of `length` bytes, which is at most [`MAX_MESSAGE`].
pub fn prefix(length: usize) -> [u8; PREFIX] {
    let [a, b, c, d] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    [0, a, b, c, d]
}

fn length(bytes: &[u8]) -> Result<Option<usize>, MessageError> {
    let [flag, a, b, c, d, ..] = *bytes else {
        return Ok(None);
    };
    if flag != 0 {
        return Err(MessageError::Compressed);
    }
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    if length > MAX_MESSAGE {
        return Err(MessageError::TooLarge { length });
    }
    Ok(Some(length))
}

/// Why a body is no sequence of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageError {
    /// The compressed flag is set; no compression was offered.
    Compressed,
    /// Longer than [`MAX_MESSAGE`].
    TooLarge {
        /// The length announced, bytes.
        length: usize,
    },
}

impl MessageError {
    /// The status that tells the client.
    pub fn code(self) -> Code {
        match self {
            Self::Compressed => Code::Unimplemented,
            Self::TooLarge { .. } => Code::ResourceExhausted,
        }
    }
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compressed => f.write_str("compressed messages are not accepted"),
            Self::TooLarge { length } => {
                write!(f, "message of {length} bytes, at most {MAX_MESSAGE}")
            }
        }
    }
}

impl std::error::Error for MessageError {}

#[cfg(test)]
mod tests;

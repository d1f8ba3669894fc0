//! Trace context: which trace a request belongs to, when somebody wants to see it.
//!
//! Source: W3C Trace Context, <https://www.w3.org/TR/trace-context/>, section 3.2. The filter only hands on
//! what it was given; it makes no ids, and what the upstream sees is not changed.

use core::fmt;

/// Characters of a `traceparent` of version 00: `00-` trace `-` parent `-` flags.
const TEXT: usize = 55;
/// Bytes of a trace id and of a parent's id.
const IDS: usize = 24;
/// The one flag that is read: the caller may have recorded this request.
const SAMPLED: u8 = 1;

/// A `traceparent` that is valid and whose sampled flag is set. One that is not sampled is not there: nobody
/// would look at what was made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// Trace id, then parent id; neither is all zero.
    ids: [u8; IDS],
}

impl TraceParent {
    /// From a field's value; `None` when it is not valid, or not sampled. Of a version above 00 the first
    /// four parts are read as of 00 (section 4.3), `ff` is none.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (head, rest) = text.split_at_checked(TEXT)?;
        let mut parts = head.split(|byte| *byte == b'-');
        let [version] = hex(parts.next()?)?;
        let trace: [u8; 16] = hex(parts.next()?)?;
        let parent: [u8; 8] = hex(parts.next()?)?;
        let [flags] = hex(parts.next()?)?;
        let ends = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => matches!(rest.first(), None | Some(b'-')),
        };
        if !ends || flags & SAMPLED == 0 {
            return None;
        }
        let mut ids = [0; IDS];
        let (first, last) = ids.split_at_mut(trace.len());
        first.copy_from_slice(&trace);
        last.copy_from_slice(&parent);
        Self::from_bytes(&ids)
    }

    /// From its two ids; `None` when one of them is all zero, or these are not 24 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let ids: [u8; IDS] = bytes.try_into().ok()?;
        let this = Self { ids };
        (this.trace_id() != [0; 16] && this.parent_id() != [0; 8]).then_some(this)
    }

    /// Trace id, then parent id.
    pub fn as_bytes(&self) -> &[u8; IDS] {
        &self.ids
    }

    /// The trace.
    pub fn trace_id(&self) -> [u8; 16] {
        self.ids.first_chunk().copied().unwrap_or_default()
    }

    /// The span of whoever asked.
    pub fn parent_id(&self) -> [u8; 8] {
        self.ids.last_chunk().copied().unwrap_or_default()
    }
}

/// As a `traceparent` of version 00.
impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("00-")?;
        for byte in self.trace_id() {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("-")?;
        for byte in self.parent_id() {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("-01")
    }
}

/// Exactly `N` bytes in lower-case hexadecimal; upper case is not valid (section 3.2.2).
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let (pairs, odd) = text.as_chunks::<2>();
    if pairs.len() != N || !odd.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => digit.checked_sub(b'0'),
        b'a'..=b'f' => digit.checked_sub(b'a')?.checked_add(10),
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests;

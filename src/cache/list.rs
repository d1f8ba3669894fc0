//! Comma-separated lists whose members may hold quoted strings (RFC 9110, 5.6.1 and 5.6.4).

/// Splits at commas outside quoted strings and trims; empty members are skipped. Linear.
pub(super) fn members(line: &[u8]) -> Members<'_> {
    Members {
        rest: Some(line),
        escapes: true,
        unbalanced: false,
    }
}

/// The same for lists of entity tags, in which `\` is a byte like any other (RFC 9110, 8.8.3).
pub(super) fn entity_tags(line: &[u8]) -> Members<'_> {
    Members {
        escapes: false,
        ..members(line)
    }
}

/// Members of one field line.
pub(super) struct Members<'a> {
    rest: Option<&'a [u8]>,
    escapes: bool,
    unbalanced: bool,
}

impl Members<'_> {
    /// Whether a quoted string that was opened never ended; known once the iterator is done.
    pub(super) fn unbalanced(&self) -> bool {
        self.unbalanced
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let rest = self.rest.take()?;
            let mut quoted = false;
            let mut escaped = false;
            let end = rest.iter().position(|byte| {
                if escaped {
                    escaped = false;
                } else if quoted {
                    escaped = self.escapes && *byte == b'\\';
                    quoted = *byte != b'"';
                } else {
                    quoted = *byte == b'"';
                    return *byte == b',';
                }
                false
            });
            let member = match end.and_then(|end| rest.split_at_checked(end)) {
                Some((member, tail)) => {
                    self.rest = tail.get(1..);
                    member
                }
                None => {
                    self.unbalanced = quoted;
                    rest
                }
            };
            let member = member.trim_ascii();
            if !member.is_empty() {
                return Some(member);
            }
        }
    }
}

/// Whether all of it is `tchar`s (RFC 9110, 5.6.2), and there is one.
pub(super) fn is_token(text: &[u8]) -> bool {
    !text.is_empty()
        && text
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

/// The content of a quoted string; `None` when `text` is not exactly one.
pub(super) fn unquote(text: &[u8]) -> Option<Vec<u8>> {
    let inner = text.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return None,
            b'\\' => out.push(bytes.next()?),
            _ => out.push(byte),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests;

//! Paths that two servers may read differently.
//!
//! A policy is chosen by the path's bytes as Envoy will route them. Where an upstream could decode,
//! merge or cut them into another path, the decision would be about the wrong resource, so a protected
//! policy answers 400. Any spelling that is *not* chosen for a protected policy must be refused too when
//! its plain spelling would be: a caller that has protected routes asks for every request.

/// Why a path is ambiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ambiguity {
    /// `\`, plain or encoded: some servers read `/`.
    Backslash,
    /// A control byte or a blank, plain, or a control byte encoded; `%00` ends the path in C.
    Control,
    /// A segment `.` or `..`. (With an encoded dot it is [`Ambiguity::EncodedUnreserved`].)
    DotSegment,
    /// `%25` before the hex digits of a byte that is refused when encoded: decoded twice it is that byte.
    DoubleEncoded,
    /// `//`.
    EmptySegment,
    /// `%2f`: some servers read `/`.
    EncodedSlash,
    /// An encoded letter, digit, `-`, `.`, `_` or `~`: equal to the plain one (RFC 3986, 6.2.2.2), but
    /// not to a rule that is compared byte by byte.
    EncodedUnreserved,
    /// `#`: no request target has one (RFC 9112, 3.2); some servers cut there.
    Fragment,
    /// `%` without two hex digits.
    MalformedEscape,
    /// Does not start with `/`.
    NotAbsolute,
    /// `;`, plain or encoded: some servers cut path parameters off.
    Parameter,
}

impl Ambiguity {
    /// One word for logs and problem details.
    pub fn name(self) -> &'static str {
        match self {
            Self::Backslash => "backslash",
            Self::Control => "control",
            Self::DotSegment => "dot-segment",
            Self::DoubleEncoded => "double-encoded",
            Self::EmptySegment => "empty-segment",
            Self::EncodedSlash => "encoded-slash",
            Self::EncodedUnreserved => "encoded-unreserved",
            Self::Fragment => "fragment",
            Self::MalformedEscape => "malformed-escape",
            Self::NotAbsolute => "not-absolute",
            Self::Parameter => "parameter",
        }
    }
}

/// An ambiguity of a request target (`:path`), if it has one; its query, after the first `?`, is not
/// looked at. Linear time, nothing allocated.
pub fn ambiguity(target: &[u8]) -> Option<Ambiguity> {
    let path = target.split(|b| *b == b'?').next().unwrap_or_default();
    if path.first() != Some(&b'/') {
        return Some(Ambiguity::NotAbsolute);
    }
    if path.windows(2).any(|pair| pair == b"//") {
        return Some(Ambiguity::EmptySegment);
    }
    if path
        .split(|b| *b == b'/')
        .any(|segment| matches!(segment, b"." | b".."))
    {
        return Some(Ambiguity::DotSegment);
    }
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let found = match byte {
            b'%' => {
                let Some(decoded) = escaped(after) else {
                    return Some(Ambiguity::MalformedEscape);
                };
                rest = after.get(2..).unwrap_or_default();
                encoded(decoded, rest)
            }
            b'#' => Some(Ambiguity::Fragment),
            b';' => Some(Ambiguity::Parameter),
            b'\\' => Some(Ambiguity::Backslash),
            0..=b' ' | 0x7f => Some(Ambiguity::Control),
            _ => None,
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

/// Judges a byte that was encoded; `after` is what follows its escape.
fn encoded(byte: u8, after: &[u8]) -> Option<Ambiguity> {
    match byte {
        b'/' => Some(Ambiguity::EncodedSlash),
        b'\\' => Some(Ambiguity::Backslash),
        b';' => Some(Ambiguity::Parameter),
        b'%' => {
            let again = escaped(after)?;
            (again == b'%' || encoded(again, b"").is_some()).then_some(Ambiguity::DoubleEncoded)
        }
        0..0x20 | 0x7f => Some(Ambiguity::Control),
        _ if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') => {
            Some(Ambiguity::EncodedUnreserved)
        }
        _ => None,
    }
}

/// The byte that two hex digits stand for.
fn escaped(digits: &[u8]) -> Option<u8> {
    let &[high, low, ..] = digits else {
        return None;
    };
    Some(hex(high)?.wrapping_mul(16).wrapping_add(hex(low)?))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|n| u8::try_from(n).ok())
}

#[cfg(test)]
mod tests;

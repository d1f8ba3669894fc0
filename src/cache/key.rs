//! Canonical URLs: what a stored answer is named by (RFC 9111, 2; RFC 3986).
//!
//! `scheme://authority/path?query`, scheme and authority lower-cased, everything else exactly as it is
//! forwarded to the upstream, so that cache and origin never disagree about what a URL means. A port
//! is kept as given.

use core::fmt;

/// Longest canonical URL, bytes.
pub const MAX_URL: usize = crate::wire::op::MAX_URL;

/// A canonical URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Url {
    text: Vec<u8>,
    /// Bytes of `scheme://authority`; the path starts there.
    origin: usize,
}

/// What an operator wants purged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A path with its query, on every origin.
    Path(Vec<u8>),
    /// One URL.
    Url(Url),
}

/// Why a text is no URL that could be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlError {
    /// No authority, user information in it, or bytes an authority cannot have.
    Authority,
    /// A space, control byte, DEL or `#`; at this byte of the part it is in.
    Byte(usize),
    /// Longer than [`MAX_URL`].
    Long,
    /// The path does not start with `/`.
    Path,
    /// No scheme, or none of the shape `[a-z][a-z0-9+.-]*`.
    Scheme,
}

impl Url {
    /// From a request's `:scheme`, `:authority` and `:path`.
    pub fn new(scheme: &[u8], authority: &[u8], path: &[u8]) -> Result<Self, UrlError> {
        let scheme_ok = scheme.first().is_some_and(u8::is_ascii_alphabetic)
            && scheme
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b));
        if !scheme_ok {
            return Err(UrlError::Scheme);
        }
        printable(authority)?;
        if authority.is_empty() || authority.iter().any(|b| b"/?@\\".contains(b)) {
            return Err(UrlError::Authority);
        }
        checked_path(path)?;
        let mut text = Vec::with_capacity(
            scheme
                .len()
                .saturating_add(authority.len())
                .saturating_add(path.len())
                .saturating_add(3),
        );
        text.extend(scheme.iter().map(u8::to_ascii_lowercase));
        text.extend_from_slice(b"://");
        text.extend(authority.iter().map(u8::to_ascii_lowercase));
        let origin = text.len();
        text.extend_from_slice(path);
        if text.len() > MAX_URL {
            Err(UrlError::Long)
        } else {
            Ok(Self { text, origin })
        }
    }

    /// From an absolute URL, as an operator writes it; an empty path means `/`.
    pub fn parse(text: &[u8]) -> Result<Self, UrlError> {
        let (scheme, rest) = absolute(text).ok_or(UrlError::Scheme)?;
        let (authority, path) = split_authority(rest);
        match path.first() {
            None => Self::new(scheme, authority, b"/"),
            Some(b'/') => Self::new(scheme, authority, path),
            Some(_) => Self::new(scheme, authority, &[b"/", path].concat()),
        }
    }

    /// The whole text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// `scheme://authority`.
    pub fn origin(&self) -> &[u8] {
        self.text.get(..self.origin).unwrap_or_default()
    }

    /// Path and query; starts with `/`.
    pub fn path(&self) -> &[u8] {
        self.text.get(self.origin..).unwrap_or_default()
    }

    /// The URL that `reference` (a `Location`) means in an answer to this one, if it is of the same
    /// origin and can be stored (RFC 3986, 5.2). Default ports are equal to none here, and the result
    /// carries this URL's spelling of the origin: the one its other requests use. A fragment is
    /// dropped.
    pub fn resolve(&self, reference: &[u8]) -> Option<Self> {
        let reference = reference.trim_ascii();
        let reference = reference.split(|b| *b == b'#').next().unwrap_or_default();
        let (scheme, own_authority) = absolute(self.origin())?;
        let path = if let Some((other, rest)) = absolute(reference) {
            let (authority, path) = split_authority(rest);
            if !same_origin(scheme, own_authority, other, authority) {
                return None;
            }
            if path.first() == Some(&b'/') {
                path.to_vec()
            } else {
                [b"/", path].concat()
            }
        } else if let Some(rest) = reference.strip_prefix(b"//") {
            let (authority, path) = split_authority(rest);
            if !same_origin(scheme, own_authority, scheme, authority) {
                return None;
            }
            if path.first() == Some(&b'/') {
                path.to_vec()
            } else {
                [b"/", path].concat()
            }
        } else if has_scheme(reference) {
            return None;
        } else {
            self.merge(reference)
        };
        Self::new(scheme, own_authority, &without_dots(&path)).ok()
    }

    /// A reference without authority put onto this URL's path (RFC 3986, 5.2.2 and 5.2.3).
    fn merge(&self, reference: &[u8]) -> Vec<u8> {
        let (base, _) = split_query(self.path());
        match reference.first() {
            None => self.path().to_vec(),
            Some(b'/') => reference.to_vec(),
            Some(b'?') => [base, reference].concat(),
            Some(_) => {
                let folder = base
                    .iter()
                    .rposition(|b| *b == b'/')
                    .and_then(|at| base.get(..=at));
                [folder.unwrap_or(b"/"), reference].concat()
            }
        }
    }
}

impl Target {
    /// Reads an absolute URL, or a path that starts with `/`.
    pub fn parse(text: &[u8]) -> Result<Self, UrlError> {
        if text.first() == Some(&b'/') {
            checked_path(text)?;
            return if text.len() > MAX_URL {
                Err(UrlError::Long)
            } else {
                Ok(Self::Path(text.to_vec()))
            };
        }
        Url::parse(text).map(Self::Url)
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authority => f.write_str("url: needs host[:port] without user information"),
            Self::Byte(at) => write!(f, "url: space, control byte or '#' at byte {at}"),
            Self::Long => write!(f, "url: longer than {MAX_URL} bytes"),
            Self::Path => f.write_str("url: the path must start with '/'"),
            Self::Scheme => f.write_str("url: needs a scheme, as in http://host/path"),
        }
    }
}

impl core::error::Error for UrlError {}

fn printable(text: &[u8]) -> Result<(), UrlError> {
    match text
        .iter()
        .position(|b| *b <= b' ' || *b == 0x7f || *b == b'#')
    {
        Some(at) => Err(UrlError::Byte(at)),
        None => Ok(()),
    }
}

fn checked_path(path: &[u8]) -> Result<(), UrlError> {
    if path.first() != Some(&b'/') {
        return Err(UrlError::Path);
    }
    printable(path)
}

/// Splits `scheme://rest`.
fn absolute(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = text.iter().position(|b| *b == b':')?;
    let (scheme, rest) = text.split_at_checked(colon)?;
    has_scheme(text).then_some(())?;
    Some((scheme, rest.strip_prefix(b"://")?))
}

/// Whether it starts with `scheme:` (RFC 3986, 3.1).
fn has_scheme(text: &[u8]) -> bool {
    let end = text
        .iter()
        .position(|b| !(b.is_ascii_alphanumeric() || b"+-.".contains(b)));
    text.first().is_some_and(u8::is_ascii_alphabetic)
        && end.is_some_and(|end| text.get(end) == Some(&b':'))
}

fn split_authority(rest: &[u8]) -> (&[u8], &[u8]) {
    let end = rest
        .iter()
        .position(|b| b"/?#".contains(b))
        .unwrap_or(rest.len());
    rest.split_at_checked(end).unwrap_or((rest, b""))
}

fn split_query(path: &[u8]) -> (&[u8], &[u8]) {
    let end = path.iter().position(|b| *b == b'?').unwrap_or(path.len());
    path.split_at_checked(end).unwrap_or((path, b""))
}

/// RFC 9110, 4.3.1: scheme, host and port, the port defaulted from the scheme.
fn same_origin(scheme: &[u8], authority: &[u8], other_scheme: &[u8], other: &[u8]) -> bool {
    let scheme = scheme.to_ascii_lowercase();
    let default: &[u8] = match &scheme[..] {
        b"http" => b":80",
        b"https" => b":443",
        _ => b":",
    };
    let bare = |authority: &[u8]| {
        let authority = authority.to_ascii_lowercase();
        let authority = authority.strip_suffix(default).unwrap_or(&authority);
        authority.strip_suffix(b":").unwrap_or(authority).to_vec()
    };
    scheme.eq_ignore_ascii_case(other_scheme) && bare(authority) == bare(other)
}

/// RFC 3986, 5.2.4, on the path of `path?query`.
fn without_dots(path: &[u8]) -> Vec<u8> {
    let (path, query) = split_query(path);
    let mut out: Vec<&[u8]> = Vec::new();
    let mut segments = path
        .strip_prefix(b"/")
        .unwrap_or(path)
        .split(|b| *b == b'/')
        .peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"." | b".." => {
                if segment == b".." {
                    out.pop();
                }
                if last {
                    out.push(b"");
                }
            }
            _ => out.push(segment),
        }
    }
    let mut text = Vec::with_capacity(path.len().saturating_add(query.len()));
    for segment in out {
        text.push(b'/');
        text.extend_from_slice(segment);
    }
    text.extend_from_slice(query);
    text
}

#[cfg(test)]
mod tests;

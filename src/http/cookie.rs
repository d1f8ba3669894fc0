//! The `Cookie` request field (RFC 6265, 4.2 and 5.4).
//!
//! A line is split at every `;`, as browsers join it; quotes do not protect a `;`, and neither `,` nor
//! `$Version` has a meaning. What cannot be read is passed on untouched, byte for byte.

/// Every value of cookie `name` on one line, in order; blanks around it are not part of it. Names are
/// compared with their case.
pub fn values<'a>(line: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    segments(line).filter_map(move |segment| value_of(segment, name))
}

/// What is left of a line without a cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Without {
    /// The cookie was not there.
    Untouched,
    /// The cookie was there and others were not.
    Nothing,
    /// The others, as they were.
    Line(Vec<u8>),
}

/// One line without any cookie called `name`. Time is linear in the line, and one allocation is made at
/// most, however many cookies there are.
pub fn without(line: &[u8], name: &[u8]) -> Without {
    if values(line, name).next().is_none() {
        return Without::Untouched;
    }
    let mut rest = Vec::with_capacity(line.len());
    let mut started = false;
    for segment in segments(line).filter(|segment| value_of(segment, name).is_none()) {
        if started {
            rest.push(b';');
            rest.extend_from_slice(segment);
        } else {
            // The blank that separated it from the cookie before it, if that one is gone.
            rest.extend_from_slice(segment.trim_ascii_start());
            started = true;
        }
    }
    if rest.iter().all(|b| matches!(b, b' ' | b'\t' | b';')) {
        Without::Nothing
    } else {
        Without::Line(rest)
    }
}

fn segments(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|b| *b == b';')
}

fn value_of<'a>(segment: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut halves = segment.splitn(2, |b| *b == b'=');
    let (found, value) = (halves.next()?, halves.next()?);
    (found.trim_ascii() == name).then(|| value.trim_ascii())
}

#[cfg(test)]
mod tests;

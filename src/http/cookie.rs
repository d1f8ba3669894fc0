//! The `Cookie` request field (RFC 6265, 4.2 and 5.4).
//!
//! A line is split at every `;`, as browsers join it; quotes do not protect a `;`, and neither `,` nor
//! `$Version` has a meaning. What cannot be read is passed on untouched, byte for byte.

/// Every value of cookie `name` on one line, in order; blanks around it are not part of it. Names are
/// compared with their case.
pub fn values<'a>(line: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    segments(line).filter_map(move |segment| value_of(segment, name))
}

/// The name a `Set-Cookie` line sets (RFC 6265, 5.2: up to the first `=`, without white space around).
pub fn set_name(line: &[u8]) -> &[u8] {
    line.split(|b| matches!(b, b'=' | b';'))
        .next()
        .unwrap_or_default()
        .trim_ascii()
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

/// Entry of a fuzz target: the first byte is the length of a cookie's name, then the name, then a line.
/// Panics when removing the cookie leaves it there or touches another.
#[cfg(any(test, fuzzing))]
pub fn fuzz_without(data: &[u8]) {
    let Some((length, rest)) = data.split_first() else {
        return;
    };
    let Some((name, line)) = rest.split_at_checked(usize::from(*length)) else {
        return;
    };
    let others = |line: &[u8]| -> Vec<Vec<u8>> {
        let kept = segments(line).filter(|segment| value_of(segment, name).is_none());
        kept.map(|segment| segment.trim_ascii_start().to_vec())
            .filter(|segment| !segment.is_empty())
            .collect()
    };
    let there = values(line, name).next().is_some();
    match without(line, name) {
        Without::Untouched => assert!(!there),
        Without::Nothing => assert!(there && others(line).is_empty()),
        Without::Line(left) => {
            assert!(there && left.len() < line.len());
            assert!(values(&left, name).next().is_none());
            assert_eq!(others(&left), others(line));
            assert_eq!(without(&left, name), Without::Untouched);
        }
    }
}

#[cfg(test)]
mod tests;

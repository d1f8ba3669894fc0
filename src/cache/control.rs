//! Cache-Control, of answers and of requests (RFC 9111, 5.2).
//!
//! Directives may contradict each other, repeat or be malformed; then the reading that shares and
//! keeps less wins (RFC 9111, 4.2.1: "caches are encouraged to consider responses that have invalid
//! freshness information to be stale"). In detail:
//!
//! - a number that is none is 0, one that overflows is 2^31 (RFC 9111, 1.2.2), both forms `max-age=1`
//!   and `max-age="1"` are read (5.2);
//! - what restricts (`no-store`, `private`, `no-cache`, `must-revalidate`, ...) counts whatever
//!   argument it has; what permits (`public`, `immutable`, `must-understand`) only without one;
//! - a quoted string that never ends hides what follows it, so such a field means `no-store`;
//! - unknown directives are ignored (5.2.3).

use super::list;

/// Largest number of seconds that is told apart: 2^31 (RFC 9111, 1.2.2).
pub const MAX_DELTA_S: u64 = 1 << 31;

/// To what a directive applies that may name fields (`no-cache`, `private`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Scope {
    /// The directive is absent.
    #[default]
    Nothing,
    /// Only to these fields, lower-case.
    Fields(Vec<String>),
    /// To the whole answer.
    Everything,
}

/// The directives of an answer; numbers are seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResponseControl {
    /// `immutable` (RFC 8246).
    pub immutable: bool,
    /// `max-age`.
    pub max_age: Option<u64>,
    /// `must-revalidate`.
    pub must_revalidate: bool,
    /// `must-understand`: overrides `no-store` for statuses that are understood.
    pub must_understand: bool,
    /// `no-cache`.
    pub no_cache: Scope,
    /// `no-store`.
    pub no_store: bool,
    /// `no-transform`.
    pub no_transform: bool,
    /// `private`.
    pub private: Scope,
    /// `proxy-revalidate`.
    pub proxy_revalidate: bool,
    /// `public`.
    pub public: bool,
    /// `s-maxage`.
    pub s_maxage: Option<u64>,
    /// `stale-if-error` (RFC 5861).
    pub stale_if_error: Option<u64>,
    /// `stale-while-revalidate` (RFC 5861).
    pub stale_while_revalidate: Option<u64>,
}

/// The directives of a request; numbers are seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestControl {
    /// `max-age`.
    pub max_age: Option<u64>,
    /// `max-stale`; without a number [`MAX_DELTA_S`].
    pub max_stale: Option<u64>,
    /// `min-fresh`.
    pub min_fresh: Option<u64>,
    /// `no-cache`.
    pub no_cache: bool,
    /// `no-store`.
    pub no_store: bool,
    /// `no-transform`.
    pub no_transform: bool,
    /// `only-if-cached`.
    pub only_if_cached: bool,
}

impl ResponseControl {
    /// Reads all lines of the field.
    pub fn parse<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut out = Self::default();
        let whole = directives(lines, |name, argument| match name {
            b"immutable" => out.immutable |= argument.is_none(),
            b"max-age" => least(&mut out.max_age, argument),
            b"must-revalidate" => out.must_revalidate = true,
            b"must-understand" => out.must_understand |= argument.is_none(),
            b"no-cache" => out.no_cache.widen(argument),
            b"no-store" => out.no_store = true,
            b"no-transform" => out.no_transform = true,
            b"private" => out.private.widen(argument),
            b"proxy-revalidate" => out.proxy_revalidate = true,
            b"public" => out.public |= argument.is_none(),
            b"s-maxage" => least(&mut out.s_maxage, argument),
            b"stale-if-error" => least(&mut out.stale_if_error, argument),
            b"stale-while-revalidate" => least(&mut out.stale_while_revalidate, argument),
            _ => {}
        });
        if !whole {
            out.no_store = true;
            out.must_understand = false;
        }
        out
    }
}

impl RequestControl {
    /// Reads all lines of the field.
    pub fn parse<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut out = Self::default();
        let whole = directives(lines, |name, argument| match name {
            b"max-age" => least(&mut out.max_age, argument),
            b"max-stale" if argument.is_none() => {
                out.max_stale = Some(out.max_stale.unwrap_or(MAX_DELTA_S));
            }
            b"max-stale" => least(&mut out.max_stale, argument),
            b"min-fresh" => {
                let value = argument.map_or(MAX_DELTA_S, |a| a.seconds().unwrap_or(MAX_DELTA_S));
                out.min_fresh = Some(out.min_fresh.map_or(value, |other| other.max(value)));
            }
            b"no-cache" => out.no_cache = true,
            b"no-store" => out.no_store = true,
            b"no-transform" => out.no_transform = true,
            b"only-if-cached" => out.only_if_cached = true,
            _ => {}
        });
        out.no_store |= !whole;
        out
    }
}

impl Scope {
    /// Whether the directive names `field` (lower-case) without meaning the whole answer.
    pub fn names(&self, field: &str) -> bool {
        matches!(self, Self::Fields(names) if names.iter().any(|name| name == field))
    }

    fn widen(&mut self, argument: Option<Argument<'_>>) {
        let Some(more) = argument.and_then(|argument| argument.fields()) else {
            *self = Self::Everything;
            return;
        };
        match self {
            Self::Nothing => *self = Self::Fields(more),
            Self::Fields(names) => names.extend(more),
            Self::Everything => {}
        }
    }
}

/// What stands after `=`.
#[derive(Clone, Copy)]
struct Argument<'a> {
    text: &'a [u8],
    /// Space around `=`, which the grammar does not have.
    spaced: bool,
}

impl Argument<'_> {
    fn seconds(self) -> Option<u64> {
        if self.spaced {
            None
        } else {
            delta_seconds(&list::unquote(self.text).unwrap_or_else(|| self.text.to_vec()))
        }
    }

    /// The field names; `None` when this is no list of names.
    fn fields(self) -> Option<Vec<String>> {
        let text = list::unquote(self.text).unwrap_or_else(|| self.text.to_vec());
        let names: Option<Vec<String>> = list::members(&text)
            .map(|name| {
                list::is_token(name).then(|| String::from_utf8_lossy(name).to_ascii_lowercase())
            })
            .collect();
        names.filter(|names| !names.is_empty() && !self.spaced)
    }
}

/// Reads `1*DIGIT`, capped at [`MAX_DELTA_S`]; `None` for anything else (RFC 9111, 1.2.2).
pub fn delta_seconds(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        Some(
            sum.saturating_mul(10)
                .saturating_add(u64::from(digit))
                .min(MAX_DELTA_S),
        )
    })
}

/// Keeps the smaller number; one that is none is 0.
fn least(slot: &mut Option<u64>, argument: Option<Argument<'_>>) {
    let value = argument.and_then(Argument::seconds).unwrap_or(0);
    *slot = Some(slot.map_or(value, |other| other.min(value)));
}

/// Calls `each(lower-cased name, argument)`; false when a quoted string never ends.
fn directives<'a>(
    lines: impl Iterator<Item = &'a [u8]>,
    mut each: impl FnMut(&[u8], Option<Argument<'a>>),
) -> bool {
    let mut whole = true;
    for line in lines {
        let mut members = list::members(line);
        for member in members.by_ref() {
            let mut halves = member.splitn(2, |byte| *byte == b'=');
            let name = halves.next().unwrap_or_default();
            let argument = halves.next().map(|text| Argument {
                text: text.trim_ascii(),
                spaced: name.trim_ascii_end() != name || text.trim_ascii_start() != text,
            });
            each(&name.trim_ascii_end().to_ascii_lowercase(), argument);
        }
        whole &= !members.unbalanced();
    }
    whole
}

#[cfg(test)]
mod tests;

//! Header fields: an ordered multimap of lower-cased names to bytes.
//!
//! Values are bytes because Envoy hands on obs-text (RFC 9110, 5.5); names are lower-cased once, when
//! the map is made, so no comparison after that depends on case.

/// Header fields in the order received; a name may occur on several lines.
///
/// It remembers how it differs from what it was made of ([`Headers::changes`]): adding two fields to those
/// Envoy has costs it half of what writing all of them back does.
#[derive(Debug, Clone, Default)]
pub struct Headers {
    lines: Vec<(String, Vec<u8>)>,
    /// So many of `lines`, the first ones, were there from the start.
    given: usize,
    /// Names of which a line that was there from the start was removed or changed.
    broken: Vec<String>,
}

/// What becomes of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// It is removed.
    Drop,
    /// It stays as it is.
    Keep,
    /// It gets this value.
    Set(Vec<u8>),
}

/// One step from the fields there were to those there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<'a> {
    /// Add a line after all others.
    Add(&'a str, &'a [u8]),
    /// Remove every line of this name.
    Remove(&'a str),
}

/// The same lines in the same order; how they came about does not matter.
impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.lines == other.lines
    }
}

impl Eq for Headers {}

impl Headers {
    /// No fields.
    pub const fn new() -> Self {
        Self {
            lines: Vec::new(),
            given: 0,
            broken: Vec::new(),
        }
    }

    /// The fields in the order given, names lower-cased. Bytes of a name that are not UTF-8 become
    /// U+FFFD: such a name is no token (RFC 9110, 5.6.2) and so equals none that is asked for.
    pub fn from_pairs<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: AsRef<[u8]>,
        V: Into<Vec<u8>>,
    {
        let pairs = pairs.into_iter();
        let pairs = pairs.map(|(name, value)| (lower(name.as_ref()), value.into()));
        Self::from_lower(pairs.collect())
    }

    /// The fields in the order given, whose names are lower-case already, as Envoy's are.
    pub fn from_lower(pairs: Vec<(String, Vec<u8>)>) -> Self {
        Self {
            given: pairs.len(),
            lines: pairs,
            broken: Vec::new(),
        }
    }

    /// Adds a line after all others.
    pub fn append(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.lines.push((lower(name.as_bytes()), value.into()));
    }

    /// Makes `value` the only line of `name`, at the place of the first line it had.
    pub fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        let name = lower(name.as_bytes());
        let mut value = Some(value.into());
        self.edit(|other, _| {
            if *other != name {
                return Line::Keep;
            }
            value.take().map_or(Line::Drop, Line::Set)
        });
        if let Some(value) = value {
            self.lines.push((name, value));
        }
    }

    /// Removes every line of `name` (lower-case); whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        self.remove_if(|other, _| other == name)
    }

    /// Removes every line for which `unwanted(name, value)` holds; whether there was one.
    pub fn remove_if(&mut self, mut unwanted: impl FnMut(&str, &[u8]) -> bool) -> bool {
        let before = self.lines.len();
        self.edit(|name, value| match unwanted(name, value) {
            true => Line::Drop,
            false => Line::Keep,
        });
        self.lines.len() != before
    }

    /// Does with each line what `judge(name, value)` says.
    pub fn edit(&mut self, mut judge: impl FnMut(&str, &[u8]) -> Line) {
        self.edit_dyn(&mut judge);
    }

    /// Not generic: one copy in the module.
    fn edit_dyn(&mut self, judge: &mut dyn FnMut(&str, &[u8]) -> Line) {
        let Self {
            lines,
            given,
            broken,
        } = self;
        let mut breaks = |name: String| {
            if !broken.contains(&name) {
                broken.push(name);
            }
        };
        let (mut at, mut dropped) = (0_usize, 0_usize);
        lines.retain_mut(|(name, value)| {
            let was_given = at < *given;
            at = at.saturating_add(1);
            match judge(name, value) {
                Line::Keep => true,
                Line::Drop => {
                    if was_given {
                        dropped = dropped.saturating_add(1);
                        breaks(core::mem::take(name));
                    }
                    false
                }
                Line::Set(new) => {
                    if was_given {
                        breaks(name.clone());
                    }
                    *value = new;
                    true
                }
            }
        });
        *given = given.saturating_sub(dropped);
    }

    /// All lines in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &[u8])> {
        self.lines
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// The value of every line of `name` (lower-case), in order. Reading only the first of several is
    /// a known way around a check, so there is no such method.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.lines
            .iter()
            .filter(move |(other, _)| other == name)
            .map(|(_, value)| value.as_slice())
    }

    /// The value of the one line of `name` (lower-case); `None` when there is none, or several.
    pub fn only(&self, name: &str) -> Option<&[u8]> {
        let mut lines = self.lines.iter().filter(|(other, _)| other == name);
        match (lines.next(), lines.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    /// Whether there is a line of `name` (lower-case).
    pub fn contains(&self, name: &str) -> bool {
        self.lines.iter().any(|(other, _)| other == name)
    }

    /// Number of lines.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there are no lines.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The lines, in order.
    pub fn into_pairs(self) -> Vec<(String, Vec<u8>)> {
        self.lines
    }

    /// What turns the fields this was made of into those it holds, in the order to be carried out. Lines
    /// of one name keep their order; a name that changed may come to stand after the others, which means
    /// nothing (RFC 9110, 5.3).
    pub fn changes(&self) -> impl Iterator<Item = Change<'_>> {
        let is_broken = |name: &str| self.broken.iter().any(|other| other == name);
        let removed = self.broken.iter().map(|name| Change::Remove(name));
        let lines = self.lines.iter().enumerate();
        let added = lines
            .filter(move |(at, (name, _))| *at >= self.given || is_broken(name))
            .map(|(_, (name, value))| Change::Add(name, value));
        removed.chain(added)
    }
}

fn lower(name: &[u8]) -> String {
    let mut name = String::from_utf8_lossy(name).into_owned();
    name.make_ascii_lowercase();
    name
}

#[cfg(test)]
mod tests;

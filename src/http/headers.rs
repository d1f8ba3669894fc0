//! Header fields: an ordered multimap of lower-cased names to bytes.
//!
//! Values are bytes because Envoy hands on obs-text (RFC 9110, 5.5); names are lower-cased once, when
//! the map is made, so no comparison after that depends on case.

/// Header fields in the order received; a name may occur on several lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    /// No fields.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The fields in the order given, names lower-cased. Bytes of a name that are not UTF-8 become
    /// U+FFFD: such a name is no token (RFC 9110, 5.6.2) and so equals none that is asked for.
    pub fn from_pairs<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: AsRef<[u8]>,
        V: Into<Vec<u8>>,
    {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (lower(name.as_ref()), value.into()))
                .collect(),
        )
    }

    /// The fields in the order given, whose names are lower-case already, as Envoy's are.
    pub fn from_lower(pairs: Vec<(String, Vec<u8>)>) -> Self {
        Self(pairs)
    }

    /// Adds a line after all others.
    pub fn append(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.0.push((lower(name.as_bytes()), value.into()));
    }

    /// Makes `value` the only line of `name`, at the place of the first line it had.
    pub fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        let name = lower(name.as_bytes());
        let mut value = Some(value.into());
        self.0.retain_mut(|(other, line)| {
            if *other != name {
                return true;
            }
            value.take().map(|value| *line = value).is_some()
        });
        if let Some(value) = value {
            self.0.push((name, value));
        }
    }

    /// Removes every line of `name` (lower-case); whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        self.remove_if(|other, _| other == name)
    }

    /// Removes every line for which `unwanted(name, value)` holds; whether there was one.
    pub fn remove_if(&mut self, mut unwanted: impl FnMut(&str, &[u8]) -> bool) -> bool {
        let before = self.0.len();
        self.0.retain(|(name, value)| !unwanted(name, value));
        self.0.len() != before
    }

    /// Removes every line for which `wanted(name, value)` does not hold; the others keep the value it
    /// leaves.
    pub fn retain_mut(&mut self, mut wanted: impl FnMut(&str, &mut Vec<u8>) -> bool) {
        self.0.retain_mut(|(name, value)| wanted(name, value));
    }

    /// All lines in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &[u8])> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// The value of every line of `name` (lower-case), in order. Reading only the first of several is
    /// a known way around a check, so there is no such method.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0
            .iter()
            .filter(move |(other, _)| other == name)
            .map(|(_, value)| value.as_slice())
    }

    /// The value of the one line of `name` (lower-case); `None` when there is none, or several.
    pub fn only(&self, name: &str) -> Option<&[u8]> {
        let mut lines = self.0.iter().filter(|(other, _)| other == name);
        match (lines.next(), lines.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    /// Whether there is a line of `name` (lower-case).
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|(other, _)| other == name)
    }

    /// Number of lines.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no lines.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The lines, in order.
    pub fn into_pairs(self) -> Vec<(String, Vec<u8>)> {
        self.0
    }
}

fn lower(name: &[u8]) -> String {
    let mut name = String::from_utf8_lossy(name).into_owned();
    name.make_ascii_lowercase();
    name
}

#[cfg(test)]
mod tests;

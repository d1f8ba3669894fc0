//! What the commands print.

use super::Checked;
use std::fmt;
use tidegate::config::ConfigError;
use tidegate::policy::Config;

/// Everything that is wrong with a file; never empty. Displayed one per line: file, place, reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errors {
    /// The file's name.
    pub name: String,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// One mistake in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where the policy stands in the file; empty when the file is the policy.
    pub place: String,
    /// The place in the policy; empty for the whole.
    pub path: String,
    /// What is wrong.
    pub reason: String,
}

impl Problem {
    /// A mistake of the policy that stands at `place`.
    pub(super) fn new(place: &str, error: ConfigError) -> Self {
        Self {
            place: place.to_owned(),
            path: error.path,
            reason: error.reason,
        }
    }

    /// A mistake of what stands around the policies.
    pub(super) fn around((place, reason): (String, String)) -> Self {
        Self {
            place,
            path: String::new(),
            reason,
        }
    }
}

impl Errors {
    /// Something wrong with the file as a whole.
    pub(super) fn of_file(name: &str, reason: String) -> Self {
        let problem = Problem {
            place: String::new(),
            path: String::new(),
            reason,
        };
        Self {
            name: name.to_owned(),
            problems: vec![problem],
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.place, &self.path] {
            if !part.is_empty() {
                write!(f, "{part}: ")?;
            }
        }
        f.write_str(&self.reason)
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.problems.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}: {problem}", self.name)?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}

/// One line per policy: that it is right, its digest, and what it has.
pub(super) fn summary(checked: &Checked) -> Vec<String> {
    let line = |found: &super::Found| {
        let digest: String = found.config.digest.chars().take(12).collect();
        let counts = counts(&found.config);
        format!("{}: ok (sha256 {digest}, {counts})", prefix(checked, found))
    };
    checked.found.iter().map(line).collect()
}

/// One line per warning.
pub(super) fn warnings(checked: &Checked) -> Vec<String> {
    let lines = |found| {
        let prefix = prefix(checked, found);
        let warnings = found.config.warnings.iter();
        warnings.map(move |warning| format!("{prefix}: warning: {warning}"))
    };
    let of_policies = checked.found.iter().flat_map(lines);
    of_policies
        .chain(doubts(&checked.name, &checked.doubts))
        .collect()
}

/// One line per doubt about the file `name`.
pub(super) fn doubts(name: &str, doubts: &[Problem]) -> Vec<String> {
    let line = |doubt: &Problem| format!("{name}: {}: warning: {}", doubt.place, doubt.reason);
    doubts.iter().map(line).collect()
}

fn prefix(checked: &Checked, found: &super::Found) -> String {
    match found.place.as_str() {
        "" => checked.name.clone(),
        place => format!("{}: {place}", checked.name),
    }
}

fn counts(config: &Config) -> String {
    let count = |n: usize, one: &str, many: &str| match n {
        1 => format!("1 {one}"),
        n => format!("{n} {many}"),
    };
    [
        count(config.policies.len(), "policy", "policies"),
        count(config.limits.len(), "limit", "limits"),
        count(config.caches.len(), "cache", "caches"),
    ]
    .join(", ")
}

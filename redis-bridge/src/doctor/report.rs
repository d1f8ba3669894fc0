//! What `doctor` prints.

use super::finding::{Finding, Level};
use serde::Serialize;
use std::fmt::Write as _;

/// Everything that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Version of the bridge.
    pub version: &'static str,
    /// Must be mended.
    pub wrong: usize,
    /// May not work when something else breaks.
    pub doubtful: usize,
    /// Could not be looked at.
    pub unknown: usize,
    /// As it should be.
    pub fine: usize,
    /// All of it, in the order it was looked at.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Of `findings`.
    pub fn new(findings: Vec<Finding>) -> Self {
        let count = |level| findings.iter().filter(|one| one.level == level).count();
        Self {
            version: crate::VERSION,
            wrong: count(Level::Wrong),
            doubtful: count(Level::Doubtful),
            unknown: count(Level::Unknown),
            fine: count(Level::Fine),
            findings,
        }
    }

    /// 0: nothing is wrong; 1: something is. `strict`: nor doubtful, nor unknown.
    pub fn status(&self, strict: bool) -> u8 {
        let bad = match strict {
            true => self.wrong + self.doubtful + self.unknown,
            false => self.wrong,
        };
        u8::from(bad > 0)
    }

    /// For people: what is not fine, the worst first, then a sum.
    pub fn text(&self) -> String {
        let mut worst: Vec<&Finding> = self.findings.iter().collect();
        worst.retain(|finding| finding.level != Level::Fine);
        worst.sort_by_key(|finding| std::cmp::Reverse(finding.level));
        let mut text = String::new();
        for finding in worst {
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "{:<9} {} ({}, {})",
                finding.level, finding.what, finding.role, finding.server
            );
            if !finding.why.is_empty() {
                let _ = writeln!(text, "          why:  {}", finding.why);
            }
            if !finding.mend.is_empty() {
                let _ = writeln!(text, "          mend: {}", finding.mend);
            }
        }
        let _ = write!(
            text,
            "{} wrong, {} doubtful, {} not looked at, {} fine",
            self.wrong, self.doubtful, self.unknown, self.fine
        );
        text
    }

    /// For programs.
    pub fn json(&self) -> String {
        // Strings and numbers: it cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

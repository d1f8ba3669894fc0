//! What a check found.

use crate::backend::nodes::Seat;
use serde::Serialize;
use std::fmt;

/// How bad it is, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Fine,
    /// It could not be looked at.
    Unknown,
    /// It works, and may not when something else breaks.
    Doubtful,
    /// It must be mended before production.
    Wrong,
}

/// What a server is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Duty {
    /// Sessions, epochs, limits.
    State,
    /// Cached objects.
    Cache,
    /// All of it.
    Both,
}

impl Duty {
    /// Whether it may never evict.
    pub fn keeps_state(self) -> bool {
        self != Self::Cache
    }
}

impl fmt::Display for Duty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::State => "state",
            Self::Cache => "cache",
            Self::Both => "state and cache",
        })
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fine => "fine",
            Self::Unknown => "unknown",
            Self::Doubtful => "doubtful",
            Self::Wrong => "WRONG",
        })
    }
}

/// One result of one check on one server, or on a whole Redis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check's name; stable, for those who filter.
    pub check: &'static str,
    /// How bad.
    pub level: Level,
    /// Of which role.
    pub role: Duty,
    /// Where.
    pub server: String,
    /// What was seen.
    pub what: String,
    /// Why it matters.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub why: &'static str,
    /// What mends it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mend: String,
}

/// Where the findings about one server are written down.
#[derive(Debug)]
pub struct Desk<'a> {
    /// What was found so far.
    pub findings: &'a mut Vec<Finding>,
    /// The server's role.
    pub role: Duty,
    /// Its address, or the Redis' URL.
    pub server: String,
}

impl Desk<'_> {
    /// As it should be.
    pub fn fine(&mut self, check: &'static str, what: impl Into<String>) {
        self.write(Level::Fine, check, what.into(), "", String::new());
    }

    /// It could not be looked at.
    pub fn unknown(
        &mut self,
        check: &'static str,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.write(Level::Unknown, check, what.into(), "", mend.into());
    }

    /// It may not work when something else breaks.
    pub fn doubtful(
        &mut self,
        check: &'static str,
        what: impl Into<String>,
        why: &'static str,
        mend: impl Into<String>,
    ) {
        self.write(Level::Doubtful, check, what.into(), why, mend.into());
    }

    /// It must be mended.
    pub fn wrong(
        &mut self,
        check: &'static str,
        what: impl Into<String>,
        why: &'static str,
        mend: impl Into<String>,
    ) {
        self.write(Level::Wrong, check, what.into(), why, mend.into());
    }

    fn write(
        &mut self,
        level: Level,
        check: &'static str,
        what: String,
        why: &'static str,
        mend: String,
    ) {
        self.findings.push(Finding {
            check,
            level,
            role: self.role,
            server: self.server.clone(),
            what,
            why,
            mend,
        });
    }
}

/// `redis-cli` for the server at `seat`, with a command.
pub fn redis_cli(seat: &Seat, command: &str) -> String {
    match seat {
        Seat::Tcp((host, port)) => format!("redis-cli -h {host} -p {port} {command}"),
        Seat::Unix(path) => format!("redis-cli -s {path} {command}"),
    }
}

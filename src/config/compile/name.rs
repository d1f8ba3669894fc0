//! Names, and references by name.

use super::super::at::{At, Shown};
use super::super::field::Field;
use super::super::raw;

/// Known names that a message lists, at most.
const MAX_LISTED: usize = 20;

/// `[a-z][a-z0-9-]*`, at most 64 bytes, so that metric names parse and keys stay short.
pub(super) fn check(name: &str, at: &At<'_>) -> Option<()> {
    let rest = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let first = name.bytes().next();
    if name.len() > 64 || !first.is_some_and(|b| b.is_ascii_lowercase()) || !name.bytes().all(rest)
    {
        return at.fail(format!(
            "a name must be [a-z][a-z0-9-]*, at most 64 characters, got {}",
            Shown(name)
        ));
    }
    Some(())
}

/// The names of every table, sorted, as the compiled tables are.
pub(super) struct Names<'a> {
    realms: Vec<&'a str>,
    limits: Vec<&'a str>,
    caches: Vec<&'a str>,
    policies: Vec<&'a str>,
}

impl<'a> Names<'a> {
    /// The names that `raw` gives, also to entries that are wrong.
    pub(super) fn of(raw: &'a raw::Config) -> Self {
        Self {
            realms: names(&raw.sessions),
            limits: names(&raw.limits),
            caches: names(&raw.caches),
            policies: names(&raw.policies),
        }
    }

    /// The index of a session realm.
    pub(super) fn realm(&self, name: &str, at: &At<'_>) -> Option<usize> {
        find("session realm", &self.realms, name, at)
    }

    /// The index of a limit.
    pub(super) fn limit(&self, name: &str, at: &At<'_>) -> Option<usize> {
        find("limit", &self.limits, name, at)
    }

    /// The index of a cache.
    pub(super) fn cache(&self, name: &str, at: &At<'_>) -> Option<usize> {
        find("cache", &self.caches, name, at)
    }

    /// The index of a policy.
    pub(super) fn policy(&self, name: &str, at: &At<'_>) -> Option<usize> {
        find("policy", &self.policies, name, at)
    }
}

fn names<T>(table: &Field<raw::Named<T>>) -> Vec<&str> {
    let names = table
        .given()
        .map(|table| table.0.iter().map(|(name, _)| name.as_str()).collect());
    names.unwrap_or_default()
}

fn find(kind: &str, known: &[&str], name: &str, at: &At<'_>) -> Option<usize> {
    if let Ok(index) = known.binary_search(&name) {
        return Some(index);
    }
    let listed: Vec<&str> = known.iter().copied().take(MAX_LISTED).collect();
    let more = if known.len() > MAX_LISTED {
        ", ..."
    } else {
        ""
    };
    let known = match listed.is_empty() {
        true => "there is none".to_owned(),
        false => format!("known: {}{more}", listed.join(", ")),
    };
    at.fail(format!("unknown {kind} {}, {known}", Shown(name)))
}

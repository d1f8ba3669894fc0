//! What can be chosen from outside.

use super::Row;
use crate::{Error, Result};
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

/// The number of connections the aims are stated for.
pub(super) const HEADLINE: u32 = 32;
/// Rounds more at [`HEADLINE`] than elsewhere.
const HEADLINE_MORE: u32 = 2;

/// How long, how often, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Rounds, 1..=100; two more at 32 connections. `BENCH_ROUNDS`.
    pub(super) rounds: u32,
    /// Length of one point, 1..=60 s. `BENCH_SECONDS`.
    pub(super) duration: Duration,
    /// The rows. `BENCH_ONLY=noop,one`, or all of the larger bodies: `BENCH_ONLY=bodies`.
    pub(super) rows: Vec<Row>,
    /// The purge of a tag on many objects. `BENCH_ONLY=tag`, and with all rows.
    pub(super) tag: bool,
    /// One bridge on one core, without Envoy. `BENCH_ONLY=bridge`, and with all rows.
    pub(super) bridge: bool,
    /// Numbers of connections. `BENCH_CONNECTIONS=1,8,32,64`.
    pub(super) connections: Vec<u32>,
}

impl Settings {
    /// Reads the variables with `get`; absent or empty means the default.
    ///
    /// # Errors
    /// [`Error::Spec`] names the variable and what it may hold.
    pub fn from_vars(get: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let get = |name: &str| get(name).filter(|value| !value.is_empty());
        let row = |name: &str| {
            let all = Row::ALL.into_iter().chain(Row::BODIES);
            all.clone().find(|row| row.name() == name).ok_or_else(|| {
                let names: Vec<_> = all.map(Row::name).collect();
                let expected = format!("bodies, tag, bridge, names of {}", names.join(", "));
                bad("BENCH_ONLY", &expected, name)
            })
        };
        let mut rows = match get("BENCH_ONLY") {
            Some(list) if list == "bodies" => Row::BODIES.into(),
            Some(list) if list == "tag" || list == "bridge" => Vec::new(),
            Some(list) => list.split(',').map(row).collect::<Result<Vec<_>>>()?,
            None => Row::ALL.into(),
        };
        rows.sort();
        rows.dedup();
        let connections = match get("BENCH_CONNECTIONS") {
            Some(list) => list
                .split(',')
                .map(|text| number("BENCH_CONNECTIONS", text, 1, 1_000))
                .collect::<Result<Vec<_>>>()?,
            None => vec![1, 8, HEADLINE, 64],
        };
        let one = |name, default: u32, high| {
            get(name).map_or(Ok(default), |text| number(name, &text, 1, high))
        };
        Ok(Self {
            rounds: one("BENCH_ROUNDS", 3, 100)?,
            duration: Duration::from_secs(one("BENCH_SECONDS", 2, 60)?.into()),
            rows,
            tag: get("BENCH_ONLY").is_none_or(|only| only == "tag"),
            bridge: get("BENCH_ONLY").is_none_or(|only| only == "bridge"),
            connections,
        })
    }

    /// Rounds at this number of connections.
    pub(super) fn rounds_at(&self, connections: u32) -> u32 {
        if connections == HEADLINE {
            self.rounds + HEADLINE_MORE
        } else {
            self.rounds
        }
    }
}

fn number<T: FromStr + PartialOrd + Display>(
    variable: &'static str,
    text: &str,
    low: T,
    high: T,
) -> Result<T> {
    match text.trim().parse::<T>() {
        Ok(value) if (&low..=&high).contains(&&value) => Ok(value),
        _ => Err(bad(variable, &format!("a number in {low}..={high}"), text)),
    }
}

fn bad(variable: &'static str, expected: &str, got: &str) -> Error {
    Error::Spec {
        variable,
        reason: format!("must be {expected}, got {got:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings> {
        Settings::from_vars(|name| {
            let found = pairs.iter().find(|(n, _)| *n == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn defaults_and_knobs() {
        let plain = read(&[]).unwrap();
        assert_eq!(plain.rows, Row::ALL);
        assert_eq!((plain.rounds_at(8), plain.rounds_at(32)), (3, 5));
        let chosen = read(&[("BENCH_ONLY", "one,noop"), ("BENCH_SECONDS", "7")]).unwrap();
        assert_eq!(chosen.rows, [Row::Noop, Row::OneLimit]);
        assert_eq!(chosen.duration, Duration::from_secs(7));
        assert!(plain.bridge && plain.tag && !chosen.bridge && !chosen.tag);
        let alone = read(&[("BENCH_ONLY", "bridge")]).unwrap();
        assert!(alone.bridge && !alone.tag && alone.rows.is_empty());
    }

    #[test]
    fn mistakes_name_the_variable() {
        for (name, value) in [
            ("BENCH_ROUNDS", "0"),
            ("BENCH_SECONDS", "2s"),
            ("BENCH_ONLY", "noop,two"),
            ("BENCH_CONNECTIONS", "8,,"),
        ] {
            let error = read(&[(name, value)]).unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
        }
    }
}

//! What can be chosen from outside.

use crate::metastable::{self, Scenario};
use crate::row::Row;
use crate::rows;
use std::time::Duration;
use tidegate_stack::{Error, Result};

/// Which rows, how often, under what load.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The rows. `CHAOS_ROWS=A1,C10`, or all.
    pub rows: Vec<Row>,
    /// The metastable scenarios: those of `CHAOS_ROWS` (`M1`, or `M` for all of them), or all.
    pub scenarios: Vec<Scenario>,
    /// How long a scenario is judged after its recovery is due. `CHAOS_JUDGED`, 10 s.
    pub judged: Duration,
    /// Scenarios with their guards (`on`), without (`off`), or both. `CHAOS_GUARD`.
    pub guards: Vec<bool>,
    /// Trials of each, a new stack for each. `CHAOS_TRIALS`, 1.
    pub trials: u32,
    /// How often the fault is made in a trial; as the row says when absent. `CHAOS_ROUNDS`.
    pub rounds: Option<u32>,
    /// Requests a second. `CHAOS_RATE`; half of what the machine carries when absent, at most [`crate::trial::RATE`].
    pub rate: Option<u64>,
    /// Where randomness begins. `CHAOS_SEED`; drawn when absent.
    pub seed: Option<u64>,
    /// Every failure is told. `CHAOS_VERBOSE=on`.
    pub verbose: bool,
}

impl Settings {
    /// Reads the variables with `get`; absent or empty means the default.
    ///
    /// # Errors
    /// [`Error::Spec`] names the variable and what it may hold.
    pub fn from_vars(get: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let get = |name: &str| get(name).filter(|value| !value.is_empty());
        let all = rows::all();
        let every = metastable::all();
        let (rows, scenarios) = match get("CHAOS_ROWS") {
            None => (all, every),
            Some(list) => chosen(&list, &all, &every)?,
        };
        let number = |name: &'static str, low: u64, high: u64| match get(name) {
            None => Ok(None),
            Some(text) => match text.parse::<u64>() {
                Ok(n) if (low..=high).contains(&n) => Ok(Some(n)),
                _ => Err(bad(name, &format!("a number in {low}..={high}"), &text)),
            },
        };
        let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        Ok(Self {
            rows,
            scenarios,
            judged: Duration::from_secs(number("CHAOS_JUDGED", 1, 600)?.unwrap_or(10)),
            guards: match get("CHAOS_GUARD").as_deref() {
                None => vec![true, false],
                Some("on") => vec![true],
                Some("off") => vec![false],
                Some(other) => return Err(bad("CHAOS_GUARD", "on or off", other)),
            },
            trials: number("CHAOS_TRIALS", 1, 1_000)?.map_or(1, small),
            rounds: number("CHAOS_ROUNDS", 1, 1_000)?.map(small),
            rate: number("CHAOS_RATE", 10, 20_000)?,
            seed: number("CHAOS_SEED", 0, u64::MAX)?,
            verbose: match get("CHAOS_VERBOSE").as_deref() {
                None | Some("off") => false,
                Some("on") => true,
                Some(other) => return Err(bad("CHAOS_VERBOSE", "on or off", other)),
            },
        })
    }
}

/// Those that a list names, in its order.
fn chosen(list: &str, rows: &[Row], scenarios: &[Scenario]) -> Result<(Vec<Row>, Vec<Scenario>)> {
    let (mut some, mut others) = (Vec::new(), Vec::new());
    for id in list.split(',').map(str::trim) {
        let row = rows.iter().find(|row| row.id == id);
        let of = |scenario: &&Scenario| id == "M" || scenario.id == id;
        let found = scenarios.iter().filter(of);
        if row.is_none() && found.clone().count() == 0 {
            let ids = rows.iter().map(|row| row.id);
            let ids: Vec<_> = ids.chain(scenarios.iter().map(|s| s.id)).collect();
            let expected = format!("ids of {}", ids.join(", "));
            return Err(bad("CHAOS_ROWS", &expected, id));
        }
        some.extend(row);
        others.extend(found);
    }
    Ok((some, others))
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

    #[test]
    fn defaults_knobs_and_mistakes() {
        let read = |pairs: &[(&str, &str)]| {
            Settings::from_vars(|name| {
                let found = pairs.iter().find(|(n, _)| *n == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        let plain = read(&[]).unwrap();
        assert_eq!((plain.trials, plain.rate, plain.rounds), (1, None, None));
        assert_eq!(plain.rows.len(), rows::all().len());
        let chosen = read(&[("CHAOS_ROWS", "C1, A2"), ("CHAOS_ROUNDS", "50")]).unwrap();
        let ids: Vec<_> = chosen.rows.iter().map(|row| row.id).collect();
        assert_eq!((ids, chosen.rounds), (vec!["C1", "A2"], Some(50)));
        for (name, value) in [
            ("CHAOS_ROWS", "Z9"),
            ("CHAOS_TRIALS", "0"),
            ("CHAOS_RATE", "fast"),
        ] {
            let error = read(&[(name, value)]).unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
        }
    }
}

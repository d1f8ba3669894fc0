//! What came of the scenarios, kept from run to run, and their table.

use super::Scenario;
use super::goodput::Goodput;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use tidegate_stack::{Error, Result, files, spec};

/// Trials of a scenario.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// With the guard.
    pub on: Vec<Goodput>,
    /// Without it.
    pub off: Vec<Goodput>,
}

/// The results that are kept, by id.
pub type Outcomes = BTreeMap<String, Outcome>;

impl Outcome {
    /// What is wrong with it, if anything.
    pub fn broken(&self) -> Vec<String> {
        let mut broken = Vec::new();
        for goodput in self.on.iter().chain(&self.off) {
            if !goodput.is_sound() {
                broken.push(format!("not well before the trigger: {goodput:?}"));
            }
        }
        let lasting = self.on.iter().filter(|goodput| !goodput.is_back());
        broken.extend(lasting.map(|goodput| format!("not back with its guard: {goodput:?}")));
        let back = self.off.iter().filter(|goodput| goodput.is_back());
        broken.extend(back.map(|goodput| format!("back without its guard too: {goodput:?}")));
        broken
    }
}

fn file() -> PathBuf {
    spec::root().join("tests/chaos/metastable.json")
}

/// Reads the results of earlier runs; none when there are none.
///
/// # Errors
/// When the file is not what was written.
pub fn load() -> Result<Outcomes> {
    let path = file();
    if !path.exists() {
        return Ok(Outcomes::new());
    }
    serde_json::from_str(&files::read(&path)?).map_err(|e| Error::Answer {
        what: format!("read {}", path.display()),
        got: e.to_string(),
    })
}

/// Writes them.
///
/// # Errors
/// When the file cannot be written.
pub fn store(outcomes: &Outcomes) -> Result<()> {
    let text = serde_json::to_string_pretty(outcomes).map_err(|e| Error::Answer {
        what: "encode the results".into(),
        got: e.to_string(),
    })?;
    files::replace(&file(), (text + "\n").as_bytes())
}

const INTRODUCTION: &str = "
## Failures that could keep themselves alive

A trigger passes; does the failure? Visitors arrive at a constant rate all the time. *Goodput*: visits a second that got
what they came for, before the trigger / from it until the recovery is due / for ten seconds after (`CHAOS_JUDGED`, seconds).
With its guard a scenario must have 95 % of the first again in the last; without it it must not, or it shows nothing.
`CHAOS_ROWS=M2,M9 make chaos` runs some of them, `CHAOS_ROWS=M` all.

| | trigger | load | must be back | guard | goodput with it | without it | trials |
|---|---|---|---|---|---|---|---|
";

/// The table.
pub fn markdown(outcomes: &Outcomes, scenarios: &[Scenario]) -> String {
    let mut out = String::from(INTRODUCTION);
    for scenario in scenarios {
        let Some(outcome) = outcomes.get(scenario.id) else {
            continue;
        };
        // Writing to a String does not fail.
        let _ok = writeln!(
            out,
            "| {} | {} | {} | {} ms | {} | {} | {} | {} + {} |",
            scenario.id,
            scenario.trigger_is,
            scenario.load,
            scenario.recovery.as_millis(),
            scenario.guard,
            side(&outcome.on, ["**not back**", "back"]),
            side(&outcome.off, ["not back", "**back**"]),
            outcome.on.len(),
            outcome.off.len(),
        );
    }
    out
}

/// The trial that was best or worst after the trigger says little of the others, so it is the median one that is
/// shown, and how many were back.
fn side(trials: &[Goodput], [not, yes]: [&str; 2]) -> String {
    let mut sorted = trials.to_vec();
    sorted.sort_unstable_by_key(|goodput| goodput.after);
    let Some(goodput) = sorted.get(sorted.len() / 2) else {
        return "not run".into();
    };
    let back = trials.iter().filter(|goodput| goodput.is_back()).count();
    let verdict = match back {
        0 => not.to_owned(),
        n if n == trials.len() => yes.to_owned(),
        n => format!("back in {n} of {}", trials.len()),
    };
    let Goodput {
        before,
        during,
        after,
        ..
    } = goodput;
    format!("{before} / {during} / {after}: {verdict}")
}

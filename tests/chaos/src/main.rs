//! `make chaos`: runs rows, says what came of each, writes the table.

use std::io::Write as _;
use std::process::ExitCode;
use tidegate_chaos::metastable::results::Outcome;
use tidegate_chaos::metastable::{self, Scenario, Terms, results};
use tidegate_chaos::report::Report;
use tidegate_chaos::row::Row;
use tidegate_chaos::settings::Settings;
use tidegate_chaos::trial::{self, Conditions};
use tidegate_chaos::{rows, table};
use tidegate_stack::Result;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("chaos: {error}");
            ExitCode::from(2)
        }
    }
}

/// True when nothing was broken.
fn run() -> Result<bool> {
    let settings = Settings::from_vars(|name| std::env::var(name).ok())?;
    let mut seed = settings.seed.unwrap_or_else(tidegate_chaos::seed);
    let mut results = table::load()?;
    let mut sound = true;
    let mut skipped = 0;
    let rate = load(&settings, seed)?;
    for row in &settings.rows {
        let mut report = Report::default();
        if let Some(reason) = row.missing() {
            told(&format!("{} {}: skipped: {reason}\n", row.id, row.fault));
            results.insert(row.id.into(), Report::skipped(reason));
            table::store(&results, &rows::all())?;
            skipped += 1;
            continue;
        }
        for _ in 0..settings.trials {
            let conditions = Conditions {
                rate,
                seed,
                rounds: settings.rounds,
                verbose: settings.verbose,
            };
            seed = seed.wrapping_add(1);
            match trial::run(row, conditions) {
                Ok(trial) => report.merge(trial),
                // One that could not be made spoils no other.
                Err(error) => report.violations.push(format!("made: {error}")),
            }
        }
        say(row, &report, seed.wrapping_sub(u64::from(settings.trials)));
        sound &= report.violations.is_empty();
        results.insert(row.id.into(), report);
        // After each, so that what is interrupted is not lost.
        table::store(&results, &rows::all())?;
    }
    for scenario in &settings.scenarios {
        sound &= metastable(scenario, &settings, &results, &mut seed)?;
    }
    if skipped > 0 {
        told(&format!("{skipped} rows skipped\n"));
    }
    Ok(sound)
}

/// Requests a second of the standing load.
fn load(settings: &Settings, seed: u64) -> Result<u64> {
    if let Some(rate) = settings.rate {
        return Ok(rate);
    }
    if settings.rows.is_empty() {
        return Ok(trial::RATE);
    }
    let capacity = trial::capacity(seed)?;
    let rate = trial::standing(capacity);
    told(&format!(
        "this machine carries {capacity} requests/s, the load is {rate}\n"
    ));
    Ok(rate)
}

/// A scenario, with its guard and without. True when it went as it must.
fn metastable(
    scenario: &Scenario,
    settings: &Settings,
    results: &table::Results,
    seed: &mut u64,
) -> Result<bool> {
    let mut outcome = Outcome::default();
    for guarded in settings.guards.iter().copied() {
        for _ in 0..settings.trials {
            let terms = Terms {
                guarded,
                judged: settings.judged,
                seed: *seed,
                verbose: settings.verbose,
            };
            *seed = seed.wrapping_add(1);
            let goodput = metastable::run(scenario, terms)?;
            match guarded {
                true => outcome.on.push(goodput),
                false => outcome.off.push(goodput),
            }
            let text = format!("{} guard {guarded}: {goodput:?}\n", scenario.id);
            let _said = std::io::stdout().write_all(text.as_bytes());
        }
    }
    let broken = outcome.broken();
    for text in &broken {
        let line = format!("  broken: {text}\n");
        let _said = std::io::stdout().write_all(line.as_bytes());
    }
    // Half of a scenario is for finding out; the table has both.
    if settings.guards.len() > 1 {
        let mut outcomes = results::load()?;
        outcomes.insert(scenario.id.into(), outcome);
        results::store(&outcomes)?;
        table::store(results, &rows::all())?;
    }
    Ok(broken.is_empty())
}

fn say(row: &Row, report: &Report, seed: u64) {
    let line = format!(
        "{} {}: {} faults, {} requests, {} failed, outage {:?} ms, back after {:?} ms, lost {:?}, {:?}, void {}, seed {seed}\n",
        row.id,
        row.fault,
        report.faults,
        report.requests,
        report.failed,
        report.outage_ms,
        report.recovery_ms,
        report.lost,
        report.measured,
        report.void,
    );
    let broken = report.violations.iter().take(20);
    let broken: String = broken.map(|text| format!("  broken: {text}\n")).collect();
    told(&format!("{line}{broken}"));
}

fn told(text: &str) {
    // Whoever closed our output does not want to know.
    let _said = std::io::stdout().write_all(text.as_bytes());
}

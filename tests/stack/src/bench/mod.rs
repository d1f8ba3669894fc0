//! The paired benchmarks: `make bench`.
//!
//! Every row has an Envoy of its own, started once; all are measured in turn, round after round, so that a
//! machine that slows down slows every row. A ratio is the median of the ratios within the rounds. Nothing
//! about speed is asserted; that each row did what its name says is (`Row::expects`).

mod bare;
mod bound;
mod bridge;
mod driver;
mod evict;
mod lab;
mod point;
mod report;
mod rows;
mod settings;
mod size;
mod summary;
mod tag;
mod wrk;

pub use report::Report;
pub use rows::Row;
pub use settings::Settings;
pub(crate) use summary::median;

use lab::Lab;
use point::Sample;
use size::{Memory, Module};
use summary::Samples;

use crate::{Error, Result, StackSpec};
use std::time::Duration;

/// Length of each row's load before anything is measured: connections, tables and code become warm.
const WARM: Duration = Duration::from_secs(1);

/// Starts everything, measures every row in turn, ends everything.
///
/// # Errors
/// When a part is missing or fails, or a row did something else than its name says.
pub fn run(spec: StackSpec, settings: Settings, mut say: impl FnMut(&str)) -> Result<Report> {
    let module = crate::bridge::module(&spec)?.ok_or_else(|| Error::Spec {
        variable: "FILTER",
        reason: "must not be none here: the benchmark has a row without a filter".into(),
    })?;
    let module = size::module(&module)?;
    let lab = Lab::start(spec, &settings.rows, &mut say)?;
    for &row in &settings.rows {
        say(&format!("warm {}", row.title()));
        wrk::run(&lab.envoy(row)?.url, lab.fields(row), 8, WARM)?;
    }
    let mut samples = Samples::default();
    let most = settings
        .connections
        .iter()
        .map(|&c| settings.rounds_at(c))
        .max();
    for round in 0..most.unwrap_or(0) {
        for &connections in &settings.connections {
            if round >= settings.rounds_at(connections) {
                continue;
            }
            for &row in &settings.rows {
                let sample = point::measure(&lab, row, connections, settings.duration)?;
                say(&format!(
                    "round {} c={connections:<3} {:<20}{:>8.0} requests/s",
                    round + 1,
                    row.title(),
                    sample.rate
                ));
                samples.add(row, connections, sample);
            }
        }
    }
    let tag = match settings.tag {
        true => {
            say("purge of a tag");
            Some(tag::measure(&lab)?)
        }
        false => None,
    };
    let evictions = evict::measure(&lab, &settings.rows)?;
    // The last one: it gives processes to cores.
    let alone = match settings.bridge {
        true => Some(bridge::measure(&lab, &settings, &mut say)?),
        false => None,
    };
    let memory = settings
        .rows
        .iter()
        .map(|&row| Ok((row, size::memory(&lab, row)?)))
        .collect::<Result<_>>()?;
    // What it leaves in memory is not the rows'.
    let bound = bound::measure(&lab, &settings.rows)?;
    Ok(Report {
        bridges: lab.bridge_count(),
        settings,
        samples,
        evictions,
        bound,
        tag,
        alone,
        module,
        memory,
    })
}

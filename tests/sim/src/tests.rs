//! Seeds, their determinism, and proof that each checker sees its mutant.

mod mutants;
mod seeds;

use crate::Report;

/// What is printed of a run that failed.
fn story(report: &Report) -> String {
    format!(
        "seed {}: {}\n{:?}\n{}\nreplay: TIDEGATE_SIM_SEED={} cargo test -p tidegate-sim",
        report.options.seed,
        report.violation.as_deref().unwrap_or("no violation"),
        report.options,
        report.last.join("\n"),
        report.options.seed,
    )
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

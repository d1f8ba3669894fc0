//! The table of the documents, written by the suite itself.

use crate::elsewhere;
use crate::metastable::results as metastable;
use crate::report::Report;
use crate::row::{Failures, Row};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use tidegate_stack::{Error, Result, files, spec};

const INTRODUCTION: &str = "# Faults, and what came of them

Written by `make chaos`; not edited by hand. A row is replaced when it is run again (`CHAOS_ROWS=C1 CHAOS_ROUNDS=50
make chaos`). Load of every row: 3 Envoys with 2 workers each, 2 bridges, arrivals at a fixed rate whatever became of
those before: half of what the machine carries, at most 1,500 a second, of some rows less (*rate*; 40 % limited, 30 % with a session, 30 % cached; of H4: nine of ten answered from workers' memory),
exchanges of 100 ms, and operators who end sessions and purge URLs all the time.

*may fail*: of 1,500 requests a second; of fewer, as much fewer. *faults*: how often the fault was made. *failed*: requests without what they asked for, after the first fault; a
policy's own refusals (429, 401 after a logout) are not among them. *outage*: from the first of these to the last,
for each fault. *back*: from the mending to the begin of a second with 99.9 % of success. *lost*: increments of limits
that were acknowledged and given out again, counted by their numbers in the sequence of their key. *checks*: how
often each invariant was checked, and how often it was broken.
";

/// The results that are kept.
pub type Results = BTreeMap<String, Report>;

fn file(name: &str) -> PathBuf {
    spec::root().join("tests/chaos").join(name)
}

/// Reads the results of earlier runs; none when there are none.
///
/// # Errors
/// When the file is not what was written.
pub fn load() -> Result<Results> {
    let path = file("results.json");
    if !path.exists() {
        return Ok(Results::new());
    }
    serde_json::from_str(&files::read(&path)?).map_err(|e| Error::Answer {
        what: format!("read {}", path.display()),
        got: e.to_string(),
    })
}

/// Writes them, and the table.
///
/// # Errors
/// When a file cannot be written.
pub fn store(results: &Results, rows: &[Row]) -> Result<()> {
    let text = serde_json::to_string_pretty(results).map_err(|e| Error::Answer {
        what: "encode the results".into(),
        got: e.to_string(),
    })?;
    files::replace(&file("results.json"), (text + "\n").as_bytes())?;
    let mut table = markdown(results, rows);
    table.push_str(&metastable::markdown(
        &metastable::load()?,
        &crate::metastable::all(),
    ));
    files::replace(&file("FAULTS.md"), table.as_bytes())
}

/// The table.
pub fn markdown(results: &Results, rows: &[Row]) -> String {
    let mut out = String::from(INTRODUCTION);
    out.push_str(
        "\n| | fault | may fail | rate | faults | requests | failed | outage ms p50, max | back ms p50, max (bound) | lost | checks |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let Some(report) = results.get(row.id) else {
            continue;
        };
        if let Some(reason) = &report.skipped {
            let _ok = writeln!(
                out,
                "| {} | {} | not made: {reason} | | 0 | 0 | | | | | |",
                row.id, row.fault
            );
            continue;
        }
        // Writing to a String does not fail.
        let _ok = writeln!(
            out,
            "| {} | {}{} | {} | {} | {}{} | {} | {} | {} | {} ({}) | {} | {} |",
            row.id,
            row.fault,
            measured(report),
            allowed(row.expect.failures),
            report.rate,
            report.faults,
            void(report),
            report.requests,
            report.failed,
            spread(&report.outage_ms),
            spread(&report.recovery_ms),
            row.expect.recovery.as_millis(),
            report.lost.iter().sum::<u64>(),
            checks(report),
        );
    }
    out.push_str("\n## Faults that tests of their own make\n\n| | fault | test |\n|---|---|---|\n");
    for (id, fault, file, test) in elsewhere::ROWS {
        let _ok = writeln!(
            out,
            "| {id} | {fault} | `{test}` in [{file}](../../{file}) |"
        );
    }
    out.push_str("\n## What the invariants say\n\n");
    for (id, text) in INVARIANTS {
        let total: u64 = results.values().filter_map(|r| r.checks.get(*id)).sum();
        let _ok = writeln!(out, "- **{id}** {text}: {total} checks");
    }
    out
}

const INVARIANTS: &[(&str, &str)] = &[
    (
        "A9",
        "each worker has streams to both bridges within 30 s of a restart",
    ),
    (
        "C1",
        "nobody is served what was purged, after the purge was acknowledged",
    ),
    ("C6", "a cached answer has its body"),
    ("L1", "no request hangs"),
    ("L2", "after the mending everything is as before, in time"),
    ("L4", "a herd opens no breaker"),
    (
        "P1",
        "no trap, no panic, no broken assertion in Envoy or bridge",
    ),
    ("P3", "a bad policy is not taken"),
    ("P4", "a bridge serves, or says in one line why not"),
    ("R1", "no admission of a key has the number of another one"),
    (
        "R16",
        "a limit counts for whoever has the same parameters, and nobody else",
    ),
    ("R7", "what a failover loses of a key is at most one limit"),
    ("R8", "what was admitted was charged"),
    ("S1", "replicas are not asked"),
    ("S12", "the upstream is told who has the token"),
    (
        "S2",
        "a session whose end was acknowledged is never valid again",
    ),
    (
        "S4",
        "a session that cannot be looked up is not said to be gone",
    ),
    ("X4", "what cannot be had costs no processor"),
    ("X6", "what is no exchange is not taken for one"),
    ("X11", "no key of Redis is without an end"),
    (
        "X3",
        "no decision takes longer than its deadline and what a busy machine adds",
    ),
    (
        "X4",
        "what goes on beside them makes decisions hardly slower and nothing grow",
    ),
    ("C5", "what may not be shared is not stored"),
    (
        "C3",
        "what was made before a change was acknowledged is not served after it",
    ),
    (
        "S7",
        "who does at once what somebody else does is told the same",
    ),
    ("ok", "no request failed that may not"),
];

fn allowed(failures: Failures) -> String {
    match failures {
        Failures::None => "nothing".into(),
        Failures::AtMost(n) => format!("{n} in flight"),
        Failures::OnError => "what cannot be decided, by its policy".into(),
        Failures::At(_) => "what that worker had, 503".into(),
        Failures::Any => "what that Envoy had".into(),
    }
}

fn void(report: &Report) -> String {
    match report.void {
        0 => String::new(),
        n => format!(" (times of {n} trials void)"),
    }
}

fn measured(report: &Report) -> String {
    let all = report.measured.iter();
    all.map(|(name, values)| format!("; {name}: {}", spread(values)))
        .collect()
}

/// Median and largest.
fn spread(values: &[u64]) -> String {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    match (sorted.get(sorted.len() / 2), sorted.last()) {
        (Some(median), Some(largest)) => format!("{median}, {largest}"),
        _ => "none".into(),
    }
}

fn checks(report: &Report) -> String {
    let one = |(id, n): (&String, &u64)| {
        let start = format!("{id}:");
        let broken = report
            .violations
            .iter()
            .filter(|text| text.starts_with(&start));
        match broken.count() {
            0 => format!("{id} {n}"),
            broken => format!("**{id} {n}, {broken} broken**"),
        }
    };
    report
        .checks
        .iter()
        .map(one)
        .collect::<Vec<_>>()
        .join(" · ")
}

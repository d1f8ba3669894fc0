//! What came of a trial, and of all trials of a row.

use crate::history::{End, History, Span};
use crate::oracle::{self, Verdict};
use crate::row::{Failures, Row};
use crate::trial::RATE;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Arrivals that come later than this say that the machine was too busy for its times to mean anything.
const LATE_MS: u64 = 50;

/// What came of the trials of a row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Requests a second. The first tables did not say: it was the whole load.
    #[serde(default = "whole")]
    pub rate: u64,
    /// How often the fault was made.
    pub faults: u64,
    /// Trials whose times were not judged: the machine was too busy.
    pub void: u64,
    /// Requests.
    pub requests: u64,
    /// Those that failed, after the first fault.
    pub failed: u64,
    /// From the first failure to the last one, for each fault, ms.
    pub outage_ms: Vec<u64>,
    /// From the mending to 99.9 % over a second, for each fault, ms.
    pub recovery_ms: Vec<u64>,
    /// Increments that were acknowledged and lost, for each trial.
    pub lost: Vec<u64>,
    /// What a row measured itself, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub measured: BTreeMap<String, Vec<u64>>,
    /// How many checks were made for each invariant.
    pub checks: BTreeMap<String, u64>,
    /// What was broken.
    pub violations: Vec<String>,
    /// Why the fault was not made at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

fn whole() -> u64 {
    RATE
}

impl Report {
    /// A row that was not run, and why.
    pub fn skipped(reason: String) -> Self {
        Self {
            skipped: Some(reason),
            ..Self::default()
        }
    }

    /// Judges a trial.
    pub fn of(row: &Row, rate: u64, history: &History, mut verdict: Verdict) -> Self {
        let mut report = Self::default();
        let expect = &row.expect;
        let judged = oracle::judge(history, expect.losses, expect.bounds);
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let begun_ns = history
            .faults
            .first()
            .map_or(u64::MAX, |span| span.begun_ns);
        // What was on its way when the fault struck says nothing about the time before it.
        let before_ns = begun_ns.saturating_sub(200_000_000);
        let before = oracle::failures(history, 0, before_ns).count();
        let ms = |ns: u64| ns / 1_000_000;
        let void = ms(history.late_ns) > LATE_MS || before > 3;
        if void {
            eprintln!(
                "{}: the machine is too busy: arrivals {} ms late, {before} failures before the fault",
                row.id,
                ms(history.late_ns)
            );
        }
        for (index, span) in history.faults.iter().enumerate() {
            let next = history.faults.get(index + 1);
            let to_ns = next.map_or(u64::MAX, |span| span.begun_ns);
            report.span(row, history, *span, to_ns, void, &mut verdict);
        }
        if !void {
            let late = judged.violations.iter().filter(|text| timed(text));
            verdict.violations.extend(late.cloned());
        }
        let lasting = judged.violations.iter().filter(|text| !timed(text));
        verdict.violations.extend(lasting.cloned());
        for (invariant, n) in judged.checks {
            verdict.checked(&invariant, n);
        }
        if let Some(most) = expect.slower {
            slower(history, most, void, &mut verdict);
        }
        report.rate = rate;
        report.faults = count(history.faults.len());
        report.void = u64::from(void);
        report.requests = history.sent;
        report.failed = count(oracle::failures(history, begun_ns, u64::MAX).count());
        report.lost = vec![judged.lost];
        report.measured = verdict.measured;
        if judged.lost_sessions > 0 {
            let told = vec![judged.lost_sessions];
            (report.measured).insert("401 for sessions a failover lost".into(), told);
        }
        report.checks = verdict.checks;
        report.violations = verdict.violations;
        report
    }

    fn span(
        &mut self,
        row: &Row,
        history: &History,
        span: Span,
        to_ns: u64,
        void: bool,
        verdict: &mut Verdict,
    ) {
        let ms = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        // What was on its way when the next one struck is not of this one.
        let before_next = to_ns.saturating_sub(200_000_000);
        let outage = oracle::outage(history, span.begun_ns, before_next);
        self.outage_ms.push(ms(outage));
        let recovery = oracle::recovery(history, span.healed_ns, to_ns);
        self.recovery_ms.extend(recovery.map(ms));
        let bound = row.expect.recovery;
        let late = match recovery {
            Some(took) if took <= bound => None,
            Some(took) => Some(format!("as before after {took:?}, at most {bound:?}")),
            None => Some("not as before in the time that was watched".to_owned()),
        };
        verdict.check("L2", late.filter(|_| !void));
        let bad = unexpected(row.expect.failures, history, span.begun_ns, to_ns);
        verdict.check("ok", bad.filter(|_| !void));
    }

    /// Adds another trial.
    pub fn merge(&mut self, other: Self) {
        self.rate = other.rate;
        self.faults += other.faults;
        self.void += other.void;
        self.requests += other.requests;
        self.failed += other.failed;
        self.outage_ms.extend(other.outage_ms);
        self.recovery_ms.extend(other.recovery_ms);
        self.lost.extend(other.lost);
        for (name, values) in other.measured {
            self.measured.entry(name).or_default().extend(values);
        }
        for (invariant, n) in other.checks {
            *self.checks.entry(invariant).or_insert(0) += n;
        }
        self.violations.extend(other.violations);
    }
}

/// The failures of a trial, a line for each half second after the first fault: to find out with `CHAOS_VERBOSE=on`
/// what a number in the table was.
pub fn failures_by_time(history: &History) -> String {
    let begun_ns = history.faults.first().map_or(0, |span| span.begun_ns);
    let ms = |ns: u64| i64::try_from(ns / 1_000_000).unwrap_or(i64::MAX);
    let mut times: BTreeMap<i64, BTreeMap<String, u64>> = BTreeMap::new();
    for record in oracle::failures(history, 0, u64::MAX) {
        let at = (ms(record.due_ns) - ms(begun_ns)).div_euclid(500) * 500;
        let asked = format!("{:?}", record.asked);
        let kind = asked.split('(').next().unwrap_or_default();
        let end = match &record.end {
            End::Answer(answer) => answer.status.to_string(),
            End::Broken(error) => error.clone(),
            End::Hung => "hung".into(),
        };
        let what = format!("{kind} {end} in {} ms", record.took_ns() / 50_000_000 * 50);
        *times.entry(at).or_default().entry(what).or_insert(0) += 1;
    }
    let line = |(at, kinds): (&i64, &BTreeMap<String, u64>)| {
        let kinds: Vec<_> = kinds
            .iter()
            .map(|(what, n)| format!("{n} x {what}"))
            .collect();
        format!("  {at:+} ms: {}\n", kinds.join(", "))
    };
    let spans = history.faults.iter().map(|span| {
        let since = |ns: u64| ms(ns) - ms(begun_ns);
        format!(
            "  fault {}..{} ms\n",
            since(span.begun_ns),
            since(span.healed_ns)
        )
    });
    spans.chain(times.iter().map(line)).collect()
}

/// Answers come hardly later while the fault lasts than before it (X4).
fn slower(history: &History, most: std::time::Duration, void: bool, verdict: &mut Verdict) {
    let Some(first) = history.faults.first() else {
        return;
    };
    // The first second opens connections and fills caches.
    let before = oracle::latency(history, 1_000_000_000, first.begun_ns);
    let spans = history.faults.iter();
    let during = spans
        .map(|span| oracle::latency(history, span.begun_ns, span.healed_ns))
        .max()
        .unwrap_or_default();
    let us = |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    for (name, time) in [("p99 before us", before), ("p99 meanwhile us", during)] {
        let all = verdict.measured.entry(name.into()).or_default();
        all.push(us(time));
    }
    let late = during > before + most && !void;
    let text = format!("99 of 100 are answered in {during:?}, in {before:?} before");
    verdict.check("X4", late.then_some(text));
}

/// How long requests take says something about us only on a machine that has time.
fn timed(violation: &str) -> bool {
    violation.starts_with("X3:")
}

/// Failures in a span that its row does not allow.
fn unexpected(allowed: Failures, history: &History, from_ns: u64, to_ns: u64) -> Option<String> {
    use crate::history::Asked;
    let all = oracle::failures(history, from_ns, to_ns);
    let mut wrong = all
        .filter(|record| match allowed {
            Failures::Any => false,
            Failures::At(envoy) => record.envoy != envoy || record.status() != 503,
            Failures::None | Failures::AtMost(_) => true,
            Failures::OnError => {
                let cached = matches!(record.asked, Asked::Cached(_));
                cached || record.status() != 503
            }
        })
        .peekable();
    let first = wrong.peek().map(|record| {
        let how = match &record.end {
            End::Answer(answer) => format!("{answer:?}"),
            other => format!("{other:?}"),
        };
        let after_ms = record.due_ns.saturating_sub(from_ns) / 1_000_000;
        format!("{:?} {after_ms} ms after the fault: {how}", record.asked)
    })?;
    let n = wrong.count();
    let most = match allowed {
        Failures::AtMost(most) => most,
        _ => 0,
    };
    (u64::try_from(n).unwrap_or(u64::MAX) > most)
        .then(|| format!("{n} requests failed that should not (at most {most}), first: {first}"))
}

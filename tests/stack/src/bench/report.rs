//! What the benchmark prints.

use super::bound::AtBound;
use super::bridge::Alone;
use super::evict::Evictions;
use super::rows::{Size, What};
use super::tag::TagPurge;
use super::{Memory, Module, Row, Samples, Settings, settings::HEADLINE, summary};
use std::fmt;

/// What a bridge may spend on an exchange, µs, beyond what its script costs Redis.
const BRIDGE_MORE: f64 = 15.0;

/// Everything a run found.
#[derive(Debug, Clone)]
pub struct Report {
    /// What was measured.
    pub(super) settings: Settings,
    /// The samples.
    pub(super) samples: Samples,
    /// The module.
    pub(super) module: Module,
    /// What the purge of a tag costs others.
    pub(super) tag: Option<TagPurge>,
    /// What one bridge on one core does.
    pub(super) alone: Option<Alone>,
    /// How long workers go on answering from memory.
    pub(super) evictions: Option<Evictions>,
    /// Memory of the Envoy whose worker remembers as much as it may.
    pub(super) bound: Option<AtBound>,
    /// Memory of each row's Envoy after its load.
    pub(super) memory: Vec<(Row, Memory)>,
    /// How many bridges there were.
    pub(super) bridges: u16,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.settings;
        writeln!(
            f,
            "Envoys with 1 worker, {} bridges, Redis standalone; medians of {} rounds ({} at c={HEADLINE}) of {} s, rows interleaved",
            self.bridges,
            settings.rounds,
            settings.rounds_at(HEADLINE),
            settings.duration.as_secs(),
        )?;
        if settings.rows.is_empty() {
            self.tag(f)?;
            return self.alone(f);
        }
        self.rates(f)?;
        self.ratios(f, "ratio to no-op", Row::Noop)?;
        self.ratios(f, "ratio to host calls", Row::Calls)?;
        self.ratios(f, "ratio to a bare exchange", Row::Bare)?;
        self.ratios(f, "ratio to one limit", Row::OneLimit)?;
        self.ratios(f, "ratio to constant", Row::Constant)?;
        for size in [Size::Small, Size::Large] {
            for what in [What::Passes, What::Constant] {
                let base = Row::Body(what, size);
                self.ratios(f, &format!("ratio to {}", base.name()), base)?;
            }
        }
        for &connections in &settings.connections {
            self.costs(f, connections)?;
        }
        self.aims(f)?;
        self.evictions(f)?;
        self.tag(f)?;
        self.alone(f)?;
        self.sizes(f)?;
        self.noise(f)
    }
}

impl Report {
    fn heading(&self, f: &mut fmt::Formatter<'_>, title: &str) -> fmt::Result {
        write!(f, "\n{title:<20}")?;
        for connections in &self.settings.connections {
            write!(f, "{:>14}", format!("c={connections}"))?;
        }
        writeln!(f)
    }

    fn rates(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.heading(f, "requests/s (spread)")?;
        for &row in &self.settings.rows {
            write!(f, "{:<20}", row.title())?;
            for &c in &self.settings.connections {
                let rate = number(self.samples.rate(row, c), 0);
                let spread = self.samples.spread(row, c).map(|s| s * 100.0);
                write!(f, "{:>14}", format!("{rate} ({}%)", number(spread, 0)))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }

    fn ratios(&self, f: &mut fmt::Formatter<'_>, title: &str, base: Row) -> fmt::Result {
        if !self.settings.rows.contains(&base) {
            return Ok(());
        }
        self.heading(f, title)?;
        let like = self.settings.rows.iter();
        for &row in like.filter(|row| row.size() == base.size()) {
            write!(f, "{:<20}", row.title())?;
            for &c in &self.settings.connections {
                write!(f, "{:>14}", number(self.samples.ratio(row, base, c), 2))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }

    fn costs(&self, f: &mut fmt::Formatter<'_>, c: u32) -> fmt::Result {
        writeln!(
            f,
            "\n{:<20}{:>7}{:>8}{:>7}{:>7}{:>10}{:>10}{:>10}{:>10}{:>9}{:>9}",
            format!("c={c}: CPU µs/request"),
            "Envoy",
            "bridge",
            "Redis",
            "sum",
            "upstream",
            "exch/req",
            "exch/pipe",
            "cmd/exch",
            "p50 µs",
            "p99 µs",
        )?;
        for &row in &self.settings.rows {
            let median = |of: fn(&super::Sample) -> f64| self.samples.median(row, c, of);
            writeln!(
                f,
                "{:<20}{:>7}{:>8}{:>7}{:>7}{:>10}{:>10}{:>10}{:>10}{:>9}{:>9}",
                row.title(),
                number(median(|s| s.cpu[0]), 1),
                number(median(|s| s.cpu[1]), 1),
                number(median(|s| s.cpu[2]), 1),
                number(median(|s| s.cpu[0] + s.cpu[1] + s.cpu[2]), 1),
                number(median(|s| s.cpu[3]), 1),
                number(median(|s| s.exchanges), 2),
                number(median(|s| s.per_pipeline), 1),
                number(median(|s| s.commands), 1),
                number(median(|s| s.latency[0]), 0),
                number(median(|s| s.latency[1]), 0),
            )?;
        }
        Ok(())
    }

    fn aims(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        for (row, base, aim) in [
            (Row::OneLimit, Row::Noop, 0.85),
            (Row::Full, Row::OneLimit, 0.80),
            (Row::Leased, Row::Noop, 0.90),
            (Row::Remembered, Row::Constant, 0.90),
            (
                Row::Body(What::Remembered, Size::Small),
                Row::Body(What::Constant, Size::Small),
                0.90,
            ),
        ] {
            if let Some(ratio) = self.samples.ratio(row, base, HEADLINE) {
                writeln!(
                    f,
                    "aim at c={HEADLINE}: {} >= {aim:.2} of {}: {ratio:.2}, {}",
                    row.title(),
                    base.title(),
                    met(ratio >= aim),
                )?;
            }
        }
        Ok(())
    }

    fn evictions(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(found) = &self.evictions else {
            return Ok(());
        };
        for (what, times) in [
            ("PUBLISH to the last answer from memory", &found.published),
            ("purge to its answer", &found.purged),
        ] {
            let at = |percent: usize| times.get(times.len() * percent / 100).copied();
            writeln!(
                f,
                "{what}: p50 {} ms, p99 {} ms of {}",
                number(at(50), 2),
                number(at(99), 2),
                times.len()
            )?;
        }
        Ok(())
    }

    fn tag(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(tag) = &self.tag else {
            return Ok(());
        };
        writeln!(
            f,
            "purge of a tag on {} objects: {:.1} s",
            tag.objects, tag.took_s
        )?;
        for (when, times) in [("idle", &tag.idle), ("beside it", &tag.beside)] {
            let at = |percent: usize| times.get(times.len() * percent / 100).copied();
            writeln!(
                f,
                "a GET of the same Redis, {when}: p50 {} ms, p99 {} ms, at most {} ms",
                number(at(50), 2),
                number(at(99), 2),
                number(times.last().copied(), 2)
            )?;
        }
        Ok(())
    }

    fn alone(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(alone) = &self.alone else {
            return Ok(());
        };
        let where_from = match alone.pinned {
            true => "one bridge with a core for itself",
            false => "one bridge, not pinned to a core",
        };
        writeln!(
            f,
            "\n{where_from}: LIMIT.TAKE of one fixed window, and redis-benchmark of its script; CPU µs for each\n\
             {:<12}{:>10}{:>9}{:>9}{:>9}{:>9} |{:>12}{:>9} |{:>17}",
            "in flight",
            "exch/s",
            "of core",
            "in pipe",
            "bridge",
            "Redis",
            "calls/s",
            "Redis",
            "bridge - Redis"
        )?;
        for point in &alone.points {
            let of_core = point.rate * point.bridge / 1e4;
            writeln!(
                f,
                "{:<12}{:>10.0}{:>9}{:>9.1}{:>9.1}{:>9.1} |{:>12.0}{:>9.1} |{:>17.1}",
                point.pressure.to_string(),
                point.rate,
                format!("{of_core:.0} %"),
                point.per_pipeline,
                point.bridge,
                point.redis,
                point.script_rate,
                point.script,
                point.more,
            )?;
        }
        let most = alone.points.iter().map(|point| point.more);
        let most = most.fold(f64::MIN, f64::max);
        writeln!(
            f,
            "aim: the bridge spends at most {BRIDGE_MORE} µs more than the script costs Redis: {most:.1}, {}",
            met(most <= BRIDGE_MORE)
        )
    }

    fn sizes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kib = |bytes: u64| bytes as f64 / 1024.0;
        let built = kib(self.module.built);
        write!(
            f,
            "module {built:.0} KiB (aim: under 400, {})",
            met(built < 400.0)
        )?;
        match self.module.optimised {
            Some(bytes) => writeln!(f, ", after wasm-opt -O3 {:.0} KiB", kib(bytes))?,
            None => writeln!(f, "; no wasm-opt here")?,
        }
        let bare = self.memory.iter().find(|(row, _)| *row == Row::NoFilter);
        for (row, memory) in &self.memory {
            let mib = memory.rss as f64 / 1_048_576.0;
            write!(f, "memory of Envoy, {:<20}{mib:>6.1} MiB", row.title())?;
            if let (Some((_, bare)), true) = (bare, memory.vms > 0) {
                let more = memory.rss.saturating_sub(bare.rss) as f64 / 1_048_576.0;
                let each = more / memory.vms as f64;
                write!(f, ", {each:.1} MiB for each of {} VMs", memory.vms)?;
            }
            writeln!(f)?;
        }
        if let Some(AtBound { before, after }) = self.bound {
            let mib = |bytes: u64| bytes as f64 / 1_048_576.0;
            writeln!(
                f,
                "memory of Envoy, L1 at its bound of 8 MiB: {:.1} MiB more than before ({:.1})",
                mib(after.saturating_sub(before)),
                mib(before)
            )?;
        }
        Ok(())
    }

    fn noise(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spreads = self.settings.rows.iter().flat_map(|&row| {
            let at = move |&c: &u32| self.samples.spread(row, c);
            self.settings.connections.iter().filter_map(at)
        });
        let spread = summary::median(spreads.collect()).map(|s| s * 100.0);
        let mut others: Vec<f64> = self.samples.all().map(|s| s.others).collect();
        others.sort_by(f64::total_cmp);
        writeln!(
            f,
            "noise: a row's rate spreads by {} % between rounds (median); others kept {} processors busy (median), {} at most",
            number(spread, 0),
            number(summary::median(others.clone()), 2),
            number(others.last().copied(), 2),
        )?;
        let share = self.samples.all().map(|s| s.rate * s.cpu[3] / 1e6);
        writeln!(
            f,
            "the upstream used at most {:.2} of its 2 threads",
            share.fold(0.0, f64::max)
        )
    }
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.digits$}"))
}

fn met(yes: bool) -> &'static str {
    if yes { "met" } else { "not met" }
}

//! What a soak prints.

use super::load::Answers;
use super::sample::Sample;
use crate::bench::median;
use std::fmt;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// Everything that was seen.
#[derive(Debug, Clone)]
pub struct Report {
    pub(super) samples: Vec<Sample>,
    pub(super) answers: Answers,
    pub(super) duration: Duration,
}

impl Report {
    /// Medians of the first minute and of the last one; of halves when it was shorter than two.
    fn ends(&self, of: impl Fn(&Sample) -> f64) -> [f64; 2] {
        let part = MINUTE.min(self.duration / 2);
        let first = self.samples.iter().filter(|s| s.at <= part);
        let last = self.samples.iter().filter(|s| s.at + part > self.duration);
        let middle = |all: Vec<f64>| median(all).unwrap_or(f64::NAN);
        [
            middle(first.map(&of).collect()),
            middle(last.map(&of).collect()),
        ]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.duration.as_secs();
        writeln!(
            f,
            "{seconds} s of mixed load; medians of the first minute and of the last one"
        )?;
        writeln!(
            f,
            "{:<16}{:>12}{:>12}{:>9}{:>8}{:>8}",
            "", "MiB, first", "last", "change", "files", "last"
        )?;
        let names = self.samples.first().map(|sample| sample.parts.keys());
        for name in names.into_iter().flatten() {
            let of = |at: usize| {
                self.ends(|sample| sample.parts.get(name).map_or(0.0, |part| part[at] as f64))
            };
            let [first, last] = of(0).map(|bytes| bytes / 1_048_576.0);
            let [files, files_last] = of(1);
            let change = (last / first - 1.0) * 100.0;
            writeln!(
                f,
                "{name:<16}{first:>12.1}{last:>12.1}{:>9}{files:>8.0}{files_last:>8.0}",
                format!("{change:+.1} %"),
            )?;
        }
        for (at, what) in [(0, "state"), (1, "cache")] {
            let [first, last] = self.ends(|sample| sample.keys[at] as f64);
            writeln!(f, "keys, {what:<10}{first:>12.0}{last:>12.0}")?;
        }
        write!(f, "answers")?;
        for (status, count) in &self.answers {
            match status {
                0 => write!(f, ", none: {count}")?,
                status => write!(f, ", {status}: {count}")?,
            }
        }
        writeln!(f, "\nno key without a TTL, no process that ended")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(seconds: u64) -> Report {
        let sample = |at| Sample {
            at: Duration::from_secs(at),
            parts: [("bridge-0".to_owned(), [at << 20, at])].into(),
            keys: [7, 8],
        };
        Report {
            samples: (1..=seconds / 10).map(|n| sample(n * 10)).collect(),
            answers: [(200, 90), (0, 1)].into(),
            duration: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn the_first_minute_is_compared_with_the_last() {
        let of = |report: &Report| report.ends(|sample| sample.at.as_secs_f64());
        assert_eq!(of(&report(600)), [35.0, 575.0]);
        assert_eq!(of(&report(40)), [15.0, 35.0], "halves");
    }

    #[test]
    fn every_process_has_a_line() {
        let text = report(600).to_string();
        assert!(
            text.contains("bridge-0                35.0       575.0"),
            "{text}"
        );
        assert!(text.contains(", none: 1, 200: 90"), "{text}");
    }
}

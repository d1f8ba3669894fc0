//! Medians, spreads and paired ratios of samples.

use super::{Row, Sample};
use std::collections::BTreeMap;

/// All samples of a run, by row and number of connections, in the order of the rounds.
#[derive(Debug, Clone, Default)]
pub(super) struct Samples(BTreeMap<(Row, u32), Vec<Sample>>);

impl Samples {
    /// Adds the next round's sample.
    pub(super) fn add(&mut self, row: Row, connections: u32, sample: Sample) {
        self.0.entry((row, connections)).or_default().push(sample);
    }

    /// The median of one property; `None` when it was not measured.
    pub(super) fn median(
        &self,
        row: Row,
        connections: u32,
        of: impl Fn(&Sample) -> f64,
    ) -> Option<f64> {
        median(self.of(row, connections).iter().map(of).collect())
    }

    /// The median of requests per second.
    pub(super) fn rate(&self, row: Row, connections: u32) -> Option<f64> {
        self.median(row, connections, |s| s.rate)
    }

    /// Difference of the best and the worst rate, as part of the median.
    pub(super) fn spread(&self, row: Row, connections: u32) -> Option<f64> {
        let rates = self.of(row, connections).iter().map(|s| s.rate);
        let high = rates.clone().fold(f64::MIN, f64::max);
        let low = rates.fold(f64::MAX, f64::min);
        self.rate(row, connections).map(|rate| (high - low) / rate)
    }

    /// The median over the rounds of `row`'s rate divided by `base`'s of the same round.
    pub(super) fn ratio(&self, row: Row, base: Row, connections: u32) -> Option<f64> {
        let pairs = self
            .of(row, connections)
            .iter()
            .zip(self.of(base, connections));
        median(pairs.map(|(a, b)| a.rate / b.rate).collect())
    }

    /// Every sample.
    pub(super) fn all(&self) -> impl Iterator<Item = &Sample> {
        self.0.values().flatten()
    }

    fn of(&self, row: Row, connections: u32) -> &[Sample] {
        self.0.get(&(row, connections)).map_or(&[], Vec::as_slice)
    }
}

/// The middle, or the mean of the two middle ones; `None` of nothing or of something that is no number.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    if values.is_empty() || values.iter().any(|v| v.is_nan()) {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let high = values[middle];
    Some(if values.len() % 2 == 1 {
        high
    } else {
        f64::midpoint(values[middle - 1], high)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(rate: f64) -> Sample {
        Sample {
            rate,
            latency: [1.0, 2.0],
            cpu: [0.0; 4],
            exchanges: 1.0,
            per_pipeline: f64::NAN,
            commands: 1.0,
            others: 0.0,
        }
    }

    #[test]
    fn ratios_pair_the_rounds() {
        let mut samples = Samples::default();
        // The machine halves its speed in the second round; the ratio is 0.9 all the time.
        for (noop, one) in [(100.0, 90.0), (50.0, 45.0), (100.0, 90.0), (40.0, 36.0)] {
            samples.add(Row::Noop, 32, sample(noop));
            samples.add(Row::OneLimit, 32, sample(one));
        }
        let ratio = samples.ratio(Row::OneLimit, Row::Noop, 32).unwrap();
        assert!((ratio - 0.9).abs() < 1e-9);
        assert_eq!(samples.rate(Row::Noop, 32), Some(75.0));
        assert_eq!(samples.spread(Row::Noop, 32), Some(60.0 / 75.0));
        assert_eq!(samples.rate(Row::Noop, 8), None);
        assert_eq!(samples.ratio(Row::Full, Row::Noop, 32), None);
        assert_eq!(samples.median(Row::Noop, 32, |s| s.per_pipeline), None);
    }

    #[test]
    fn medians() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
        assert_eq!(median(vec![]), None);
    }
}

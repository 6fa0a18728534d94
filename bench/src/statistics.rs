//! Medians and percentiles. Pure.

use std::time::Duration;

/// One figure that is measured once in each round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The median of the rounds. With an even number of rounds, it is the mean of the two in the
    /// middle.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (sorted.len().saturating_sub(1) / 2, sorted.len() / 2);
        match (sorted.get(low), sorted.get(high)) {
            (Some(low), Some(high)) => f64::midpoint(*low, *high),
            _ => f64::NAN,
        }
    }

    /// The median of the ratios to `base`, round by round, so that noise that both shared cancels
    /// out.
    pub(crate) fn ratio_to(&self, base: &Self) -> f64 {
        let pairs = self.0.iter().zip(&base.0);
        Self(pairs.map(|(own, base)| own / base).collect()).median()
    }

    /// The median of the differences from `base`, round by round.
    pub(crate) fn more_than(&self, base: &Self) -> f64 {
        let pairs = self.0.iter().zip(&base.0);
        Self(pairs.map(|(own, base)| own - base).collect()).median()
    }
}

impl Extend<f64> for Series {
    fn extend<I: IntoIterator<Item = f64>>(&mut self, values: I) {
        self.0.extend(values);
    }
}

/// Latencies in ascending order.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn new(mut latencies: Vec<Duration>) -> Self {
        latencies.sort_unstable();
        Self(latencies)
    }

    /// The latency in milliseconds that `percent` of 100 requests do not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent).div_ceil(100);
        let found = self.0.get(rank.saturating_sub(1));
        found.map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e3)
    }

    pub(crate) fn into_inner(self) -> Vec<Duration> {
        self.0
    }

    pub(crate) fn count(&self) -> f64 {
        number(self.0.len() as u64)
    }
}

/// A count as a floating-point number.
#[expect(
    clippy::cast_precision_loss,
    reason = "no count of a benchmark comes near 2^52"
)]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f64]) -> Series {
        Series(values.to_vec())
    }

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-9
    }

    #[test]
    fn medians_and_their_ratios() {
        assert!(close(series(&[3.0, 1.0, 2.0]).median(), 2.0));
        assert!(close(series(&[4.0, 1.0, 2.0, 3.0]).median(), 2.5));
        assert!(series(&[]).median().is_nan());
        let ratio = series(&[2.0, 30.0, 4.0]).ratio_to(&series(&[1.0, 10.0, 1.0]));
        assert!(close(ratio, 3.0));
        let more = series(&[2.0, 30.0, 4.0]).more_than(&series(&[1.0, 10.0, 1.0]));
        assert!(close(more, 3.0));
    }

    #[test]
    fn percentiles_by_nearest_rank() {
        let latencies = Latencies::new((1..=200).rev().map(Duration::from_millis).collect());
        for (percent, wanted) in [(50, 100.0), (90, 180.0), (99, 198.0), (100, 200.0)] {
            assert!(close(latencies.percentile(percent), wanted));
        }
        assert!(close(
            Latencies::new(vec![Duration::from_millis(7)]).percentile(50),
            7.0
        ));
        assert!(Latencies::new(Vec::new()).percentile(99).is_nan());
    }
}

//! Sets of measurements, one for each runtime, taken in turn.

use std::time::Duration;

use anyhow::Result;

use crate::runtime::Runtime;

/// Measurements of one thing, in milliseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// Adds one.
    pub(crate) fn push(&mut self, took: Duration) {
        self.0.push(took.as_secs_f64() * 1000.0);
    }

    /// The smallest; 0 if there is none.
    pub(crate) fn min(&self) -> f64 {
        self.0.iter().copied().reduce(f64::min).unwrap_or_default()
    }

    /// The median; 0 if there is none.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() % 2 {
            _ if sorted.is_empty() => 0.0,
            0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
            _ => sorted[middle],
        }
    }
}

/// Calls `measure` for every runtime in turn, `rounds` times, after one round that warms up.
pub(crate) fn interleave(
    runtimes: &[Runtime],
    rounds: usize,
    mut measure: impl FnMut(&Runtime) -> Result<Duration>,
) -> Result<Vec<Samples>> {
    let mut samples = vec![Samples::default(); runtimes.len()];
    for round in 0..=rounds {
        for index in order(round, runtimes.len()) {
            let took = measure(&runtimes[index])?;
            if round > 0 {
                samples[index].push(took);
            }
        }
    }
    Ok(samples)
}

/// The order of a round. What comes after a runtime meets what the kernel still has to clean up of it:
/// of three, each comes after each of the others equally often.
pub(crate) fn order(round: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count)
        .map(move |index| if round.is_multiple_of(2) || index == 0 { index } else { count - index })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_after_whom_changes() {
        assert_eq!(order(0, 3).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(order(1, 3).collect::<Vec<_>>(), [0, 2, 1]);
    }

    #[test]
    fn an_even_count_has_its_median_in_the_middle() {
        let mut samples = Samples::default();
        for millis in [4, 1, 3, 2] {
            samples.push(Duration::from_millis(millis));
        }
        assert!((samples.median() - 2.5).abs() < 1e-9);
        assert!((samples.min() - 1.0).abs() < 1e-9);
    }
}

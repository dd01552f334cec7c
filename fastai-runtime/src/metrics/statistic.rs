//! Metrics that are a statistic of weighted images: their value and a bootstrap interval from one definition.

use fastai_dsl::Direction;
use std::fmt::Debug;

use super::interval::{RESAMPLES, bootstrap_of};
use super::{Measure, Probabilities, Truth};

/// Most cells, `images * classes * resamples`, that an interval takes; beyond, it takes fewer resamples.
const WORK: usize = 2_000_000_000;
/// Fewest resamples.
const FEWEST: usize = 100;

/// The statistic of a prepared set, given how often each image counts; `None` where it has no value.
pub type Weighted<'a> = Box<dyn Fn(&[u32]) -> Option<f64> + Sync + 'a>;

/// A metric of weighted images. Every `Statistic` is a [`Measure`], whose interval comes from the bootstrap.
pub trait Statistic: Debug + Send + Sync {
    /// Name of its column, see [`Measure::column`].
    fn column(&self) -> String;

    /// Which values are the better ones.
    fn direction(&self) -> Direction;

    /// Prepares the set, so that the returned function computes the statistic of any weights in linear time; `None` for
    /// labels of a task that it does not measure.
    fn prepare<'a>(&'a self, predicted: &'a Probabilities, truth: &'a Truth) -> Option<Weighted<'a>>;

    /// The classes or tags that it leaves out, see [`Measure::unmeasured`].
    fn left_out(&self, _truth: &Truth, _classes: usize) -> Vec<usize> {
        Vec::new()
    }
}

impl<S: Statistic> Measure for S {
    fn column(&self) -> String {
        Statistic::column(self)
    }

    fn direction(&self) -> Direction {
        Statistic::direction(self)
    }

    fn value(&self, predicted: &Probabilities, truth: &Truth) -> f64 {
        let statistic = self.prepare(predicted, truth);
        statistic.and_then(|statistic| statistic(&vec![1; truth.len()])).unwrap_or(f64::NAN)
    }

    fn interval(&self, predicted: &Probabilities, truth: &Truth, draw: &mut dyn FnMut() -> u64) -> Option<[f64; 2]> {
        let statistic = self.prepare(predicted, truth)?;
        bootstrap_of(truth.len(), resamples(predicted), draw, statistic)
    }

    fn unmeasured(&self, truth: &Truth, classes: usize) -> Vec<usize> {
        self.left_out(truth, classes)
    }
}

/// Resamples of an interval whose statistic takes time in proportion to the cells.
pub(super) fn resamples(predicted: &Probabilities) -> usize {
    (WORK / predicted.values().len().max(1)).clamp(FEWEST, RESAMPLES)
}

/// The weighted mean of a number per image, as a statistic.
pub(super) fn mean_of<'a>(values: Vec<f64>) -> Weighted<'a> {
    Box::new(move |times| {
        let total: f64 = times.iter().map(|&n| f64::from(n)).sum();
        let sum: f64 = values.iter().zip(times).map(|(value, &n)| value * f64::from(n)).sum();
        (total > 0.0).then(|| sum / total)
    })
}

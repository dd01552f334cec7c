//! Root of the mean squared error.

use fastai_dsl::Metric;

use super::absolute_error::absolute_errors;
use super::interval::bootstrap;
use super::{Measure, Probabilities, Truth, mean};

/// Root of the mean squared error of predicted numbers, with a bootstrap interval.
#[derive(Clone, Copy, Debug)]
pub struct RootMeanSquareError;

impl Measure for RootMeanSquareError {
    language_metric!(self => Metric::RootMeanSquareError);

    fn value(&self, predicted: &Probabilities, truth: &Truth) -> f64 {
        let Truth::Values(values) = truth else { return f64::NAN };
        mean(&squares(predicted, values)).sqrt()
    }

    fn interval(&self, predicted: &Probabilities, truth: &Truth, draw: &mut dyn FnMut() -> u64) -> Option<[f64; 2]> {
        let Truth::Values(values) = truth else { return None };
        bootstrap(&squares(predicted, values), draw).map(|ends| ends.map(f64::sqrt))
    }
}

fn squares(predicted: &Probabilities, values: &[f32]) -> Vec<f64> {
    absolute_errors(predicted, values).iter().map(|e| e * e).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_errors_count_more() {
        let predicted = Probabilities::new(vec![1.0, 5.0], 1);
        let truth = Truth::Values(vec![2.0, 2.0]);
        assert!((RootMeanSquareError.value(&predicted, &truth) - 5f64.sqrt()).abs() < 1e-12);
    }
}

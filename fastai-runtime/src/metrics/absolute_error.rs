//! Mean absolute error.

use fastai_dsl::Metric;

use super::interval::bootstrap;
use super::{Measure, Probabilities, Truth, mean};

/// Mean absolute error of predicted numbers, with a bootstrap interval.
#[derive(Clone, Copy, Debug)]
pub struct MeanAbsError;

impl Measure for MeanAbsError {
    language_metric!(self => Metric::MeanAbsError);

    fn value(&self, predicted: &Probabilities, truth: &Truth) -> f64 {
        let Truth::Values(values) = truth else { return f64::NAN };
        mean(&absolute_errors(predicted, values))
    }

    fn interval(&self, predicted: &Probabilities, truth: &Truth, draw: &mut dyn FnMut() -> u64) -> Option<[f64; 2]> {
        let Truth::Values(values) = truth else { return None };
        bootstrap(&absolute_errors(predicted, values), draw)
    }
}

/// How far each predicted number is from the true one.
pub fn absolute_errors(predicted: &Probabilities, values: &[f32]) -> Vec<f64> {
    predicted.values().iter().zip(values).map(|(p, value)| (f64::from(*p) - f64::from(*value)).abs()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_both_signs_add_up() {
        let predicted = Probabilities::new(vec![1.0, 4.0], 1);
        assert_eq!(MeanAbsError.value(&predicted, &Truth::Values(vec![2.0, 2.0])), 1.5);
        assert!(MeanAbsError.value(&predicted, &Truth::Classes(vec![0, 0])).is_nan());
    }
}

//! Accuracy.

use fastai_dsl::Metric;

use super::interval::wilson;
use super::{Measure, Probabilities, Truth};

/// Share of images whose most probable class is the label, with Wilson's interval.
#[derive(Clone, Copy, Debug)]
pub struct Accuracy;

impl Measure for Accuracy {
    language_metric!(self => Metric::Accuracy);

    fn value(&self, predicted: &Probabilities, truth: &Truth) -> f64 {
        let Truth::Classes(classes) = truth else { return f64::NAN };
        accuracy(predicted, classes)
    }

    fn interval(&self, predicted: &Probabilities, truth: &Truth, _: &mut dyn FnMut() -> u64) -> Option<[f64; 2]> {
        let right = (self.value(predicted, truth) * truth.len() as f64).round() as u64;
        Some(wilson(right, truth.len() as u64))
    }
}

/// Share of images whose most probable class is the true one; 0 for an empty set.
///
/// ```
/// use fastai_runtime::metrics::{Probabilities, accuracy};
/// let p = Probabilities::new(vec![0.9, 0.1, 0.4, 0.6], 2);
/// assert_eq!(accuracy(&p, &[0, 0]), 0.5);
/// ```
pub fn accuracy(probabilities: &Probabilities, classes: &[u32]) -> f64 {
    let right = (0..probabilities.len()).filter(|&i| probabilities.top(i) == classes[i] as usize).count();
    right as f64 / probabilities.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_probabilities_wins() {
        let p = Probabilities::new(vec![0.4, 0.4, 0.2], 3);
        assert_eq!(accuracy(&p, &[0]), 1.0);
        assert_eq!(accuracy(&p, &[1]), 0.0);
    }
}

//! Coefficient of determination.

use fastai_dsl::Metric;

use super::statistic::{Statistic, Weighted};
use super::{Probabilities, Truth};

/// The share of the numbers' variance that is predicted: 1 for perfect predictions, 0 for their mean, negative below that.
///
/// Numbers without variance give 1 if all predictions are right and 0 otherwise, as in scikit-learn.
#[derive(Clone, Copy, Debug)]
pub struct Determination;

impl Statistic for Determination {
    language_metric!(self => Metric::Determination);

    fn prepare<'a>(&'a self, predicted: &'a Probabilities, truth: &'a Truth) -> Option<Weighted<'a>> {
        let Truth::Values(values) = truth else { return None };
        Some(Box::new(move |times| {
            let sum = |of: &dyn Fn(usize) -> f64| -> f64 {
                times.iter().enumerate().map(|(image, &n)| f64::from(n) * of(image)).sum()
            };
            let value = |image: usize| f64::from(values[image]);
            let images = sum(&|_| 1.0);
            if images < 2.0 {
                return None;
            }
            let mean = sum(&value) / images;
            let around = sum(&|image| (value(image) - mean).powi(2));
            let missed = sum(&|image| (value(image) - f64::from(predicted.values()[image])).powi(2));
            Some(match (around > 0.0, missed > 0.0) {
                (true, _) => 1.0 - missed / around,
                (false, false) => 1.0,
                (false, true) => 0.0,
            })
        }))
    }
}

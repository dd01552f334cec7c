//! Mean absolute error.

use burn::tensor::Tensor;

use super::{Criterion, foreign, wanted};
use crate::metrics::Truth;
use crate::train::Targets;

/// Mean absolute error of numbers. The numbers of mixed images are blended.
#[derive(Clone, Copy, Debug)]
pub struct AbsoluteError;

impl Criterion for AbsoluteError {
    fn of_batch(&self, logits: Tensor<2>, truth: &Truth, targets: Targets<'_>) -> Tensor<1> {
        let wanted = wanted(truth, targets, &logits.device());
        (logits - wanted).abs().mean()
    }

    fn of_set(&self, logits: &[f32], truth: &Truth) -> f64 {
        let Truth::Values(values) = truth else { foreign(truth) };
        let errors = logits.iter().zip(values).map(|(x, value)| (f64::from(*x) - f64::from(*value)).abs());
        errors.sum::<f64>() / values.len().max(1) as f64
    }
}

//! Mean absolute error.

use burn::tensor::Tensor;

use super::{Criterion, errors, wanted};
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

    fn of_images(&self, logits: &[f32], truth: &Truth) -> Vec<f64> {
        errors(logits, truth).map(f64::abs).collect()
    }
}

//! Mean squared error and Huber loss.

use burn::tensor::Tensor;

use super::{Criterion, errors, wanted};
use crate::metrics::Truth;
use crate::train::Targets;

/// Mean squared error of numbers. The numbers of mixed images are blended.
#[derive(Clone, Copy, Debug)]
pub struct SquaredError;

impl Criterion for SquaredError {
    fn of_batch(&self, logits: Tensor<2>, truth: &Truth, targets: Targets<'_>) -> Tensor<1> {
        let wanted = wanted(truth, targets, &logits.device());
        (logits - wanted).square().mean()
    }

    fn of_images(&self, logits: &[f32], truth: &Truth) -> Vec<f64> {
        errors(logits, truth).map(|error| error * error).collect()
    }
}

/// Huber loss of numbers, as in PyTorch: half the square of errors below `delta`, and `delta (error - delta / 2)` above. The
/// numbers of mixed images are blended.
#[derive(Clone, Copy, Debug)]
pub struct Huber {
    /// The error from which the loss is linear, above 0.
    pub delta: f64,
}

impl Criterion for Huber {
    fn of_batch(&self, logits: Tensor<2>, truth: &Truth, targets: Targets<'_>) -> Tensor<1> {
        let errors = (logits.clone() - wanted(truth, targets, &logits.device())).abs();
        let small = errors.clone().clamp_max(self.delta);
        (small.clone().square() * 0.5 + (errors - small) * self.delta).mean()
    }

    fn of_images(&self, logits: &[f32], truth: &Truth) -> Vec<f64> {
        let of_error = |error: f64| {
            let small = error.abs().min(self.delta);
            0.5 * small * small + self.delta * (error.abs() - small)
        };
        errors(logits, truth).map(of_error).collect()
    }
}

//! Mean squared error and Huber loss.

use burn::tensor::Tensor;

use super::{Criterion, foreign, wanted};
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

    fn of_set(&self, logits: &[f32], truth: &Truth) -> f64 {
        mean(logits, truth, |error| error * error)
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

    fn of_set(&self, logits: &[f32], truth: &Truth) -> f64 {
        mean(logits, truth, |error| {
            let small = error.abs().min(self.delta);
            0.5 * small * small + self.delta * (error.abs() - small)
        })
    }
}

/// The mean of a function of the errors.
fn mean(logits: &[f32], truth: &Truth, of: impl Fn(f64) -> f64) -> f64 {
    let Truth::Values(values) = truth else { foreign(truth) };
    let errors = logits.iter().zip(values).map(|(x, value)| of(f64::from(*x) - f64::from(*value)));
    errors.sum::<f64>() / values.len().max(1) as f64
}

//! Adam and AdamW.

use burn::tensor::Tensor;
use fastai_kernels::descent::{self, AdamStep};

use super::{Rule, TensorStep};

/// Adam as in PyTorch: bias-corrected moving averages of the gradients and of their squares. The decay goes into the
/// gradient, or with `decoupled` (AdamW) shrinks the weights by `rate * decay`.
///
/// The momentum of a step is the share of the past in the average of the gradients.
#[derive(Clone, Copy, Debug)]
pub struct Adam {
    /// Share of the past in the average of the squares.
    pub beta2: f64,
    /// Added to the root of the average square.
    pub eps: f64,
    /// Whether the decay is AdamW's.
    pub decoupled: bool,
}

/// The factors of a step.
pub(super) fn factors(step: &TensorStep, beta2: f64, eps: f64, decoupled: bool) -> AdamStep {
    let steps = i32::try_from(step.number).unwrap_or(i32::MAX);
    let betas = [step.momentum, beta2];
    AdamStep {
        rate: step.rate as f32,
        decay: step.decay as f32,
        decoupled,
        betas: betas.map(|beta| beta as f32),
        corrections: betas.map(|beta| (1.0 - beta.powi(steps)) as f32),
        eps: eps as f32,
    }
}

/// The direction by burn's operations; `kept` becomes the new averages.
pub(super) fn direction<const D: usize>(grad: Tensor<D>, kept: &mut [Option<Tensor<D>>], step: &AdamStep) -> Tensor<D> {
    let [beta1, beta2] = step.betas;
    let zeros = grad.zeros_like();
    let m = kept[0].take().unwrap_or_else(|| zeros.clone());
    let v = kept[1].take().unwrap_or(zeros);
    let m = m.clone() + (grad.clone() - m).mul_scalar(1.0 - beta1);
    let v = v.mul_scalar(beta2) + grad.square().mul_scalar(1.0 - beta2);
    kept[0] = Some(m.clone());
    kept[1] = Some(v.clone());
    m.div_scalar(step.corrections[0]) / v.div_scalar(step.corrections[1]).sqrt().add_scalar(step.eps)
}

impl Rule for Adam {
    const KEEPS: &'static [&'static str] = &["mean", "square"];

    type Factors = AdamStep;

    fn factors(&self, step: &TensorStep) -> AdamStep {
        factors(step, self.beta2, self.eps, self.decoupled)
    }

    fn kernel(weight: &mut [f32], grad: &mut [f32], kept: &mut [&mut [f32]], step: AdamStep) {
        let [m, v] = kept else { unreachable!("two tensors are kept") };
        descent::adam(weight, grad, m, v, step);
    }

    fn composed<const D: usize>(
        weight: Tensor<D>,
        grad: Tensor<D>,
        kept: &mut [Option<Tensor<D>>],
        step: AdamStep,
    ) -> Tensor<D> {
        let (grad, weight) = match (step.decay != 0.0, step.decoupled) {
            (false, _) => (grad, weight),
            (true, false) => (grad + weight.clone().mul_scalar(step.decay), weight),
            (true, true) => (grad, weight.mul_scalar(1.0 - step.rate * step.decay)),
        };
        weight - direction(grad, kept, &step).mul_scalar(step.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::super::agree;
    use super::*;

    #[test]
    fn one_pass_agrees_with_burns_operations() {
        for decoupled in [false, true] {
            agree(Adam { beta2: 0.99, eps: 1e-8, decoupled }, 1e-5);
        }
    }
}
